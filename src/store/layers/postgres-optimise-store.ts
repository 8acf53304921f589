/**
 * Memories of a namespace that may go. A visible version is the one with from_block ≤ slot < to_block in the
 * present generation; a link holds while its own version is visible and both of its ends are.
 */
import type { AtRequest } from "../../domain/coordinate.ts";
import { type ChainId, FOREVER, type MemoryKey } from "../../domain/ids.ts";
import { LINK_ID_PREFIX } from "../../domain/link.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type {
	Droppable,
	DroppableQuery,
	OptimiseStore,
} from "../../service/layers/optimise-store.ts";
import { layerNumber, layerOf, ownerNumber } from "../codec.ts";
import type { Database } from "../database.ts";
import { resolveCoordinate } from "../reading/coordinate.ts";
import type { Tx } from "../sql.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const AGENT = ownerNumber("agent");
const SEMANTIC = layerNumber("semantic");
const LONG_TERM = layerNumber("long_term");

interface Place {
	readonly chainId: ChainId;
	readonly namespace: string;
	readonly slot: bigint;
	readonly limit: number;
}

export class PostgresOptimiseStore implements OptimiseStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async droppable(chainId: ChainId, query: DroppableQuery) {
		return this.#database.snapshot(async (tx) => {
			const { at } = await resolveCoordinate(tx, chainId, PENDING);
			const { namespace, limit, expiredBy, belowConfidence, unreachable } = query;
			const place = { chainId, namespace, slot: at.height, limit };
			const found = [
				...(expiredBy === undefined ? [] : await expired(tx, place, expiredBy)),
				...(unreachable ? await unreachableLinks(tx, place) : []),
				...(unreachable ? await unreachableMemories(tx, place) : []),
				...(belowConfidence === undefined ? [] : await doubtful(tx, place, belowConfidence)),
			];
			return { at, found };
		});
	}
}

async function expired(tx: Tx, place: Place, by: bigint): Promise<readonly Droppable[]> {
	const rows = await tx<Row[]>`
		select ${fields(tx)} from versions v
		where ${visible(tx, place)} and v.expires_time <= ${by}
		order by v.expires_time, v.memory_key limit ${place.limit}`;
	return rows.map((row) => droppableOf(row, "expired"));
}

/** An end that an operation waits to bring back is not gone: a fork took it, and the next may return it. */
async function unreachableLinks(tx: Tx, place: Place): Promise<readonly Droppable[]> {
	const { chainId, namespace, limit } = place;
	const rows = await tx<Row[]>`
		select ${fields(tx)} from links l
		join versions v on v.chain_id = l.chain_id and v.memory_key = l.link_key
		where l.chain_id = ${chainId} and l.namespace = ${namespace} and ${visible(tx, place)}
			and exists (
				select from (values (l.from_key, v.content::jsonb -> 'from'),
					(l.to_key, v.content::jsonb -> 'to')) as ends(memory_key, name)
				where not ${isVisible(tx, place, tx`ends.memory_key`)}
					and not exists (select from operations o where o.chain_id = ${chainId}
						and o.namespace = ends.name ->> 'namespace' and o.id = ends.name ->> 'id'
						and o.status = 'suspended'))
		order by l.link_key limit ${limit}`;
	return rows.map((row) => droppableOf(row, "unreachable_link"));
}

/**
 * One that was never linked stands for itself. A link that a fork took, or an end of it, may come back: until
 * then what it joins is not unreachable.
 */
async function unreachableMemories(tx: Tx, place: Place): Promise<readonly Droppable[]> {
	const { chainId, limit } = place;
	const names = tx`l.chain_id = ${chainId} and (l.from_key = v.memory_key or l.to_key = v.memory_key)`;
	const rows = await tx<Row[]>`
		select ${fields(tx)} from ${named(tx, place)}
		where ${visible(tx, place)} and v.layer = ${SEMANTIC}
			and not starts_with(v.id, ${LINK_ID_PREFIX})
			and exists (select from links l where ${names})
			and not exists (select from links l where ${names}
				and ${mayBeSeen(tx, place, tx`l.link_key`)}
				and ${mayBeSeen(tx, place, tx`l.from_key`)} and ${mayBeSeen(tx, place, tx`l.to_key`)})
			and not exists (select from derivations d where d.chain_id = ${chainId}
				and d.source_key = v.memory_key and d.source_hash = v.content_hash
				and ${isVisible(tx, place, tx`d.memory_key`)})
		order by v.memory_key limit ${limit}`;
	return rows.map((row) => droppableOf(row, "unreachable_memory"));
}

