/**
 * Assembles one commit in memory: operations and sealed blocks go in, a `CommitBatch` comes out. Here is what
 * agents' operations become; how it is written stands in commit-draft.ts.
 *
 * Blocks following the chain, agents' groups and rollbacks all use it, so there is one place where an
 * operation becomes a version, a log entry, a leaf and a vector. It decides nothing about time: the
 * caller says in which slot and in which order.
 */
import type { Height, LogPosition, MemoryKey, VersionId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { MemoryBody, OperationReason } from "../domain/operation.ts";
import { bodyOf } from "../memory/compensation.ts";
import { isConsolidatedId } from "../memory/consolidate.ts";
import { type Ground, highest } from "../memory/ground.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { type Evaluation, evaluate } from "../memory/patch.ts";
import { CommitDraft } from "./commit-draft.ts";
import type { LinkProblem } from "./link-graph.ts";
import { type OriginalPlace, RESTS_ON_NOTHING, type Rests } from "./log-draft.ts";
import { depthOf, nameOfLost, restsOf, restsOnBoth } from "./rests.ts";
import type { OpenOperation } from "./writer-store.ts";

export type Outcome =
	| {
			readonly type: "applied";
			/** Undefined: it makes no version itself. */
			readonly versionId: VersionId | undefined;
	  }
	| { readonly type: "failed"; readonly code: string; readonly message: string };

export type Admission =
	| {
			readonly type: "applied";
			/** As it waits, where it is suspect from the first. */
			readonly marked: OpenOperation | undefined;
	  }
	| Extract<Outcome, { readonly type: "failed" }>;

interface Expired {
	readonly type: "fail";
	readonly code: "expired";
	readonly message: string;
	readonly fields: Readonly<Record<string, string>>;
}

export type Preview = Evaluation | Expired | LinkProblem;

export class Assembly extends CommitDraft {
	/**
	 * What the operation would do in that slot, on top of `current`, without doing it. A memory that
	 * would have ended already is refused here; at a replay it only ends what was there. `look` answers
	 * what is visible of another memory.
	 */
	preview(
		stored: StoredOperation,
		slot: Height,
		current: Version | undefined,
		look: (key: MemoryKey) => Version | undefined,
	): Preview {
		const { operation } = stored;
		const unjoined = operation.kind === "link" && this.links.problem(operation, slot, look);
		if (unjoined) return unjoined;
		const evaluation = evaluate(operation, current);
		if (evaluation.type !== "put") return evaluation;
		const { expiresAtBlock, expiresAtTime } = evaluation.body;
		if (expiresAtBlock !== undefined && expiresAtBlock <= slot) {
			return expired(`it expires at ${expiresAtBlock}, which is not above its slot ${slot}`, {
				expiresAtBlock: expiresAtBlock.toString(),
				slot: slot.toString(),
			});
		}
		const now = this.head?.timestamp;
		if (expiresAtTime !== undefined && now !== undefined && expiresAtTime <= now) {
			return expired(`it expires at ${expiresAtTime}, which is not after the head's time ${now}`, {
				expiresAtTime: expiresAtTime.toString(),
				headTime: now.toString(),
			});
		}
		return evaluation;
	}

	/** Applies a new agent's operation, which gets the next position. */
	admit(stored: StoredOperation, slot: Height): Admission {
		const { ifVersion } = stored.operation;
		const namesVersion = ifVersion !== undefined && ifVersion !== 0n;
		const conditionPosition = namesVersion ? this.#visible(stored, slot)?.position : undefined;
		const ground = this.ground(stored);
		if (ground.type === "absent") {
			const code = ground.reason === "source_absent" ? "source_unknown" : "anchor_not_canonical";
			return { type: "failed", code, message: ground.lost.map(nameOfLost).join(", ") };
		}
		const position = this.log.position + 1n;
		const applied = this.#apply(stored, slot, { position }, ground);
		if (applied.type === "failed") return applied;
		const { versionId, rests, isMarked } = applied;
		this.log.admitted(stored, slot, { versionId, conditionPosition, rests, isMarked });
		const key = keyOf(stored);
		this.derived(key, stored.sources, position, depthOf(ground));
		this.onWrite(key, slot);
		const marked = isMarked && openFrom(stored, slot, { position, conditionPosition });
		return { type: "applied", marked: marked || undefined };
	}

	/** Logs an operation that is never applied, with the reason. */
	refuse(stored: StoredOperation, slot: Height, reason: OperationReason): void {
		this.log.refused(stored, slot, reason);
	}

	/**
	 * Applies an operation that was acknowledged before, in the slot that was found for it. What it rests
	 * on, as it was judged, may be gone: then it is suspect, if that is its policy.
	 */
	reapply(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace,
		{ verdict, ground }: Judged,
	): Outcome {
		const outcome = this.#reapply(stored, slot, original, ground);
		const lost = ground.type === "absent" ? ground.lost : [];
		if (outcome.type === "applied") {
			const { versionId, rests, isMarked, isEnded } = outcome;
			const to = { verdict, status: "applied", slot, versionId, reason: undefined } as const;
			this.log.judged(stored, slot, original, { ...to, rests, isMarked, isEnded, lost });
			this.onWrite(keyOf(stored), slot);
		} else {
			const reason = { code: outcome.code, message: outcome.message };
			this.log.judged(stored, slot, original, { ...WITHDRAWN, status: "recanted", reason, lost });
		}
		return outcome;
	}

	/**
	 * What a suspect operation rests on is there again: what the memory says is said once more, suspect no
	 * longer, where `isLast` says that it was suspect for this operation's sake alone.
	 */
	clear(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace & { readonly effectiveSlot: Height | undefined },
		{ ground, isLast }: { readonly ground: Ground; readonly isLast: (present: Version) => boolean },
	): void {
		const present = this.#visible(stored, slot);
		const own = restsOf(ground, stored);
		const marked = present !== undefined && isLast(present) ? present : undefined;
		const isAlone = marked?.position === original.position && stored.operation.kind !== "patch";
		const grounds = isAlone ? own.grounds : highest(own.grounds, marked?.grounds);
		const rests = { ...own, grounds };
		const versionId = marked && this.#writeAgain(marked, slot, rests, depthOf(ground));
		const { effectiveSlot } = original;
		const to = { slot, effectiveSlot, rests, isMarked: own.suspect, reason: undefined } as const;
		if (versionId === undefined) {
			this.log.stands(stored, slot, original, { ...to, versionId, status: "applied" });
			return;
		}
		const verdict = { verdict: "cleared", status: "applied", versionId, lost: [] } as const;
		this.log.judged(stored, slot, original, { ...to, ...verdict });
		this.onWrite(keyOf(stored), slot);
	}

	/** Withdraws an operation until what it rests on comes back. */
	suspend(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		absent: Extract<Ground, { readonly type: "absent" }>,
	): void {
		const { lost } = absent;
		const reason = { code: absent.reason, message: lost.map(nameOfLost).join(", ") };
		const verdict = { verdict: "suspended", status: "suspended", reason, lost } as const;
		this.log.judged(stored, judgedSlot, original, { ...WITHDRAWN, ...verdict });
	}

	/** Where the anchors of an operation stand now that waits on, and that nothing else is said about. */
	moved(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		absent: Extract<Ground, { readonly type: "absent" }>,
	): void {
		const reason = { code: absent.reason, message: absent.lost.map(nameOfLost).join(", ") };
		this.log.stands(stored, judgedSlot, original, {
			status: "suspended",
			slot: undefined,
			versionId: undefined,
			reason,
			isMarked: false,
		});
	}

	/** An operation that stands, and of which what it rests on is not there still, or again. */
	stillSuspect(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace & { readonly effectiveSlot: Height | undefined },
	): void {
		this.log.stands(stored, judgedSlot, original, {
			status: "applied",
			slot: original.effectiveSlot,
			versionId: undefined,
			reason: undefined,
			isMarked: true,
		});
	}

	#reapply(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace,
		ground: Ground,
	): Applied {
		const key = keyOf(stored);
		const latest = this.state.editor.latest(key);
		if (latest !== undefined && isLater(latest, original)) {
			// The agent has written this memory again since; the older belief stays overwritten.
			const message = `a later operation (position ${latest.position}) wrote this memory`;
			return { type: "failed", code: "overwritten_later", message };
		}
		const closed = stored.operation.kind === "link" && this.links.circle(stored.operation, slot);
		if (closed) return { type: "failed", code: closed.code, message: closed.message };
		return this.#apply(stored, slot, original, ground);
	}

	/** `conditionPosition` undefined: a version is named by its id, as agents do. */
	#apply(
		stored: StoredOperation,
		slot: Height,
		as: { readonly position: LogPosition; readonly conditionPosition?: LogPosition | undefined },
		ground: Ground,
	): Applied {
		const { namespace, id } = stored.operation;
		const { position, conditionPosition } = as;
		const key = keyOf(stored);
		const present = this.state.editor.visible(key, slot);
		const evaluation = evaluate(stored.operation, present, (named, version) =>
			conditionPosition === undefined
				? named === version.versionId
				: conditionPosition === version.position,
		);
		if (evaluation.type === "fail") {
			return { type: "failed", code: evaluation.code, message: evaluation.message };
		}
		const own = restsOf(ground, stored);
		if (evaluation.type === "consolidate") {
			const isMarked = own.suspect;
			return { type: "applied", versionId: undefined, rests: own, isMarked, isEnded: false };
		}
		const isEnded = evaluation.type === "put" && this.#isOver(evaluation.body);
		const put = evaluation.type === "put" && !isEnded ? evaluation : undefined;
		const rests = stored.operation.kind === "patch" ? restsOnBoth(own, present) : own;
		const write = { slot, namespace, id, owner: "agent", position } as const;
		const versionId = this.write(
			{ ...write, body: put?.body, copyOf: put?.keepVectorOf, ...rests },
			depthOf(ground),
		);
		if (stored.operation.kind === "link") this.links.add(stored.operation);
		if (put !== undefined && stored.operation.kind !== "patch") this.puts.add(key, position);
		return { type: "applied", versionId, rests, isMarked: own.suspect, isEnded };
	}

	/** Its time had come before its slot: it ends what was there, and leaves nothing. */
	#isOver({ expiresAtTime }: MemoryBody): boolean {
		const time = this.head?.timestamp;
		return expiresAtTime !== undefined && time !== undefined && expiresAtTime <= time;
	}

	#writeAgain(version: Version, slot: Height, rests: Rests, depth: number): VersionId {
		const { namespace, id, owner, position, collection, content = {} } = version;
		const body = bodyOf({ ...version, content }, undefined);
		const copyOf = collection === undefined ? undefined : version.versionId;
		return this.write({ slot, namespace, id, owner, position, body, copyOf, ...rests }, depth);
	}

	#visible(stored: StoredOperation, slot: Height): Version | undefined {
		return this.state.editor.visible(keyOf(stored), slot);
	}
}

