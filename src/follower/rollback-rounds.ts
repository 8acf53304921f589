/**
 * The follower's side of a rollback: records it, sees it through, and looks at the node again when
 * the branch moved meanwhile.
 *
 * A head that extends the target does not supersede; the next round takes it. Another branch does,
 * and when the old branch has won again the rollback is cancelled. After LIMITS.supersessions in a
 * row the chain is given time to settle. The inbox waits from here to the end, also while it is paused.
 *
 * A fork whose rollback failed is not recorded again: the chain stands on it, in whatever process, until
 * an operator retries or abandons it, or the node shows another branch or the old one.
 */

import type { ForkEvidence } from "../chain/decision.ts";
import type { BlockHeader } from "../domain/block.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import type { RecantError } from "../domain/errors.ts";
import type { Generation, RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { BranchDeriver } from "../rollback/branch-deriver.ts";
import type { RollbackCoordinator, RunOutcome } from "../rollback/coordinator.ts";
import type { KnownMemories } from "../rollback/known-memories.ts";
import { isActive, type RollbackRecord, targetOf } from "../rollback/rollback-record.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import type { Observation } from "./observe.ts";

/** How often a rollback that another process works on is looked at. */
const BUSY_MS = 100;
/** How often one that is paused is: for hours, perhaps, and with a call of the node. */
const PAUSED_MS = 500;
/** Between two tries after a passing fault. */
const RETRY_MS = 500;
/** Looks at a chain that keeps forking, until two in a row agree; at most this many. */
const SETTLE_LOOKS = 60;

function isSame(rollback: RollbackRecord, fork: Fork, generation: Generation): boolean {
	const target = fork.blocks.at(-1);
	return (
		rollback.fromGeneration === generation &&
		rollback.ancestor.hash === fork.ancestor.hash &&
		target?.hash === targetOf(rollback).hash
	);
}

/**
 * Whether it went onto the branch of that fork: the branch may have grown since, and a node that lags
 * shows less of it. A chain that was only rolled back is no branch.
 */
function isOfBranch(
	{ ancestor, branch }: RollbackRecord,
	{ ancestor: from, blocks }: Fork,
): boolean {
	if (ancestor.hash !== from.hash) return false;
	// Both are linked: where the shorter one ends they are the same, or never were.
	const last = Math.min(branch.length, blocks.length) - 1;
	return last < 0 ? branch.length === blocks.length : branch[last]?.hash === blocks[last]?.hash;
}

/** Whether a recovery's rollback was begun so often that something ends whoever works on it. */
function isSpent({ recoveryId, attempt }: RollbackRecord): boolean {
	return recoveryId !== undefined && attempt >= LIMITS.recoveryClaims;
}

export interface Fork {
	readonly ancestor: BlockHeader;
	/** Ascending; empty when the chain was only rolled back. */
	readonly blocks: readonly BlockHeader[];
	readonly evidence: ForkEvidence;
}

export interface RollbackRoundsOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: ChainWriter;
	readonly coordinator: RollbackCoordinator;
	readonly deriver: BranchDeriver;
	readonly memories: KnownMemories;
	readonly log: Logger;
	readonly inlineRollbacks: boolean;
	readonly observe: () => Promise<Observation>;
	readonly isStopped: () => boolean;
	readonly clock?: Clock | undefined;
}

export class RollbackRounds {
	readonly #options: RollbackRoundsOptions;
	readonly #clock: Clock;
	/** Rollbacks that this process worked on, in the generation that is present. */
	readonly #workedOn = new Set<RollbackId>();
	#workedIn: Generation | undefined;

	constructor(options: RollbackRoundsOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	/**
	 * Why the chain stands on that fork, if a rollback onto its branch failed: it is not to be recorded
	 * again. Undefined: it is. A recovery's rollback is another attempt on what the chain stands on anyway.
	 */
	async standsOn(fork: Fork): Promise<Problem | undefined> {
		const { coordinator, spec, writer } = this.#options;
		const failed = await coordinator.store.failedForks(spec.id, writer.state.generation);
		const found = failed.find(
			(each) =>
				each.recoveryId === undefined && isOfBranch(each, fork) && !this.#mayBeCorrected(each),
		);
		return found && standing(found);
	}

	/** A handler is corrected in a file, and then the process is started again: it has one try. */
	#mayBeCorrected({ rollbackId, error }: RollbackRecord): boolean {
		return error?.code === "handler_failed" && !this.#workedOn.has(rollbackId);
	}

