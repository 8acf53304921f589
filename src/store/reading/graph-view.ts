/** Reads links and episodes at one coordinate inside one snapshot transaction. */
import type { BlockHeader } from "../../domain/block.ts";
import { FOREVER, type Height, type Hex, type MemoryKey } from "../../domain/ids.ts";
import { episodePlace } from "../../service/graph/episode-order.ts";
import type {
	EpisodeQuery,
	GraphView,
	LinkQuery,
	LinkRow,
	StoredEpisode,
} from "../../service/graph/graph-store.ts";
import { layerNumber, ownerNumber, type VersionRow, versionOf } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import type { ResolvedCoordinate } from "./coordinate.ts";
import { SnapshotView } from "./snapshot-view.ts";

const EPISODIC = layerNumber("episodic");
/** Before every UUID. */
const NO_KEY = "00000000-0000-0000-0000-000000000000";

export class PostgresGraphView implements GraphView {
	readonly #tx: Tx;
	readonly #state: SnapshotView;

	constructor(tx: Tx, resolved: ResolvedCoordinate) {
		this.#tx = tx;
		this.#state = new SnapshotView(tx, resolved);
	}

	get at() {
		return this.#state.at;
	}

	memories(keys: readonly MemoryKey[]) {
		return this.#state.memories(keys);
	}

	async links(query: LinkQuery): Promise<readonly LinkRow[]> {
		if (query.keys.length === 0) return [];
		const tx = this.#tx;
		const { types, namespaces, limit } = query;
		const out = query.direction === "out";
		const near = tx(out ? "from_key" : "to_key");
		const far = tx(out ? "to_key" : "from_key");
		const after = query.after ?? { type: "", linkKey: NO_KEY };
		const rows = await tx<LinkTableRow[]>`
			select near.key as near_key, l.* from unnest(${pgArray(query.keys)}::uuid[])
				with ordinality as near(key, place)
			cross join lateral (
				select link_key, type, ${far} as far_key from links
				where chain_id = ${this.at.chainId} and ${near} = near.key
					and (${types === undefined} or type = any(${pgArray(types ?? [])}::text[]))
					and (${namespaces === undefined} or namespace = any(${pgArray(namespaces ?? [])}::text[]))
					and (type, link_key) > (${after.type}, ${after.linkKey}::uuid)
				order by type, link_key limit ${limit}
			) l
			order by near.place, l.type, l.link_key limit ${limit}`;
		return rows.map((row) => ({
			nearKey: row.near_key,
			farKey: row.far_key,
			linkKey: row.link_key,
			type: row.type,
		}));
	}

	async episodes(query: EpisodeQuery): Promise<readonly StoredEpisode[]> {
		const { chainId, height, generation } = this.at;
		const { namespaces, after, limit } = query;
		const up = query.order === "asc";
		const tx = this.#tx;
		const [from, to] = heightsLeft(query);
		const owner = after === undefined ? 0 : ownerNumber(after.owner);
		const sequence = after?.sequence ?? 0n;
		const sign = up ? tx`>` : tx`<`;
		const direction = up ? tx`asc` : tx`desc`;
		// A sequence is a version id for handlers and a position for agents: see episodePlace.
		const placed = tx`case v.owner when 0 then v.version_id else v.position end`;
		const rows = await tx<EpisodeRow[]>`
			select v.*, b.hash as block_hash, b.timestamp as block_timestamp from versions v
			left join blocks b on b.chain_id = v.chain_id and b.height = v.from_block
				and b.from_gen <= ${generation} and b.to_gen > ${generation}
			where v.chain_id = ${chainId} and v.layer = ${EPISODIC}
				and v.from_block >= ${from} and v.from_block <= ${to} and v.to_block > ${height}
				and v.from_gen <= ${generation} and v.to_gen > ${generation} and v.content is not null
				and (${namespaces === undefined} or v.namespace = any(${pgArray(namespaces ?? [])}::text[]))
				and (${after === undefined} or (v.from_block, v.owner, ${placed})
					${sign} (${after?.height ?? 0n}::bigint, ${owner}::smallint, ${sequence}::bigint))
			order by v.from_block ${direction}, v.owner ${direction}, ${placed} ${direction}
			limit ${limit}`;
		return rows.map(episodeOf);
	}

	async headerFrom(height: Height): Promise<BlockHeader | undefined> {
		const { chainId, generation } = this.at;
		const [row] = await this.#tx<HeaderRow[]>`
			select height, hash, parent_hash, timestamp from blocks
			where chain_id = ${chainId} and height >= ${height}
				and from_gen <= ${generation} and to_gen > ${generation}
			order by height limit 1`;
		return row && headerOf(row);
	}

	async headerBelow(height: Height): Promise<BlockHeader | undefined> {
		const { chainId, generation } = this.at;
		const [row] = await this.#tx<HeaderRow[]>`
			select height, hash, parent_hash, timestamp from blocks
			where chain_id = ${chainId} and height < ${height}
				and from_gen <= ${generation} and to_gen > ${generation}
			order by height desc limit 1`;
		return row && headerOf(row);
	}
}

/** Heights of the query that are not passed yet, so that the index begins where the page does. */
function heightsLeft({ from, to, after, order }: EpisodeQuery): readonly [Height, Height] {
	const last = to < FOREVER ? to : FOREVER - 1n;
	if (after === undefined) return [from, last];
	return order === "asc"
		? [after.height > from ? after.height : from, last]
		: [from, after.height < last ? after.height : last];
}

interface LinkTableRow {
	readonly near_key: MemoryKey;
	readonly far_key: MemoryKey;
	readonly link_key: MemoryKey;
	readonly type: string;
}

interface EpisodeRow extends VersionRow {
	readonly block_hash: Hex | null;
	readonly block_timestamp: bigint | null;
}

interface HeaderRow {
	readonly height: bigint;
	readonly hash: Hex;
	readonly parent_hash: Hex;
	readonly timestamp: bigint;
}

function episodeOf(row: EpisodeRow): StoredEpisode {
	const version = versionOf(row);
	const { block_hash: hash, block_timestamp: timestamp } = row;
	return {
		version,
		place: episodePlace(version),
		block: hash === null || timestamp === null ? undefined : { hash, timestamp },
	};
}

function headerOf(row: HeaderRow): BlockHeader {
	const { height: number, hash, parent_hash: parentHash, timestamp } = row;
	return { number, hash, parentHash, timestamp };
}