/** How an operation was judged before it is applied again. */
interface Judged {
	readonly verdict: "replayed" | "reinstated";
	readonly ground: Ground;
}

type Applied =
	| {
			readonly type: "applied";
			readonly versionId: VersionId | undefined;
			readonly rests: Rests;
			/** See Verdict. */
			readonly isMarked: boolean;
			readonly isEnded: boolean;
	  }
	| Extract<Outcome, { readonly type: "failed" }>;

const WITHDRAWN = {
	verdict: "recanted",
	slot: undefined,
	versionId: undefined,
	rests: RESTS_ON_NOTHING,
	isMarked: false,
} as const;

/**
 * Positions of what consolidation makes are new on every branch; of these the slots tell. Agents only delete it.
 */
function isLater({ id, fromBlock, position }: Version, original: OriginalPlace): boolean {
	if (isConsolidatedId(id)) return fromBlock > original.originalSlot;
	return position > original.position;
}

/** A suspect operation that was admitted in that slot. */
function openFrom(
	stored: StoredOperation,
	slot: Height,
	place: Pick<OpenOperation, "conditionPosition" | "position">,
): OpenOperation {
	const slots = { originalSlot: slot, effectiveSlot: slot, judgedSlot: slot };
	return { stored, ...place, ...slots, status: "applied", suspect: true };
}

function keyOf({ operation }: StoredOperation): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

function expired(message: string, fields: Expired["fields"]): Expired {
	return { type: "fail", code: "expired", message, fields };
}
