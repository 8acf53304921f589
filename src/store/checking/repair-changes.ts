/** One change of a repair as SQL, and the row that it is about as text, before and after. */
import type { RowChange } from "../../consistency/repair/repair-plan.ts";
import type { ChainId } from "../../domain/ids.ts";
import { LAYERS } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { hexBytes, layerNumber, ownerNumber, toJson, vectorBytes } from "../codec.ts";
import {
	blockChecksum,
	checkpointChecksum,
	vectorChecksum,
	versionChecksum,
} from "../row-checksum.ts";
import type { Tx } from "../sql.ts";

/** The row that a change is about, as JSON; undefined: there is none. */
export async function rowText(
	tx: Tx,
	chainId: ChainId,
	change: RowChange,
): Promise<string | undefined> {
	const [row] = await tx<{ row: string }[]>`
		select to_jsonb(t)::text as row from ${tx(change.table)} t
		where chain_id = ${chainId} and ${placeOf(tx, change)}`;
	return row?.row;
}

export async function applyChange(tx: Tx, chainId: ChainId, change: RowChange): Promise<void> {
	if (change.table === "chains") {
		const roots = toJson(change.put.roots);
		await tx`update chains set roots = ${roots} where chain_id = ${chainId}`;
		return;
	}
	const place = placeOf(tx, change);
	// Whatever stands there goes first, so that a repeated change ends in the same row.
	const removed = tx`delete from ${tx(change.table)} where chain_id = ${chainId} and ${place}`;
	if (!("put" in change)) {
		await removed;
		return;
	}
	const row = { chain_id: chainId, ...columnsOf(change) };
	// Sent together: what a caller sends next comes after both.
	await Promise.all([removed, tx`insert into ${tx(change.table)} ${tx(row)}`]);
}

function placeOf(tx: Tx, change: RowChange) {
	switch (change.table) {
		case "versions": {
			const { memoryKey, fromBlock, fromGen } = "put" in change ? change.put : change.remove;
			return tx`memory_key = ${memoryKey} and from_block = ${fromBlock} and from_gen = ${fromGen}`;
		}
		case "vector_rows": {
			const { collection, versionId } = "put" in change ? change.put : change.remove;
			return tx`collection = ${collection} and version_id = ${versionId}`;
		}
		case "memories": {
			const { namespace, id, layer } = "put" in change ? change.put : change.remove;
			// A layer that is none: whatever number stands there is not one of ours.
			return layer === undefined
				? tx`namespace = ${namespace} and id = ${id}
						and (layer < 0 or layer >= ${LAYERS.length})`
				: tx`namespace = ${namespace} and id = ${id} and layer = ${layerNumber(layer)}`;
		}
		case "links": {
			const { linkKey } = "put" in change ? change.put : change.remove;
			return tx`link_key = ${linkKey}`;
		}
		case "derivations": {
			const { position, setNo, sourceNo } = "put" in change ? change.put : change.remove;
			return tx`position = ${position} and set_no = ${setNo} and source_no = ${sourceNo}`;
		}
		case "blocks": {
			const [height, fromGen] =
				"put" in change
					? [change.put.number, change.put.fromGen]
					: [change.remove.height, change.remove.fromGen];
			return tx`height = ${height} and from_gen = ${fromGen}`;
		}
		case "checkpoints": {
			const { height, fromGen } = "put" in change ? change.put : change.remove;
			return tx`height = ${height} and from_gen = ${fromGen}`;
		}
		case "chains":
			return tx`true`;
	}
}

type RowPut = Extract<Exclude<RowChange, { readonly table: "chains" }>, { readonly put: unknown }>;

function columnsOf(change: RowPut) {
	switch (change.table) {
		case "versions":
			return versionColumns(change.put);
		case "vector_rows": {
			const { layer, vector, collection, versionId, memoryKey, namespace, fromBlock } = change.put;
			return {
				collection,
				namespace,
				version_id: versionId,
				memory_key: memoryKey,
				layer: layerNumber(layer),
				from_block: fromBlock,
				vector: vectorBytes(vector),
				checksum: vectorChecksum(change.put),
			};
		}
		case "memories": {
			const { namespace, id, layer, memoryKey } = change.put;
			return {
				namespace,
				id,
				layer: layer === undefined ? null : layerNumber(layer),
				memory_key: memoryKey,
			};
		}
		case "links": {
			const { linkKey, namespace, type, fromKey, toKey } = change.put;
			return { link_key: linkKey, namespace, type, from_key: fromKey, to_key: toKey };
		}
		case "derivations": {
			const { position, setNo, sourceNo, memoryKey, sourceKey, source, depth } = change.put;
			return {
				position,
				set_no: setNo,
				source_no: sourceNo,
				memory_key: memoryKey,
				source_key: sourceKey,
				source_namespace: source.namespace,
				source_id: source.id,
				source_hash: hexBytes(source.contentHash),
				depth,
			};
		}
		case "blocks": {
			const { number, hash, parentHash, timestamp, fromGen, toGen } = change.put;
			return {
				height: number,
				from_gen: fromGen,
				to_gen: toGen,
				hash,
				parent_hash: parentHash,
				timestamp,
				checksum: blockChecksum(change.put, fromGen),
			};
		}
		case "checkpoints": {
			const { height, fromGen, toGen, blockHash, logPosition, versionId, pointers } = change.put;
			const roots = toJson(change.put.roots);
			return {
				height,
				from_gen: fromGen,
				to_gen: toGen,
				block_hash: blockHash,
				log_position: logPosition,
				version_id: versionId,
				roots,
				pointers,
				checksum: checkpointChecksum({ ...change.put, roots }),
			};
		}
	}
}

function versionColumns(version: Version) {
	return {
		memory_key: version.memoryKey,
		from_block: version.fromBlock,
		from_gen: version.fromGen,
		to_block: version.toBlock,
		to_gen: version.toGen,
		expires_block: version.expiresBlock ?? null,
		expires_time: version.expiresTime ?? null,
		suspect: version.suspect,
		grounds_block: version.grounds ?? null,
		version_id: version.versionId,
		position: version.position,
		layer: layerNumber(version.layer),
		owner: ownerNumber(version.owner),
		namespace: version.namespace,
		id: version.id,
		content: version.content === undefined ? null : canonicalJson(version.content),
		text: version.text ?? null,
		collection: version.collection ?? null,
		importance: version.importance ?? null,
		confidence: version.confidence ?? null,
		vector_hash: version.vectorHash === undefined ? null : hexBytes(version.vectorHash),
		content_hash: hexBytes(version.contentHash),
		checksum: versionChecksum(version),
	};
}
