import { RetryableError } from "../../domain/errors.ts";
import type { ChainId, RollbackId } from "../../domain/ids.ts";
import { type NewRollback, NO_COUNTS, targetOf } from "../../rollback/rollback-record.ts";
import { toJson } from "../codec.ts";
import type { Tx } from "../sql.ts";
import { lockedGeneration, send, supersede } from "./rollback-moves.ts";

/** Records a rollback with its outbox entry, as a part of a transaction; see RollbackStore. */
export async function recordRollback(
	tx: Tx,
	rollback: NewRollback,
	supersedes: RollbackId | undefined,
): Promise<void> {
	const { chainId, fromGeneration } = rollback;
	if ((await lockedGeneration(tx, chainId)) !== fromGeneration) throw movedOn(rollback);
	const paused = supersedes !== undefined && (await supersede(tx, supersedes, rollback));
	const target = targetOf(rollback);
	const inserted = await tx`
		insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
			ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch,
			supersessions, wanted_strategy, recovery_id, evidence, paused, counts, stage_ms)
		values (${rollback.rollbackId}, ${rollback.chainId}, ${rollback.cause}, 'recorded',
			${rollback.fromGeneration}, ${rollback.ancestor.height}, ${rollback.ancestor.hash},
			${rollback.from.height}, ${rollback.from.hash}, ${target.height}, ${target.hash},
			${toJson(rollback.branch)}, ${rollback.supersessions}, ${rollback.wantedStrategy ?? null},
			${rollback.recoveryId ?? null}, ${rollback.evidence ? toJson(rollback.evidence) : null}, ${paused}, ${toJson(NO_COUNTS)}::text::jsonb, '{}')
		on conflict do nothing`;
	if (inserted.count === 0) throw busy(rollback.chainId);
	await send(tx, { rollbackId: rollback.rollbackId, retries: 0 });
}

function busy(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `a rollback of chain ${chainId} is under way already`,
		hint: "wait until it has ended; see the chain's rollbacks",
		fields: { chainId },
	});
}

function movedOn({ chainId, fromGeneration }: NewRollback): RetryableError {
	return new RetryableError("chain_busy", {
		message: `chain ${chainId} is not in generation ${fromGeneration} any more`,
		hint: "another rollback was committed meanwhile; look at the chain, and ask again if it is still wanted",
		fields: { chainId, generation: fromGeneration.toString() },
	});
}
