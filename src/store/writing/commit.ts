/**
 * Applies a commit batch: ONE statement, fed by arrays and fenced by the chain's row (measured:
 * 0.6 to 1.9 ms a block, against 2.6 ms for the same as separate statements).
 *
 * It decides nothing: which rows are closed, copied or inserted was computed by memory/span-changes.ts.
 */
import { RetryableError } from "../../domain/errors.ts";
import { FOREVER, type Generation } from "../../domain/ids.ts";
import { noticeText } from "../../domain/notice.ts";
import { highestPlace } from "../../memory/anchors.ts";
import { contentText } from "../../memory/canonical.ts";
import { sourceKey } from "../../memory/ground.ts";
import { anchorsToText } from "../../memory/operation-codec.ts";
import type { CommitBatch } from "../../writer/commit-batch.ts";
import { hexBytes, layerNumber, ownerNumber, toJson, vectorBytes } from "../codec.ts";
import { CHANNEL } from "../notices.ts";
import {
	blockChecksum,
	checkpointChecksum,
	logChecksum,
	vectorChecksum,
	versionChecksum,
} from "../row-checksum.ts";
import type { Queryable } from "../sql.ts";
import { linkRow } from "./link-row.ts";
import { Statement } from "./statement.ts";

/**
 * `expected`: generation that the chain's row must still have; the batch may move it to its own.
 * Throws `RetryableError("lease_lost")` and changes nothing when fence, generation or log position
 * are no longer those that the batch was made against.
 */
export async function commitBatch(
	db: Queryable,
	batch: CommitBatch,
	expected: { readonly fence: bigint; readonly generation: Generation },
): Promise<void> {
	const statement = new Statement();
	const chain = statement.scalar("bigint", batch.chainId.toString());
	const next = `(select 1 from fence)`;
	statement.with(
		"fence",
		`select 1 from chains where chain_id = ${chain}
			and fence = ${statement.scalar("bigint", expected.fence)}
			and generation = ${statement.scalar("bigint", expected.generation)}
			and log_position = ${statement.scalar("bigint", batch.basePosition)}
			for update`,
	);
	addLog(statement, batch, chain, next);
	addSpans(statement, batch, chain, next);
	addVersions(statement, batch, chain, next);
	addBlocks(statement, batch, chain, next);
	addOperations(statement, batch, chain, next);
	addLinks(statement, batch, chain, next);
	addDerivations(statement, batch, chain, next);
	addThinned(statement, batch, chain, next);
	statement.with(
		"moved",
		`update chains set
			generation = ${statement.scalar("bigint", batch.generation)},
			head_height = ${statement.scalar("bigint", batch.head?.number ?? null)},
			window_from = least(window_from, ${statement.scalar("bigint", batch.head?.number ?? null)}),
			safe_height = ${statement.scalar("bigint", batch.safe ?? null)},
			finalized_height = ${statement.scalar("bigint", batch.finalized ?? null)},
			log_position = ${statement.scalar("bigint", batch.logPosition)},
			version_seq = ${statement.scalar("bigint", batch.versionSeq)},
			roots = ${statement.scalar("text", toJson(batch.roots))}
			where chain_id = ${chain} and exists ${next} returning 1`,
	);
	// Only where the chain's row moved: a commit that came too late tells nobody anything.
	const notice = statement.scalar("text", noticeText({ kind: "commit", chainId: batch.chainId }));
	const rows = await db.unsafe<{ moved: bigint }[]>(
		`${statement.text} select count(pg_notify('${CHANNEL}', ${notice})::text) as moved from moved`,
		statement.parameters as string[],
		{ prepare: true },
	);
	if (rows[0]?.moved !== 1n) {
		throw new RetryableError("lease_lost", {
			message: `the commit at log position ${batch.basePosition} of chain ${batch.chainId} came too late`,
			hint: "another process holds the chain, or changed it; this one reads its state again",
			fields: { chainId: batch.chainId, basePosition: batch.basePosition.toString() },
		});
	}
}

