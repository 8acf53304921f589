/**
 * Applies writes of the log to rows of a shadow, in memory, by the rules that the writer has: conditions
 * and patches are evaluated again, and versions are written by the same draft. What a version rests on is
 * taken from the log, which says it as it was found out.
 *
 * The log says that each of them was made, so one that fails now means that log and state have parted: the
 * restore ends there.
 */
import { LEAST_WINDOW } from "../chain/window-size.ts";
import { EMPTY_ROOTS } from "../commitment/state-root.ts";
import { FatalError, unreachable } from "../domain/errors.ts";
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
import { bodyOf } from "../memory/compensation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { evaluate } from "../memory/patch.ts";
import { unitVector } from "../ranking/unit-vector.ts";
import type { ChainState } from "../writer/chain-state.ts";
import { RESTS_ON_NOTHING } from "../writer/log-draft.ts";
import { StateDraft, type StateWrite, type VectorRequest } from "../writer/state-draft.ts";
import type { WriteStep } from "./log-walk.ts";
import type { AgentWrite, ClearedWrite, EndedWrite, LoggedWrite } from "./log-writes.ts";
import { type ShadowRow, shadowVersion } from "./shadow-store.ts";

/** Of rows while they are worked on: a restore knows one generation only. */
export const ONE_GENERATION = 0n;
/**
 * Version ids of a draft begin behind this, and each is replaced by the one that the log has: those that
 * forks took back have left gaps. Above every id that is given out.
 */
const DRAFT_IDS: VersionId = FOREVER / 2n;

export function writeKey({ namespace, id }: Pick<LoggedWrite, "namespace" | "id">): MemoryKey {
	return memoryKey(namespace, id);
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
	const keys = new Set(steps.map(writeKey));
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
		...LEAST_WINDOW,
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

/** Throws `FatalError("verification_failed")` for a write that cannot be made. */
export function writeOf(write: LoggedWrite, draft: StateDraft): StateWrite {
	switch (write.type) {
		case "handler": {
			const { operation, slot } = write;
			const body = operation.kind === "put" ? operation.body : undefined;
			return {
				...placeOf(write),
				owner: "handler",
				body,
				copyOf: undefined,
				suspect: false,
				grounds: slot,
			};
		}
		case "agent":
			return agentWrite(write, draft);
		case "cleared":
			return clearedWrite(write, draft);
		case "consolidated": {
			const { body, rests } = write;
			return { ...placeOf(write), owner: "agent", body, copyOf: undefined, ...rests };
		}
		case "ended": {
			const { owner, position } = presentOf(write, draft);
			const gone = { body: undefined, copyOf: undefined, ...RESTS_ON_NOTHING };
			return { ...placeOf(write), owner, position, ...gone };
		}
		default:
			return unreachable(write);
	}
}

/** Takes the place of a write to a memory that is not worked on. */
export function blankWrite(write: LoggedWrite): StateWrite {
	const gone = { body: undefined, copyOf: undefined, ...RESTS_ON_NOTHING };
	return { ...placeOf(write), owner: "agent", ...gone };
}

function agentWrite(write: AgentWrite, draft: StateDraft): StateWrite {
	const { operation, conditionPosition, rests, isEnded } = write;
	const evaluation = evaluate(
		operation,
		draft.editor.visible(writeKey(write), write.slot),
		(_named, version) => conditionPosition === version.position,
	);
	if (evaluation.type === "fail") throw contradicting(write, evaluation.message);
	const put = evaluation.type === "put" && !isEnded ? evaluation : undefined;
	const { body, keepVectorOf: copyOf } = put ?? { body: undefined, keepVectorOf: undefined };
	return { ...placeOf(write), owner: "agent", body, copyOf, ...rests };
}

function clearedWrite(write: ClearedWrite, draft: StateDraft): StateWrite {
	const present = presentOf(write, draft);
	if (present.position < write.position) {
		throw contradicting(write, `the memory was written by the operation at ${present.position}`);
	}
	const copyOf = present.collection === undefined ? undefined : present.versionId;
	// Patches on it stay, and so does their place in the order of writing.
	const { owner, position, content = {} } = present;
	return {
		...placeOf(write),
		owner,
		position,
		body: bodyOf({ ...present, content }, undefined),
		copyOf,
		...write.rests,
	};
}

function presentOf(write: ClearedWrite | EndedWrite, draft: StateDraft): Version {
	const present = draft.editor.visible(writeKey(write), write.slot);
	if (present === undefined) throw contradicting(write, "the memory is not there");
	return present;
}

function placeOf({ slot, namespace, id, position }: LoggedWrite) {
	return { slot, namespace, id, position };
}

/** Every step writes one version, in order. */
function writtenBy({ versionId }: Version, steps: readonly WriteStep[]): VersionId {
	return steps[Number(versionId - DRAFT_IDS) - 1]?.versionId ?? versionId;
}

function contradicting({ type, position, slot }: LoggedWrite, why: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the write (${type}) of log position ${position} was made at ${slot}, and cannot be made again: ${why}`,
		hint: "log or snapshot was changed outside of Recant; restore from another snapshot",
		fields: { position: position.toString(), slot: slot.toString() },
	});
}
