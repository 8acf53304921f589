/**
 * Recoveries of halted chains: lists what is possible, and begins one.
 *
 * It is begun with one transaction, which records it and its rollback, or wishes for its import; whoever holds
 * the chain's lease then does it. What was asked of providers is asked again at every call: a plan that was
 * shown yesterday is no consent to today's chain.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../domain/clock.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { PlanContext } from "../rollback/plan.ts";
import type { NewRollback } from "../rollback/rollback-record.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { Problem } from "../writer/writer-store.ts";
import { hearAll } from "./hearing.ts";
import {
	exhausted,
	noForkOf,
	type RecoveryFacts,
	type RecoveryOption,
	recoveryOptions,
	ruledOut,
} from "./options.ts";
import { type Agreement, agreeOnAncestor, evidenceOf, quorumOf } from "./quorum.ts";
import type { Recovery, RecoveryKind, RecoveryPlan, RecoveryStore } from "./recovery.ts";
import {
	acceptRoute,
	branchTo,
	importRoute,
	impossible,
	type RouteContext,
	rebuildRoute,
} from "./routes.ts";
import type { Hearing, Witness } from "./witness.ts";

export interface RecoveryAsked {
	/** One provider's word is enough, where the chain's file names no other. */
	readonly singleProvider: boolean;
	/** To import; undefined: the newest that can be. */
	readonly snapshotId: string | undefined;
}

export interface Outlook {
	/** Undefined: the chain is not halted. */
	readonly halt: Problem | undefined;
	/** Recoveries that may still be begun for this halt. */
	readonly attemptsLeft: number;
	readonly options: readonly RecoveryOption[];
	/** What the providers said; undefined: they were not asked. */
	readonly evidence: JsonObject | undefined;
}

export interface RecovererOptions {
	readonly store: RecoveryStore;
	readonly plan: PlanContext;
	/** Throws `unknown_chain` for one that this process does not know. */
	readonly hear: (chainId: ChainId) => Hearing;
	readonly clock: Clock;
}

interface Looked extends Outlook {
	readonly state: ChainState;
	readonly witnesses: readonly Witness[];
}

export class Recoverer {
	readonly #options: RecovererOptions;

	constructor(options: RecovererOptions) {
		this.#options = options;
	}

	get store(): RecoveryStore {
		return this.#options.store;
	}

	/** What is possible now. Asks every provider, so it may take seconds. */
	async outlook(chainId: ChainId, asked: RecoveryAsked): Promise<Outlook> {
		return this.#heard(chainId, (hearing) => this.#look(chainId, asked, hearing));
	}

	/**
	 * Throws `FatalError`: `recovery_impossible`, with the reason, and `recovery_exhausted`; and what
	 * `RecoveryStore.begin` throws.
	 */
	async plan(chainId: ChainId, kind: RecoveryKind, asked: RecoveryAsked): Promise<RecoveryPlan> {
		return this.#heard(chainId, async (hearing) =>
			planOf(chainId, kind, await this.#look(chainId, asked, hearing)),
		);
	}

