/** Rollbacks that an operator asks for: where they may go, and what they would do. */
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { openAgain } from "../rollback/replay.ts";
import type { Place } from "../rollback/rollback-record.ts";
import type { RollbackStore } from "../rollback/rollback-store.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { RollbackPlanView } from "./rollback-view.ts";

interface Stores {
	readonly writerStore: WriterStore;
	readonly rollbackStore: RollbackStore;
}

interface Target {
	readonly state: ChainState;
	readonly from: Place;
	readonly ancestor: Place;
}

/** Throws `height_in_future`, `below_finality`, `unknown_checkpoint` and `not_ready`. */
export async function rollbackTarget(
	chainId: ChainId,
	toBlock: Height,
	stores: Stores,
): Promise<Target> {
	const { state, window } = await stores.writerStore.loadChain(chainId);
	const { head } = state;
	if (head === undefined) {
		throw new RetryableError("not_ready", {
			message: `chain ${chainId} has no committed block yet`,
			hint: "check that its node answers; see the chain's status",
			fields: { chainId },
		});
	}
	const fields = { toBlock: toBlock.toString(), head: head.number.toString() };
	if (toBlock > head.number) {
		throw new FatalError("height_in_future", {
			message: `height ${toBlock} is above the committed head ${head.number}`,
			hint: "choose a height at or below the head",
			fields,
		});
	}
	const finalized = state.finalized ?? 0n;
	if (toBlock < finalized) {
		throw new FatalError("below_finality", {
			message: `height ${toBlock} is below the finalized block ${finalized}`,
			hint: "what is finalized is not taken back; choose a height at or above it",
			fields: { ...fields, finalized: finalized.toString() },
		});
	}
	const ancestor = window.find((header) => header.number === toBlock);
	if (ancestor === undefined) {
		throw new FatalError("unknown_checkpoint", {
			message: `height ${toBlock} is not in the window`,
			hint: "choose a block of the window; see the chain's checkpoints",
			fields,
		});
	}
	return {
		state,
		from: { height: head.number, hash: head.hash },
		ancestor: { height: ancestor.number, hash: ancestor.hash },
	};
}

/** Counts what a rollback would touch, and changes nothing. */
export async function planRollback(
	chainId: ChainId,
	toBlock: Height,
	stores: Stores,
): Promise<RollbackPlanView> {
	const { from, ancestor } = await rollbackTarget(chainId, toBlock, stores);
	const [touched, open] = await Promise.all([
		stores.rollbackStore.touched(chainId, {
			ancestor: toBlock,
			to: from.height,
			limit: LIMITS.rollbackChanges,
		}),
		stores.writerStore.openOperations(chainId, { judgedAbove: toBlock }),
	]);
	return {
		dryRun: true,
		ancestor,
		from,
		memories: touched.length,
		operations: open.filter((operation) => openAgain(operation, toBlock)).length,
		blocks: Number(from.height - ancestor.height),
	};
}