/** A range that goes on from another of the same kind makes that one longer. */
function addThinned(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	if (batch.thinned === undefined) return;
	const { from, to, every } = batch.thinned;
	const [first, last, step] = [from, to, BigInt(every)].map((each) =>
		statement.scalar("bigint", each),
	);
	statement.with(
		"grown",
		`update thinned_ranges set to_block = ${last} where chain_id = ${chain} and every = ${step}
			and to_block = ${first} - 1 and exists ${next} returning 1`,
	);
	statement.with(
		"thinned",
		`insert into thinned_ranges (chain_id, from_block, to_block, every)
			select ${chain}, ${first}, ${last}, ${step}
			where exists ${next} and not exists (select 1 from grown)
			on conflict (chain_id, from_block) do update set
				to_block = greatest(excluded.to_block, thinned_ranges.to_block), every = excluded.every`,
	);
}

function addLog(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	if (batch.log.length === 0) return;
	const rows = statement.rows({
		position: ["bigint", batch.log.map((entry) => entry.position)],
		generation: ["bigint", batch.log.map((entry) => entry.generation)],
		height: ["bigint", batch.log.map((entry) => entry.height)],
		kind: ["text", batch.log.map((entry) => entry.kind)],
		operation_id: ["uuid", batch.log.map((entry) => entry.operationId)],
		memory_key: ["uuid", batch.log.map((entry) => entry.memoryKey)],
		body: ["text", batch.log.map((entry) => entry.body)],
		checksum: ["bytea", batch.log.map(logChecksum)],
	});
	statement.with(
		"logged",
		`insert into log (chain_id, position, generation, height, kind, operation_id, memory_key, body,
			checksum) select ${chain}, r.* from ${rows} where exists ${next}`,
	);
}

function addSpans(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	const { closeBlock, closeGen } = batch.changes;
	if (closeBlock.length > 0) {
		const rows = statement.rows({
			memory_key: ["uuid", closeBlock.map((change) => change.memoryKey)],
			from_block: ["bigint", closeBlock.map((change) => change.fromBlock)],
			from_gen: ["bigint", closeBlock.map((change) => change.fromGen)],
			to_block: ["bigint", closeBlock.map((change) => change.toBlock)],
		});
		statement.with("closed_block", closing("to_block", rows, chain, next));
	}
	if (closeGen.length > 0) {
		const rows = statement.rows({
			memory_key: ["uuid", closeGen.map((change) => change.memoryKey)],
			from_block: ["bigint", closeGen.map((change) => change.fromBlock)],
			from_gen: ["bigint", closeGen.map((change) => change.fromGen)],
			to_gen: ["bigint", closeGen.map((change) => change.toGen)],
		});
		statement.with("closed_gen", closing("to_gen", rows, chain, next));
	}
}

function closing(column: "to_block" | "to_gen", rows: string, chain: string, next: string): string {
	return `update versions v set ${column} = r.${column} from ${rows}
		where v.chain_id = ${chain} and v.memory_key = r.memory_key and v.from_block = r.from_block
			and v.from_gen = r.from_gen and exists ${next}`;
}