/** What may fade is looked at whatever it began with: how far it has faded is not reckoned here. */
async function doubtful(tx: Tx, place: Place, below: number): Promise<readonly Droppable[]> {
	const rows = await tx<Row[]>`
		select ${fields(tx)} from ${named(tx, place)}
		where ${visible(tx, place)} and v.confidence is not null
			and (v.confidence < ${below}
				or (v.layer = ${LONG_TERM} and v.content like '%"halfLifeBlocks"%'))
		order by v.memory_key limit ${place.limit}`;
	return rows.map((row) => droppableOf(row, undefined));
}

function fields(tx: Tx) {
	return tx`v.memory_key, v.version_id, v.namespace, v.id, v.layer, v.confidence, v.from_block,
		v.collection, octet_length(v.content) + coalesce(octet_length(v.text), 0) as size_bytes,
		case when v.layer = ${LONG_TERM} then v.content::jsonb -> 'halfLifeBlocks' end as half_life,
		case when v.layer = ${LONG_TERM} then v.content::jsonb ->> 'lastSupportedBlock' end as supported`;
}

/** By the names of the namespace, which are few beside all versions of the chain. */
function named(tx: Tx, { chainId, namespace }: Place) {
	return tx`(select memory_key, layer from memories
			where chain_id = ${chainId} and namespace = ${namespace}) m
		join versions v on v.chain_id = ${chainId} and v.memory_key = m.memory_key
			and v.layer = m.layer`;
}

function visible(tx: Tx, { chainId, namespace, slot }: Place) {
	return tx`v.chain_id = ${chainId} and v.namespace = ${namespace} and v.owner = ${AGENT}
		and v.content is not null and v.from_block <= ${slot} and v.to_block > ${slot}
		and v.to_gen = ${FOREVER}`;
}

function isVisible(tx: Tx, { chainId, slot }: Place, key: ReturnType<Tx>) {
	return tx`exists (select from versions e where e.chain_id = ${chainId} and e.memory_key = ${key}
		and e.content is not null and e.from_block <= ${slot} and e.to_block > ${slot}
		and e.to_gen = ${FOREVER})`;
}

/** Visible, or an operation waits that would bring it back. */
function mayBeSeen(tx: Tx, place: Place, key: ReturnType<Tx>) {
	return tx`(${isVisible(tx, place, key)} or exists (select from memories n
		join operations o on o.chain_id = n.chain_id and o.namespace = n.namespace and o.id = n.id
		where n.chain_id = ${place.chainId} and n.memory_key = ${key} and o.status = 'suspended'))`;
}

interface Row {
	readonly memory_key: string;
	readonly version_id: bigint;
	readonly namespace: string;
	readonly id: string;
	readonly layer: number;
	readonly confidence: number | null;
	readonly from_block: bigint;
	readonly collection: string | null;
	readonly size_bytes: number;
	/** JSON. */
	readonly half_life: unknown;
	readonly supported: string | null;
}

function droppableOf(row: Row, reason: Droppable["reason"]): Droppable {
	return {
		memoryKey: row.memory_key as MemoryKey,
		versionId: row.version_id,
		namespace: row.namespace,
		id: row.id,
		layer: layerOf(row.layer),
		confidence: row.confidence ?? undefined,
		fromBlock: row.from_block,
		content: fadingOf(row),
		reason,
		sizeBytes: Number(row.size_bytes),
		hasVector: row.collection !== null,
	};
}

/** What confidence fades by, and nothing else of the content. */
function fadingOf({ half_life, supported }: Row): JsonObject {
	const halfLife = typeof half_life === "string" ? JSON.parse(half_life) : half_life;
	return {
		...(typeof halfLife === "number" ? { halfLifeBlocks: halfLife } : {}),
		...(supported === null ? {} : { lastSupportedBlock: supported }),
	};
}