	/**
	 * Records a fork and works on it until the chain is on one branch, or until its rollback failed: the
	 * next look tells which.
	 */
	async reorg(fork: Fork): Promise<void> {
		await this.#held(async () => {
			const rollbackId = await this.#record(fork, undefined);
			if (rollbackId !== undefined) await this.#seeThrough(rollbackId);
		});
	}

	/** Works on one that is there already: asked for by hand, or left by a process that died. */
	async finish(active: RollbackRecord): Promise<void> {
		await this.#held(async () => {
			const wanted = !isSpent(active) && (await this.#stillWanted(active));
			const rollbackId = wanted ? active.rollbackId : await this.#lookAgain(active.rollbackId);
			if (rollbackId !== undefined) await this.#seeThrough(rollbackId);
		});
	}

	/**
	 * Ends one that follows a fork and that the halt of its chain overtook: nobody works on it, and it would be in
	 * the way of every recovery. The fork is recorded anew if it is still there when the chain goes on. One that
	 * was asked for by hand is its operator's to cancel.
	 */
	async giveUp({ rollbackId, attempt, cause }: RollbackRecord): Promise<void> {
		if (cause === "manual") return;
		const { coordinator, log } = this.#options;
		if (!(await coordinator.store.cancel(rollbackId, attempt))) return;
		log.warn(
			{ rollbackId },
			"a rollback is given up: its chain was halted before it was committed",
		);
	}

	/** Of the present generation alone: only its forks are looked at again. */
	#workOn(rollbackId: RollbackId): void {
		const { generation } = this.#options.writer.state;
		if (generation !== this.#workedIn) this.#workedOn.clear();
		this.#workedIn = generation;
		this.#workedOn.add(rollbackId);
	}

	async #held(work: () => Promise<void>): Promise<void> {
		const { writer } = this.#options;
		writer.hold();
		try {
			await writer.idle();
			await work();
		} finally {
			writer.release();
		}
	}

	async #seeThrough(first: RollbackId): Promise<void> {
		const { isStopped } = this.#options;
		let rollbackId: RollbackId | undefined = first;
		while (rollbackId !== undefined && !isStopped()) {
			this.#workOn(rollbackId);
			const outcome: RunOutcome = await this.#run(rollbackId);
			rollbackId = await this.#after(rollbackId, outcome);
		}
	}

	/** Answers the rollback to go on with; undefined: it is over. */
	async #after(rollbackId: RollbackId, outcome: RunOutcome): Promise<RollbackId | undefined> {
		switch (outcome.type) {
			case "committed":
				return undefined;
			case "over":
			case "failed":
				return undefined;
			case "moved":
				return this.#lookAgain(rollbackId);
			case "prepared":
			case "busy":
				return this.#whileBusy(rollbackId, BUSY_MS);
			case "paused":
				return this.#whileBusy(rollbackId, PAUSED_MS);
			case "retry":
				return this.#retry(rollbackId, outcome.error);
		}
	}

	async #run(rollbackId: RollbackId): Promise<RunOutcome> {
		const { coordinator, deriver, memories, writer, inlineRollbacks } = this.#options;
		if (!inlineRollbacks) {
			const record = await coordinator.store.load(rollbackId);
			if (record === undefined || !isActive(record.state)) return { type: "over" };
			if (record.paused) return { type: "paused" };
			if (record.state !== "prepared") return { type: "busy" };
		}
		return coordinator.run(rollbackId, deriver, {
			stillWanted: (rollback) => this.#stillWanted(rollback),
			exclusive: (work) => writer.exclusive(work),
			memories,
		});
	}

	/** Whoever works on it does not look whether the branch is gone, and would try for good; nor does a pause. */
	async #whileBusy(rollbackId: RollbackId, waitMs: number): Promise<RollbackId | undefined> {
		await this.#clock.sleep(waitMs);
		const record = await this.#options.coordinator.store.load(rollbackId);
		if (record === undefined || !isActive(record.state)) return undefined;
		return (await this.#stillWanted(record)) ? rollbackId : this.#lookAgain(rollbackId);
	}

	/** What failed may have failed because the branch is gone; else it is tried again as it is. */
	async #retry(rollbackId: RollbackId, error: RecantError): Promise<RollbackId | undefined> {
		const record = await this.#options.coordinator.store.load(rollbackId);
		if (record === undefined || !isActive(record.state)) return undefined;
		const isHopeless = error.code === "rollback_fenced" || isSpent(record);
		if (isHopeless || !(await this.#stillWanted(record))) return this.#lookAgain(rollbackId);
		await this.#clock.sleep(RETRY_MS);
		return rollbackId;
	}

	async #lookAgain(rollbackId: RollbackId): Promise<RollbackId | undefined> {
		const { coordinator } = this.#options;
		const old = await coordinator.store.load(rollbackId);
		if (old === undefined || !isActive(old.state)) return undefined;
		if (old.cause === "manual") return rollbackId;
		if (old.recoveryId !== undefined) return this.#recoveryAgain(old);
		// The next round takes the node's branch as it is then.
		if (old.cause === "handlers") {
			return (await coordinator.store.cancel(rollbackId, old.attempt)) ? undefined : rollbackId;
		}
		const supersessions = old.supersessions + 1;
		const { decision } =
			supersessions > LIMITS.supersessions ? await this.#settled() : await this.#options.observe();
		if (decision.type === "reorg") {
			// The very same fork is no new rollback: its attempts go on counting.
			if (isSame(old, decision, this.#options.writer.state.generation)) {
				await this.#clock.sleep(RETRY_MS);
				return rollbackId;
			}
			const isNew = (await this.standsOn(decision)) === undefined;
			if (isNew) return this.#record(decision, { rollbackId, supersessions });
			// It failed before: this one ends, and the next round stands on that.
		}
		// Another attempt that began meanwhile hears of it at the next look.
		return (await coordinator.store.cancel(rollbackId, old.attempt)) ? undefined : rollbackId;
	}

	/**
	 * What a quorum agreed on is followed to the letter or given up, and the chain stays halted: another
	 * branch needs another word of theirs.
	 */
	async #recoveryAgain(old: RollbackRecord): Promise<RollbackId | undefined> {
		const { rollbackId, attempt } = old;
		if (!isSpent(old) && (await this.#stillWanted(old))) {
			await this.#clock.sleep(RETRY_MS);
			return rollbackId;
		}
		const { store } = this.#options.coordinator;
		return (await store.cancel(rollbackId, attempt)) ? undefined : rollbackId;
	}

	/** Looks until two looks in a row see the same head. */
	async #settled(): Promise<Observation> {
		let seen = await this.#options.observe();
		for (let look = 0; look < SETTLE_LOOKS && !this.#options.isStopped(); look += 1) {
			await this.#clock.sleep(this.#options.spec.rpc.pollIntervalMs);
			const next = await this.#options.observe();
			if (next.head.hash === seen.head.hash) return next;
			seen = next;
		}
		return seen;
	}

	async #record(
		fork: Fork,
		supersedes: { readonly rollbackId: RollbackId; readonly supersessions: number } | undefined,
	): Promise<RollbackId | undefined> {
		const { coordinator, spec, writer } = this.#options;
		const { head, generation } = writer.state;
		if (head === undefined) return undefined;
		return coordinator.record(
			{
				chainId: spec.id,
				cause: "reorg",
				fromGeneration: generation,
				ancestor: { height: fork.ancestor.number, hash: fork.ancestor.hash },
				from: { height: head.number, hash: head.hash },
				branch: fork.blocks.map(({ number, hash, parentHash, timestamp }) => ({
					number,
					hash,
					parentHash,
					timestamp,
				})),
				supersessions: supersedes?.supersessions ?? 0,
				wantedStrategy: undefined,
				evidence: fork.evidence,
			},
			supersedes?.rollbackId,
		);
	}

	/** Whether the node still has the branch; a head further up on it does not matter. */
	async #stillWanted(rollback: RollbackRecord): Promise<boolean> {
		if (rollback.cause === "manual") return true;
		const { source, writer } = this.#options;
		const target = targetOf(rollback);
		const there = await source.blockByNumber(target.height);
		if (there?.hash !== target.hash) return false;
		if (rollback.branch.length > 0) return true;
		const next = await source.blockByNumber(target.height + 1n);
		return next === undefined || writer.window?.at(next.number)?.hash !== next.hash;
	}
}

/** What the chain says while it stands; the rollback's own hint names the ways out. */
export function standing({ rollbackId, error }: RollbackRecord): Problem {
	return {
		code: "rollback_failed",
		message: `rollback ${rollbackId} failed: ${error?.message ?? "its record does not say why"}`,
		hint: error?.hint ?? `retry or abandon rollback ${rollbackId}`,
	};
}