function addVersions(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	const { insert, newMemories } = batch.changes;
	if (insert.length > 0) {
		const rows = statement.rows({
			memory_key: ["uuid", insert.map((version) => version.memoryKey)],
			from_block: ["bigint", insert.map((version) => version.fromBlock)],
			from_gen: ["bigint", insert.map((version) => version.fromGen)],
			to_block: ["bigint", insert.map((version) => version.toBlock)],
			to_gen: ["bigint", insert.map((version) => version.toGen)],
			expires_block: ["bigint", insert.map((version) => version.expiresBlock)],
			expires_time: ["bigint", insert.map((version) => version.expiresTime)],
			suspect: ["boolean", insert.map((version) => version.suspect)],
			grounds_block: ["bigint", insert.map((version) => version.grounds)],
			version_id: ["bigint", insert.map((version) => version.versionId)],
			position: ["bigint", insert.map((version) => version.position)],
			layer: ["smallint", insert.map((version) => layerNumber(version.layer))],
			owner: ["smallint", insert.map((version) => ownerNumber(version.owner))],
			namespace: ["text", insert.map((version) => version.namespace)],
			id: ["text", insert.map((version) => version.id)],
			content: ["text", insert.map((version) => version.content && contentText(version.content))],
			text: ["text", insert.map((version) => version.text)],
			collection: ["text", insert.map((version) => version.collection)],
			importance: ["double precision", insert.map((version) => version.importance)],
			confidence: ["double precision", insert.map((version) => version.confidence)],
			vector_hash: [
				"bytea",
				insert.map((version) => version.vectorHash && hexBytes(version.vectorHash)),
			],
			content_hash: ["bytea", insert.map((version) => hexBytes(version.contentHash))],
			checksum: ["bytea", insert.map(versionChecksum)],
		});
		statement.with(
			"inserted",
			`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen, expires_block,
				expires_time, suspect, grounds_block, version_id, position, layer, owner, namespace, id, content,
				text, collection, importance, confidence, vector_hash, content_hash, checksum)
				select ${chain}, r.* from ${rows} where exists ${next}
				on conflict (chain_id, memory_key, from_block, from_gen) do update set
					to_block = excluded.to_block, to_gen = excluded.to_gen,
					expires_block = excluded.expires_block, expires_time = excluded.expires_time,
					suspect = excluded.suspect, grounds_block = excluded.grounds_block,
					version_id = excluded.version_id,
					position = excluded.position, layer = excluded.layer, owner = excluded.owner,
					content = excluded.content, text = excluded.text, collection = excluded.collection,
					importance = excluded.importance, confidence = excluded.confidence,
					vector_hash = excluded.vector_hash, content_hash = excluded.content_hash,
					checksum = excluded.checksum`,
		);
	}
	if (newMemories.length > 0) {
		const rows = statement.rows({
			namespace: ["text", newMemories.map((memory) => memory.namespace)],
			layer: ["smallint", newMemories.map((memory) => layerNumber(memory.layer))],
			id: ["text", newMemories.map((memory) => memory.id)],
			memory_key: ["uuid", newMemories.map((memory) => memory.memoryKey)],
		});
		statement.with(
			"named",
			`insert into memories (chain_id, namespace, layer, id, memory_key)
				select ${chain}, r.* from ${rows} where exists ${next} on conflict do nothing`,
		);
	}
	if (batch.vectors.length > 0) addVectors(statement, batch, chain, next);
}

/** In `batch` only the vectors count. */
export function addVectors(
	statement: Statement,
	batch: CommitBatch,
	chain: string,
	next: string,
): void {
	const rows = statement.rows({
		collection: ["text", batch.vectors.map((row) => row.collection)],
		version_id: ["bigint", batch.vectors.map((row) => row.versionId)],
		memory_key: ["uuid", batch.vectors.map((row) => row.memoryKey)],
		namespace: ["text", batch.vectors.map((row) => row.namespace)],
		layer: ["smallint", batch.vectors.map((row) => layerNumber(row.layer))],
		from_block: ["bigint", batch.vectors.map((row) => row.fromBlock)],
		vector: ["bytea", batch.vectors.map((row) => vectorBytes(row.vector))],
		checksum: ["bytea", batch.vectors.map(vectorChecksum)],
	});
	statement.with(
		"embedded",
		`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
			from_block, vector, checksum) select ${chain}, r.* from ${rows} where exists ${next}`,
	);
}

function addBlocks(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	if (batch.blocks.length + batch.checkpoints.length === 0) return;
	const generation = `${statement.scalar("bigint", batch.generation)}, ${FOREVER}`;
	if (batch.blocks.length > 0) {
		const rows = statement.rows({
			height: ["bigint", batch.blocks.map((block) => block.number)],
			hash: ["text", batch.blocks.map((block) => block.hash)],
			parent_hash: ["text", batch.blocks.map((block) => block.parentHash)],
			timestamp: ["bigint", batch.blocks.map((block) => block.timestamp)],
			checksum: ["bytea", batch.blocks.map((block) => blockChecksum(block, batch.generation))],
		});
		statement.with(
			"sealed",
			`insert into blocks (chain_id, from_gen, to_gen, height, hash, parent_hash, timestamp,
				checksum) select ${chain}, ${generation}, r.* from ${rows} where exists ${next}`,
		);
	}
	if (batch.checkpoints.length > 0) {
		const points = batch.checkpoints.map((point) => ({
			...point,
			fromGen: batch.generation,
			roots: toJson(point.roots),
			pointers: toJson(point.pointers),
		}));
		const rows = statement.rows({
			height: ["bigint", points.map((point) => point.height)],
			block_hash: ["text", points.map((point) => point.blockHash)],
			log_position: ["bigint", points.map((point) => point.logPosition)],
			version_id: ["bigint", points.map((point) => point.versionId)],
			roots: ["text", points.map((point) => point.roots)],
			pointers: ["text", points.map((point) => point.pointers)],
			checksum: ["bytea", points.map(checkpointChecksum)],
		});
		statement.with(
			"checked",
			`insert into checkpoints (chain_id, from_gen, to_gen, height, block_hash, log_position,
				version_id, roots, pointers, checksum)
				select ${chain}, ${generation}, r.* from ${rows} where exists ${next}`,
		);
	}
}

