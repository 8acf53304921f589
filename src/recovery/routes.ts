/** Looks down each way out of a halt: what it would take, do and cost. Changes nothing. */
import { validateLinked } from "../chain/branch.ts";
import type { BlockHeader } from "../domain/block.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { type PlanContext, weigh } from "../rollback/plan.ts";
import type { Place, Strategy } from "../rollback/rollback-record.ts";
import type { ChainState } from "../writer/chain-state.ts";
import { hashesOf, placeOf } from "./hearing.ts";
import type { Route } from "./options.ts";
import { type Agreement, agreeOnBlock, type BlockAgreement, type Quorum } from "./quorum.ts";
import type { RecoveryStore, SnapshotOffer } from "./recovery.ts";
import type { Witness } from "./witness.ts";

export interface RouteContext {
	readonly chainId: ChainId;
	readonly state: ChainState;
	readonly store: RecoveryStore;
	readonly plan: PlanContext;
	readonly witnesses: readonly Witness[];
	readonly quorum: Quorum;
}

type Agreed = Extract<Agreement, { readonly type: "agreed" }>;

/**
 * Back to the highest block that is shared, or to a checkpoint a little below: what lies between is derived
 * again, which costs less than a state that has to be restored.
 */
export async function acceptRoute(agreed: Agreed, context: RouteContext): Promise<Route> {
	const { ancestor } = agreed;
	const sealed = await context.store.checkpointAtOrBelow(context.chainId, ancestor.height);
	const isNear =
		sealed !== undefined &&
		ancestor.height - sealed.height <= BigInt(LIMITS.checkpointIntervalBlocks);
	return forkRoute(isNear ? sealed : ancestor, { agreed, strategy: undefined }, context);
}

/** Back to the lowest block there is, before anything was derived, and everything anew from there. */
export async function rebuildRoute(
	agreed: Agreed,
	lowest: Place,
	context: RouteContext,
): Promise<Route> {
	const cutTo = await context.plan.restorer.log.cutTo(context.chainId);
	if (cutTo > 0n) {
		const reason = `the log is cut up to position ${cutTo}: what agents wrote before is not in it, and would be lost without a word`;
		return { type: "closed", reason };
	}
	return forkRoute(lowest, { agreed, strategy: "rebuild" }, context);
}

async function forkRoute(
	from: Place,
	{ agreed, strategy }: { readonly agreed: Agreed; readonly strategy: Strategy | undefined },
	context: RouteContext,
): Promise<Route> {
	const { chainId, state, plan: planContext } = context;
	const target = await targetOf(from, agreed, context);
	if (target.type === "refused") return { type: "closed", reason: target.reason };
	try {
		const { found, choice } = await weigh(
			{
				chainId,
				ancestor: from,
				branch: target.branch,
				wantedStrategy: strategy,
				strategy: undefined,
				strategyReason: undefined,
				error: undefined,
			},
			state,
			planContext,
		);
		if (choice.type === "stuck") {
			const reason = `the state at block ${from.height} cannot be had: ${choice.reason}`;
			return { type: "closed", reason };
		}
		return {
			type: "open",
			plan: {
				from,
				ancestor: agreed.ancestor,
				target: target.place,
				depthBlocks: Number((state.head?.number ?? from.height) - agreed.ancestor.height),
				memories: found.touched.length,
				operations: found.open.length,
				strategy: choice.strategy,
				strategyReason: choice.reason,
				snapshot: undefined,
			},
		};
	} catch (error) {
		if (!(error instanceof RecantError) || error.retryable) throw error;
		return { type: "closed", reason: error.message };
	}
}

type Target =
	| { readonly type: "agreed"; readonly place: Place; readonly branch: readonly BlockHeader[] }
	| { readonly type: "refused"; readonly reason: string };

/** Head of what is taken of the new branch, which enough of those who share the ancestor must have. */
async function targetOf(
	from: Place,
	{ headHeight, witnesses: sharing }: Agreed,
	{ witnesses, quorum }: RouteContext,
): Promise<Target> {
	const most = from.height + BigInt(LIMITS.recoveryBlocks);
	const height = headHeight < most ? headHeight : most;
	if (height <= from.height) return { type: "agreed", place: from, branch: [] };
	const asked = witnesses.filter(({ provider }) =>
		sharing.some((testimony) => testimony.provider === provider),
	);
	const said = await hashesOf(asked, [height]);
	const agreed = agreeOnBlock(
		height,
		said.map(({ provider, hashes }) => ({ provider, hash: hashes[0] })),
		quorum,
	);
	if (agreed.type === "refused") return agreed;
	const { place } = agreed;
	// To weigh it, its height is enough.
	const header = { number: height, hash: place.hash, parentHash: place.hash, timestamp: 0n };
	return { type: "agreed", place, branch: [header] };
}

