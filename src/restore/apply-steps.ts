/**
 * Applies operations of the log to rows of a shadow, in memory, by the rules that the writer has:
 * conditions and patches are evaluated again, and versions are written by the same draft.
 *
 * The log says that each of them was applied, so one that fails now means that log and state have
 * parted: the restore ends there.
 */
import { EMPTY_ROOTS } from "../commitment/state-root.ts";
import { FatalError } from "../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type LogPosition,
	type MemoryKey,
	type VersionId,
} from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { evaluate } from "../memory/patch.ts";
import { unitVector } from "../ranking/unit-vector.ts";
import type { ChainState } from "../writer/chain-state.ts";
import { StateDraft, type StateWrite, type VectorRequest } from "../writer/state-draft.ts";
import type { AgentStep, HandlerStep } from "./log-walk.ts";
import { type ShadowRow, shadowVersion } from "./shadow-store.ts";

/** Of rows while they are worked on: a restore knows one generation only. */
export const ONE_GENERATION = 0n;
/**
 * Version ids of a draft begin behind this, and each is replaced by the one that the log has: those that
 * forks took back have left gaps. Above every id that is given out.
 */
const DRAFT_IDS: VersionId = FOREVER / 2n;

export type WriteStep = AgentStep | HandlerStep;

export function stepKey({ operation }: WriteStep): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

/**
 * The rows of the memories that the steps write. `loaded` has the rows of these memories before;
 * `generation` is that in which the new rows begin. Throws `FatalError("verification_failed")` for a step
 * that cannot be applied.
 */
export function applySteps(
	steps: readonly WriteStep[],
	loaded: ReadonlyMap<MemoryKey, ShadowRow>,
	generation: Generation,
): readonly ShadowRow[] {
	const draft = new StateDraft(
		draftState({ versionSeq: DRAFT_IDS, logPosition: 0n, from: 0n }),
		ONE_GENERATION,
	);
	const keys = new Set(steps.map(stepKey));
	for (const key of keys) draft.load(key, workingRows(loaded.get(key)));
	let reached: Height | undefined;
	for (const step of steps) {
		if (step.slot !== reached) draft.expireUpTo(step.slot - 1n);
		reached = step.slot;
		draft.write(writeOf(step, draft));
	}
	const vectors = vectorsOf(draft.vectorRequests, loaded);
	return [...keys].flatMap((key) => {
		const version = draft.editor.latest(key);
		if (version === undefined) return [];
		const versionId = writtenBy(version, steps);
		return [toRow({ ...version, versionId }, generation, vectors.get(version.versionId))];
	});
}

/** What a draft is told of the chain: only where its numbers begin counts. */
export function draftState(base: {
	readonly versionSeq: VersionId;
	readonly logPosition: LogPosition;
	/** First height that is written. */
	readonly from: Height;
	readonly chainId?: ChainId;
}): ChainState {
	return {
		chainId: base.chainId ?? 0,
		generation: ONE_GENERATION,
		fence: 0n,
		logPosition: base.logPosition,
		versionSeq: base.versionSeq,
		roots: EMPTY_ROOTS,
		head: undefined,
		startBlock: base.from,
		safe: undefined,
		finalized: undefined,
		pointers: {},
	};
}

/** A shadow's row as a draft works on it. */
export function workingRows(row: ShadowRow | undefined): readonly Version[] {
	return row === undefined ? [] : [{ ...shadowVersion(row), fromGen: ONE_GENERATION }];
}

/** A version that was written, as a shadow's row. */
export function toRow(
	version: Version,
	fromGen: Generation,
	vector: Float32Array | undefined,
): ShadowRow {
	const { toBlock: _toBlock, toGen: _toGen, ...row } = version;
	return { ...row, fromGen, vector };
}

/** Vectors that were given, and those that a patch carries on; what is embedded from text has none. */
export function vectorsOf(
	requests: readonly VectorRequest[],
	loaded: ReadonlyMap<MemoryKey, ShadowRow>,
): ReadonlyMap<VersionId, Float32Array> {
	const known = new Map<VersionId, Float32Array>();
	for (const { versionId, vector } of loaded.values()) {
		if (vector !== undefined) known.set(versionId, vector);
	}
	for (const { version, source } of requests) {
		const vector =
			source.type === "given"
				? unitVector(source.vector)
				: source.type === "copy"
					? known.get(source.versionId)
					: undefined;
		if (vector !== undefined) known.set(version.versionId, vector);
	}
	return known;
}

/** Throws `FatalError("verification_failed")` for a step that cannot be applied. */
export function writeOf(step: WriteStep, draft: StateDraft): StateWrite {
	const { slot, position } = step;
	const { namespace, id } = step.operation;
	if (step.type === "handler") {
		const body = step.operation.kind === "put" ? step.operation.body : undefined;
		const rests = { suspect: false, grounds: slot };
		return { slot, namespace, id, owner: "handler", position, body, copyOf: undefined, ...rests };
	}
	const present = draft.editor.visible(stepKey(step), slot);
	const evaluation = evaluate(
		step.operation,
		present,
		(_named, version) => step.conditionPosition === version.position,
	);
	if (evaluation.type === "fail") throw contradicting(step, evaluation.message);
	const put = evaluation.type === "put" ? evaluation : undefined;
	return {
		slot,
		namespace,
		id,
		owner: "agent",
		position,
		body: put?.body,
		copyOf: put?.keepVectorOf,
		suspect: false,
		grounds: undefined,
	};
}

/** Every step writes one version, in order. */
function writtenBy({ versionId }: Version, steps: readonly WriteStep[]): VersionId {
	return steps[Number(versionId - DRAFT_IDS) - 1]?.versionId ?? versionId;
}

function contradicting(step: AgentStep, why: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the operation at log position ${step.position} was applied at ${step.slot}, and cannot be applied again: ${why}`,
		hint: "log or snapshot was changed outside of Recant; restore from another snapshot",
		fields: { position: step.position.toString(), slot: step.slot.toString() },
	});
}