function addOperations(
	statement: Statement,
	batch: CommitBatch,
	chain: string,
	next: string,
): void {
	if (batch.operations.length > 0) {
		const updates = batch.operations;
		const rows = statement.rows({
			operation_id: ["uuid", updates.map((update) => update.operationId)],
			status: ["text", updates.map((update) => update.status)],
			reason: ["text", updates.map((update) => update.reason && toJson(update.reason))],
			position: ["bigint", updates.map((update) => update.position)],
			original_slot: ["bigint", updates.map((update) => update.originalSlot)],
			effective_slot: ["bigint", updates.map((update) => update.effectiveSlot)],
			judged_slot: ["bigint", updates.map((update) => update.judgedSlot)],
			version_id: ["bigint", updates.map((update) => update.versionId)],
			suspect: ["boolean", updates.map((update) => update.suspect)],
			anchors: ["text", updates.map((update) => anchorsToText(update.anchors))],
			anchor_height: ["bigint", updates.map((update) => highestPlace(update.anchors))],
		});
		// One that is only looked at again keeps the version that it made.
		statement.with(
			"judged",
			`update operations o set status = r.status, reason = r.reason, position = r.position,
				original_slot = r.original_slot, effective_slot = r.effective_slot,
				judged_slot = r.judged_slot,
				version_id = case when r.status = 'applied' then coalesce(r.version_id, o.version_id) end,
				suspect = r.suspect, anchors = r.anchors,
				anchor_height = greatest(r.anchor_height, o.anchor_height),
				final = r.status = 'refused'
				from ${rows} where o.chain_id = ${chain} and o.operation_id = r.operation_id
					and exists ${next}`,
		);
	}
	if (batch.settledEntries.length > 0) {
		const rows = statement.rows({ entry_id: ["bigint", batch.settledEntries] });
		statement.with(
			"settled",
			`delete from inbox where chain_id = ${chain} and exists ${next}
				and entry_id in (select r.entry_id from ${rows})`,
		);
	}
}

/** Names of links, of those that are new among what is written. */
function addLinks(statement: Statement, batch: CommitBatch, chain: string, next: string): void {
	const named = new Map(
		batch.changes.insert.flatMap((version) => {
			const row = linkRow(version);
			return row === undefined ? [] : [[row.linkKey, row] as const];
		}),
	);
	if (named.size === 0) return;
	const links = [...named.values()];
	const rows = statement.rows({
		link_key: ["uuid", links.map((link) => link.linkKey)],
		namespace: ["text", links.map((link) => link.namespace)],
		type: ["text", links.map((link) => link.type)],
		from_key: ["uuid", links.map((link) => link.fromKey)],
		to_key: ["uuid", links.map((link) => link.toKey)],
	});
	statement.with(
		"linked",
		`insert into links (chain_id, link_key, namespace, type, from_key, to_key)
			select ${chain}, r.* from ${rows} where exists ${next} on conflict do nothing`,
	);
}

function addDerivations(
	statement: Statement,
	{ derivations }: CommitBatch,
	chain: string,
	next: string,
): void {
	if (derivations.length === 0) return;
	const rows = statement.rows({
		position: ["bigint", derivations.map((row) => row.position)],
		set_no: ["smallint", derivations.map((row) => row.setNo)],
		source_no: ["smallint", derivations.map((row) => row.sourceNo)],
		memory_key: ["uuid", derivations.map((row) => row.memoryKey)],
		source_key: ["uuid", derivations.map((row) => sourceKey(row.source))],
		source_namespace: ["text", derivations.map((row) => row.source.namespace)],
		source_id: ["text", derivations.map((row) => row.source.id)],
		source_hash: ["bytea", derivations.map((row) => hexBytes(row.source.contentHash))],
		depth: ["smallint", derivations.map((row) => row.depth)],
	});
	statement.with(
		"derived",
		`insert into derivations (chain_id, position, set_no, source_no, memory_key, source_key,
			source_namespace, source_id, source_hash, depth)
			select ${chain}, r.* from ${rows} where exists ${next} on conflict do nothing`,
	);
}