	/** Throws what `plan` throws. Answers when it is recorded. */
	async begin(chainId: ChainId, kind: RecoveryKind, asked: RecoveryAsked): Promise<Recovery> {
		return this.#heard(chainId, async (hearing) => {
			const looked = await this.#look(chainId, asked, hearing);
			const plan = planOf(chainId, kind, looked);
			const { halt, evidence = {}, witnesses, state } = looked;
			if (halt === undefined) throw impossible(chainId, kind, "the chain is not halted");
			const recoveryId = randomUUID();
			const what = { from: place(plan), ...snapshotOf(plan), ...targetOf(plan) };
			const recovery = {
				recoveryId,
				chainId,
				kind,
				problem: halt,
				evidence: { ...evidence, ...what },
			};
			const { snapshot } = plan;
			if (snapshot !== undefined) {
				return this.store.begin(recovery, { type: "import", snapshotId: snapshot.snapshotId });
			}
			const rollback = await rollbackOf(recovery, { plan, state, witnesses });
			return this.store.begin(recovery, { type: "rollback", rollback });
		});
	}

	async #heard<Result>(
		chainId: ChainId,
		work: (hearing: Hearing) => Promise<Result>,
	): Promise<Result> {
		const hearing = this.#options.hear(chainId);
		try {
			return await work(hearing);
		} finally {
			hearing.close();
		}
	}

	async #look(chainId: ChainId, asked: RecoveryAsked, { witnesses }: Hearing): Promise<Looked> {
		const { store, plan: context } = this.#options;
		const { state, halt: recorded } = await context.writerStore.loadChain(chainId);
		const halt = recorded ?? (await this.#standsOn(chainId, state));
		const attempts = halt === undefined ? 0 : await store.attempts(chainId, halt);
		const before = { halt, attempts, underWay: await this.#underWay(chainId) };
		const attemptsLeft = Math.max(0, LIMITS.recoveryAttempts - attempts);
		const found =
			ruledOut(before) === undefined && halt !== undefined
				? await this.#routes(halt, asked, { chainId, state, store, plan: context, witnesses })
				: undefined;
		const options = recoveryOptions({ ...before, routes: found?.routes });
		return { halt, attemptsLeft, options, evidence: found?.evidence, state, witnesses };
	}

	/** A fork whose rollback failed is no recorded halt, and the chain stands on it all the same. */
	async #standsOn(chainId: ChainId, { generation }: ChainState): Promise<Problem | undefined> {
		const forks = await this.#options.plan.store.failedForks(chainId, generation);
		const failed = forks.find(({ recoveryId }) => recoveryId === undefined);
		if (failed === undefined) return undefined;
		return {
			code: "rollback_failed",
			message: `rollback ${failed.rollbackId} failed: ${failed.error?.message ?? "its record does not say why"}`,
			hint: failed.error?.hint ?? "see the chain's rollbacks",
		};
	}

	async #underWay(chainId: ChainId): Promise<string | undefined> {
		const [newest] = await this.store.list(chainId, { after: undefined, limit: 1 });
		if (newest?.state === "running") return `recovery ${newest.recoveryId} is under way`;
		const active = await this.#options.plan.store.active(chainId);
		return active && `rollback ${active.rollbackId} is under way`;
	}

	async #routes(
		halt: Problem,
		{ singleProvider, snapshotId }: RecoveryAsked,
		parts: Omit<RouteContext, "quorum">,
	) {
		const { clock } = this.#options;
		const { chainId, store, witnesses } = parts;
		const quorum = quorumOf(witnesses.length, singleProvider);
		const context = { ...parts, quorum };
		const kept = await store.kept(chainId);
		if (kept === undefined) throw impossible(chainId, "any way", "it has no committed block");
		const atOrBelow = (height: bigint) => store.keptAtOrBelow(chainId, height);
		const said = await hearAll(witnesses, { chainId, kept: { ...kept, atOrBelow }, clock });
		const agreement = agreeOnAncestor(said, quorum);
		const routes: RecoveryFacts["routes"] = {
			accept: await forked(halt, agreement, (agreed) => acceptRoute(agreed, context)),
			import: await importRoute(snapshotId, context),
			rebuild: await forked(halt, agreement, (agreed) =>
				rebuildRoute(agreed, kept.lowest, context),
			),
		};
		const ancestor = agreement.type === "agreed" ? agreement.ancestor : undefined;
		return { routes, evidence: evidenceOf(said, quorum, { ancestor }) };
	}
}

type Agreed = Extract<Agreement, { readonly type: "agreed" }>;
type Route = NonNullable<RecoveryFacts["routes"]>[RecoveryKind];

/** A way that rests on what the providers agree on. */
async function forked(
	halt: Problem,
	agreement: Agreement,
	look: (agreed: Agreed) => Promise<Route>,
): Promise<Route> {
	const reason = noForkOf(halt);
	if (reason !== undefined) return { type: "closed", reason };
	if (agreement.type === "refused") return { type: "closed", reason: agreement.reason };
	return look(agreement);
}

function planOf(chainId: ChainId, kind: RecoveryKind, looked: Looked): RecoveryPlan {
	const option = looked.options.find((each) => each.kind === kind);
	if (option?.plan !== undefined) return option.plan;
	const isExhausted = looked.halt !== undefined && looked.attemptsLeft === 0;
	if (isExhausted) throw noneLeft(chainId);
	throw impossible(chainId, kind, option?.reason ?? "there is no such way");
}

/** Recorded with the recovery; it may go below finality because it names it. */
async function rollbackOf(
	{ recoveryId, kind }: Pick<Recovery, "kind" | "recoveryId">,
	made: {
		readonly plan: RecoveryPlan;
		readonly state: ChainState;
		readonly witnesses: readonly Witness[];
	},
): Promise<NewRollback> {
	const { plan, state, witnesses } = made;
	const { from, target = from } = plan;
	const branch = await branchTo(target, from, witnesses);
	return {
		rollbackId: randomUUID() as string as RollbackId,
		chainId: state.chainId,
		cause: "reorg",
		fromGeneration: state.generation,
		ancestor: from,
		from: { height: state.head?.number ?? from.height, hash: state.head?.hash ?? from.hash },
		branch,
		supersessions: 0,
		// It is what makes a rebuild one; else another strategy may take the place of one that fails.
		wantedStrategy: kind === "rebuild" ? "rebuild" : undefined,
		recoveryId,
	};
}

function place({ from: { height, hash } }: RecoveryPlan): JsonObject {
	return { height: height.toString(), hash };
}

function targetOf({ target }: RecoveryPlan): JsonObject {
	if (target === undefined) return {};
	return { target: { height: target.height.toString(), hash: target.hash } };
}

function snapshotOf({ snapshot }: RecoveryPlan): JsonObject {
	return snapshot === undefined ? {} : { snapshot: { id: snapshot.snapshotId } };
}

function noneLeft(chainId: ChainId): FatalError {
	return new FatalError("recovery_exhausted", {
		message: `chain ${chainId} is not recovered again: ${exhausted(LIMITS.recoveryAttempts)}`,
		hint: "look at why they failed: GET /v1/chains/{chain}/recoveries",
		fields: { limit: "recoveryAttempts", value: LIMITS.recoveryAttempts + 1, chainId },
	});
}