/** The newest that enough providers have the block of. */
export async function importRoute(
	snapshotId: string | undefined,
	{ chainId, state, store, witnesses, quorum }: RouteContext,
): Promise<Route> {
	const which = { limit: LIMITS.recoverySnapshots, snapshotId };
	const offers = await store.snapshots(chainId, which);
	if (offers.length === 0) {
		const named = snapshotId === undefined ? "" : ` ${snapshotId}`;
		return { type: "closed", reason: `there is no verified snapshot${named}` };
	}
	const said = await hashesOf(
		witnesses,
		offers.map(({ height }) => height),
	);
	const agreed = offers.map((offer, index) =>
		agreeOnBlock(
			offer.height,
			said.map(({ provider, hashes }) => ({ provider, hash: hashes[index] })),
			quorum,
		),
	);
	const found = offers.find((offer, index) => isOf(offer, agreed[index]));
	if (found === undefined) return { type: "closed", reason: noneOf(offers, agreed) };
	const operations = await store.admitted(chainId);
	return { type: "open", plan: importPlan(found, state.head?.number, operations) };
}

function isOf({ blockHash }: SnapshotOffer, agreed: BlockAgreement | undefined): boolean {
	return agreed?.type === "agreed" && agreed.place.hash === blockHash;
}

function noneOf(offers: readonly SnapshotOffer[], agreed: readonly BlockAgreement[]): string {
	const [first] = agreed;
	const why = first?.type === "refused" ? first.reason : "their blocks are not on the node's chain";
	return `of ${offers.length} verified snapshots none can be taken: ${why}`;
}

function importPlan(snapshot: SnapshotOffer, head: Height | undefined, operations: number) {
	return {
		from: { height: snapshot.height, hash: snapshot.blockHash },
		ancestor: undefined,
		target: undefined,
		depthBlocks: Math.max(0, Number((head ?? snapshot.height) - snapshot.height)),
		memories: undefined,
		operations,
		strategy: undefined,
		strategyReason: undefined,
		snapshot,
	};
}

/**
 * Headers from the block above `from` to the target, of the first witness whose answer leads by parents' hashes
 * from the one to the other. Both ends are what the quorum said; what lies between is this witness's word, which
 * deriving the branch holds against the node. Throws `RetryableError("rpc_failed")`.
 */
export async function branchTo(
	target: Place,
	from: Place,
	witnesses: readonly Witness[],
): Promise<readonly BlockHeader[]> {
	const count = Number(target.height - from.height);
	const heights = Array.from({ length: count }, (_, index) => from.height + 1n + BigInt(index));
	if (count === 0) return [];
	for (const witness of witnesses) {
		const blocks = await witness.blocks(heights).catch(noAnswer);
		if (isBranch(blocks, from, target)) return blocks.map(plainHeader);
	}
	throw new RetryableError("rpc_failed", {
		message: `no provider gave the headers ${from.height + 1n} to ${target.height} ${target.hash} as a chain`,
		hint: "the node's head moved meanwhile, or it lacks blocks; try again",
	});
}

function noAnswer(error: unknown): readonly undefined[] {
	if (error instanceof RecantError) return [];
	throw error;
}

function isBranch(
	blocks: readonly (BlockHeader | undefined)[],
	from: Place,
	target: Place,
): blocks is readonly BlockHeader[] {
	const there = blocks.filter((block) => block !== undefined);
	const [first] = there;
	const last = there.at(-1);
	if (there.length < blocks.length || first === undefined || last === undefined) return false;
	return (
		first.parentHash === from.hash &&
		placeOf(last).hash === target.hash &&
		validateLinked(there) === undefined
	);
}

/** Without what a node tells beside. */
function plainHeader({ number, hash, parentHash, timestamp }: BlockHeader): BlockHeader {
	return { number, hash, parentHash, timestamp };
}

export function impossible(chainId: ChainId, kind: string, reason: string): FatalError {
	return new FatalError("recovery_impossible", {
		message: `chain ${chainId} cannot be recovered by ${kind}: ${reason}`,
		hint: "`recant recover` lists what is possible",
		fields: { chainId, kind },
	});
}
