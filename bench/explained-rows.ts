/**
 * A chain of many conclusions, made by SQL as the writer leaves it: sources of the chain, and above them ten
 * layers of memories, each concluded from two of the layer below or from one other alternatively. A part of
 * them was written on a branch that a fork took back, and written again on the new one.
 */

import type { Database } from "../src/store/database.ts";
import { registerChain } from "../src/store/registry.ts";
import { SILENT } from "./writer-rig.ts";

export const CHAIN = 1;
export const LAYERS = 10;
/** Committed heads of generation 0, and of the present one. */
export const ENDED_AT = 990;
export const HEAD = 1_000;
export const ANCESTOR = 980;
const FOREVER = "9223372036854775807";
const PER_BLOCK = 8;

/** Name of the n-th memory of a layer; layer 0 is the chain's. */
export function nameOf(layer: number, n: number): string {
	return `m:${layer}:${n}`;
}

/** `width` memories in each of LAYERS + 1 layers. */
export async function fillExplained(database: Database, width: number): Promise<void> {
	const spec = { id: CHAIN, name: "bench", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	await addKeyFunction(database);
	await fillBlocks(database);
	await fillVersions(database, width);
	await fillDerivations(database, width);
	await fillOperations(database);
	await database.run((sql) => sql`analyze`);
}

/** As memory/memory-key.ts makes them. */
async function addKeyFunction(database: Database): Promise<void> {
	await database.run(
		(sql) => sql`
			create function bench_key(namespace text, id text) returns uuid language sql immutable as $$
				select encode(substr(sha256(convert_to('recant.memory-key.v1', 'UTF8') || '\\x0001'::bytea
					|| int4send(length(namespace)) || convert_to(namespace, 'UTF8') || '\\x01'::bytea
					|| int4send(length(id)) || convert_to(id, 'UTF8')), 1, 16), 'hex')::uuid $$`,
	);
}

async function fillBlocks(database: Database): Promise<void> {
	await database.run(
		(sql) => sql`
			insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp, checksum)
			select ${CHAIN}::bigint, n, 0, case when n > ${ANCESTOR} then 1 else ${FOREVER}::bigint end,
				'0xa' || n, '0xa' || n - 1, 1700000000 + 12 * n, '\\x00'::bytea
			from generate_series(0, ${ENDED_AT}::int) n
			union all
			select ${CHAIN}::bigint, n, 1, ${FOREVER}::bigint, '0xb' || n, '0xb' || n - 1, 1700000000 + 12 * n, '\\x00'::bytea
			from generate_series(${ANCESTOR + 1}::int, ${HEAD}::int) n`,
	);
	await database.run((sql) => sql`delete from generations where chain_id = ${CHAIN}::bigint`);
	await database.run(
		(
			sql,
		) => sql`insert into generations (chain_id, generation, ancestor_height, rollback_id, last_height,
				last_version_id)
			values (${CHAIN}::bigint, 0, null, null, ${ENDED_AT}, 0),
				(${CHAIN}::bigint, 1, ${ANCESTOR}, '00000000-0000-4000-8000-000000000001', null, null)`,
	);
	await database.run(
		(sql) => sql`insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
				ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
				stage_ms, finished_at)
			values ('00000000-0000-4000-8000-000000000001', ${CHAIN}::bigint, 'reorg', 'committed', 0, ${ANCESTOR},
				'0xa', ${ENDED_AT}, '0xa', ${ENDED_AT + 1}, '0xb', '[]', '{}'::text::jsonb, '{}'::text::jsonb, now())`,
	);
	await database.run(
		(sql) => sql`update chains set generation = 1, head_height = ${HEAD}, safe_height = 900,
			finalized_height = 800, log_position = 1000000 where chain_id = ${CHAIN}::bigint`,
	);
}

/** A hundredth of all is of the last blocks of the old branch, and again of the new one. */
async function fillVersions(database: Database, width: number): Promise<void> {
	await database.run(
		(sql) => sql`
			with made as (
				select layer, n, layer * ${width} + n + 1 as position,
					case when n % 100 = 7 then ${ANCESTOR + 1} + layer % 10
						else 1 + (layer * ${width} + n) % ${ANCESTOR - 1} end as height
				from generate_series(0, ${LAYERS}::int) layer, generate_series(0, ${width - 1}::int) n
			), spans as (
				select *, 0 as from_gen, case when n % 100 = 7 then 1 else ${FOREVER}::bigint end as to_gen
				from made
				union all
				select layer, n, position, height + 5, 1, ${FOREVER}::bigint from made where n % 100 = 7
			)
			insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen, version_id,
				position, layer, owner, namespace, id, content, content_hash, checksum, grounds_block)
			select ${CHAIN}::bigint, bench_key(case layer when 0 then 'ledger' else 'default' end, 'm:' || layer || ':' || n), height, from_gen, ${FOREVER}::bigint, to_gen,
				position + from_gen * 10000000, position, 3, least(layer, 1), case layer when 0 then 'ledger'
				else 'default' end, 'm:' || layer || ':' || n,
				'{"layer":' || layer || ',"n":' || n || ',"text":"what was concluded from what the chain did"}',
				sha256(('m:' || layer || ':' || n)::bytea), '\\x00'::bytea, height
			from spans`,
	);
}

/** From two of the layer below together, or from a third alone. */
async function fillDerivations(database: Database, width: number): Promise<void> {
	await database.run(
		(sql) => sql`
			insert into derivations (chain_id, position, set_no, source_no, memory_key, source_key,
				source_namespace, source_id, source_hash, depth)
			select ${CHAIN}::bigint, layer * ${width} + n + 1, set_no, source_no,
				bench_key('default', 'm:' || layer || ':' || n),
				bench_key(case layer when 1 then 'ledger' else 'default' end, source),
				case layer when 1 then 'ledger' else 'default' end, source, sha256(source::bytea), layer
			from generate_series(1, ${LAYERS}::int) layer, generate_series(0, ${width - 1}::int) n,
				(values (0, 0, 0), (0, 1, 1), (1, 0, 3)) as s(set_no, source_no, step),
				lateral (select 'm:' || layer - 1 || ':' || (n + step) % ${width} as source) named`,
	);
}

/** One a memory of agents; those of the orphaned range were judged, and so was every fiftieth before. */
async function fillOperations(database: Database): Promise<void> {
	await database.run(
		(sql) => sql`
			insert into operations (chain_id, operation_id, kind, namespace, id, status, position,
				original_slot, effective_slot, judged_slot, version_id, final)
			select distinct on (position) ${CHAIN}::bigint, md5('op' || position)::uuid, 'put', namespace, id, 'applied',
				position, from_block, from_block, from_block, version_id, from_block < 800
			from versions where chain_id = ${CHAIN}::bigint and owner = 1 order by position, from_gen desc`,
	);
	await database.run(
		(sql) => sql`
			insert into log (chain_id, position, generation, height, kind, operation_id, memory_key, body,
				checksum)
			select ${CHAIN}::bigint, position, 0, from_block, 'operation', md5('op' || position)::uuid, memory_key,
				content, '\\x00'::bytea
			from versions where chain_id = ${CHAIN}::bigint and from_gen = 0
			union all
			select ${CHAIN}::bigint, 500000 + position, 1, from_block, 'verdict', md5('op' || position)::uuid, memory_key,
				'{"verdict":"replayed","slot":"' || from_block || '"}', '\\x00'::bytea
			from versions where chain_id = ${CHAIN}::bigint and owner = 1 and from_gen = 0
				and (to_gen = 1 or position % ${PER_BLOCK * 6} = 0)`,
	);
}
