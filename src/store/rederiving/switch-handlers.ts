/**
 * What the commit of a rollback of cause `handlers` changes beside what every rollback does, in its
 * transaction and after it: the generation that begins shares no state of handlers with those before it, so
 * heights below its ancestor are theirs alone, and the log below gives another state than is there.
 */
import { FatalError } from "../../domain/errors.ts";
import { FOREVER } from "../../domain/ids.ts";
import { FROM_ROLLBACK, type Rederivation } from "../../rederive/handlers-store.ts";
import type { RollbackCommit } from "../../rollback/rollback-store.ts";
import { ownerNumber, toJson } from "../codec.ts";
import type { CheckpointRow } from "../reading/checkpoint-rows.ts";
import { checkpointChecksum } from "../row-checksum.ts";
import type { Tx } from "../sql.ts";
import { dropRederivations, storedRederivation } from "./postgres-handlers-store.ts";

/** Throws `FatalError("rollback_failed")` when the shadow that it was prepared from is gone. */
export async function switchHandlers(tx: Tx, commit: RollbackCommit): Promise<void> {
	const { ancestor, batch } = commit;
	const { chainId, generation } = batch;
	const rederivation = await storedRederivation(tx, chainId);
	if (rederivation === undefined) throw gone(commit);
	// What they said before, also where it was written over long ago, holds no more.
	if (rederivation.added === undefined) {
		await tx`
			update versions set to_gen = ${generation}
			where chain_id = ${chainId} and owner = ${ownerNumber("handler")}
				and layer in (0, 1, 2, 3) and from_block <= ${ancestor}
				and to_gen = ${FOREVER} and from_gen < ${generation}`;
	}
	await sealAncestor(tx, commit, rederivation);
	await tx`
		update generations g set retained_before = c.retained_from from chains c
		where g.chain_id = ${chainId} and g.generation = ${generation} and c.chain_id = g.chain_id`;
	await tx`
		update chains set derived_hash = ${rederivation.handlersHash},
			derived_parts = ${toJson(rederivation.parts)}, derived_position = ${positionOf(commit)},
			retained_from = greatest(retained_from, ${ancestor})
		where chain_id = ${chainId}`;
	await dropRederivations(tx, chainId);
}

/** Of what the rollback's own entry says. */
function positionOf({ batch }: RollbackCommit): bigint {
	return batch.basePosition + FROM_ROLLBACK;
}

/** A fork may go back to it: it has the roots of the state that is there now. What is below it has none. */
async function sealAncestor(
	tx: Tx,
	commit: RollbackCommit,
	{ versions }: Rederivation,
): Promise<void> {
	const { ancestor, batch, ended, ancestorRoots } = commit;
	const { chainId, generation: fromGen } = batch;
	const [sealed] = await tx<CheckpointRow[]>`
		select * from checkpoints where chain_id = ${chainId} and height = ${ancestor}
			and to_gen = ${FOREVER}`;
	await tx`
		update checkpoints set to_gen = ${fromGen} where chain_id = ${chainId}
			and height <= ${ancestor} and to_gen = ${FOREVER}`;
	if (sealed === undefined || ancestorRoots === undefined) return;
	const row = {
		height: ancestor,
		fromGen,
		blockHash: sealed.block_hash,
		logPosition: positionOf(commit),
		versionId: ended.versionId + versions,
		roots: toJson(ancestorRoots),
		pointers: toJson(commit.pointers),
	};
	await tx`
		insert into checkpoints (chain_id, height, from_gen, to_gen, block_hash, log_position,
			version_id, roots, pointers, checksum)
		values (${chainId}, ${row.height}, ${fromGen}, ${FOREVER}, ${row.blockHash}, ${row.logPosition},
			${row.versionId}, ${row.roots}, ${row.pointers}, ${checkpointChecksum(row)})`;
}

function gone({ rollbackId }: RollbackCommit): FatalError {
	return new FatalError("rollback_failed", {
		message: `what rollback ${rollbackId} puts in place is not there any more`,
		hint: "the chain's handlers are looked at again",
		fields: { rollbackId },
	});
}
