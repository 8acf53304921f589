/** Each rule sees its corruption: a record is changed directly in a store, and the check names it. */
import { join } from "node:path";
import { connect } from "@lancedb/lancedb";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FindingAnswer } from "../../src/client/answers.ts";
import { RecantClient } from "../../src/client/client.ts";
import type { FindingClass } from "../../src/consistency/finding.ts";
import { FOREVER, type Hex } from "../../src/domain/ids.ts";
import { blockChecksum } from "../../src/store/row-checksum.ts";
import { checked } from "../support/consistency.ts";
import { TamperedRows } from "../support/tampered-rows.ts";
import { World } from "../support/world.ts";

type Sql = postgres.Sql<{ bigint: bigint }>;

/** A chain with a fork behind it, orphaned versions, tombstones, flushed vectors and a tail. */
async function makeWorld(name: string): Promise<World> {
	const world = await World.create({ name });
	for (let n = 0; n < 9; n += 1) {
		await world.write({ op: "put", id: `t${n}`, text: `text number ${n}`, content: { n } });
	}
	await world.write({ op: "put", id: "gone", content: { n: 1 } });
	await concluded(world);
	await world.block({ from: 1, to: 2, value: 5n });
	await world.write({ op: "delete", id: "gone" });
	await world.write({ op: "put", id: "t0", text: "another text", content: { n: 10 } });
	await world.block({ from: 2, to: 3, value: 5n });
	await world.write({ op: "put", id: "t1", text: "yet another", content: { n: 11 } });
	const derivedFrom = [[await world.said("conclusion"), await world.said("t1")]];
	await world.write({ op: "put", id: "deep", content: {}, derivedFrom });
	await world.fork(async (chain) => {
		await chain.reorg(1);
		await chain.block({ from: 1, to: 3, value: 7n });
	});
	await world.block({ from: 3, to: 1, value: 1n });
	await world.write({ op: "put", id: "pending", text: "not sealed yet", content: { n: 12 } });
	return world;
}

/** A conclusion of two alternatives, one of a source that is overwritten in its slot, and a hierarchy. */
async function concluded(world: World): Promise<void> {
	const put = (id: string) => ({ op: "put", id, content: { of: id } }) as const;
	await world.write(put("reason"), put("other reason"), put("fleeting"), put("b"), put("c"));
	const [reason, other, fleeting] = await Promise.all(
		["reason", "other reason", "fleeting"].map((id) => world.said(id)),
	);
	if (reason === undefined || other === undefined || fleeting === undefined) return;
	const derivedFrom = [[reason, other], [other]];
	await world.write(
		{ ...put("conclusion"), derivedFrom },
		{ ...put("simple"), derivedFrom: [[reason]] },
		{ ...put("of the moment"), derivedFrom: [[fleeting]] },
		{ op: "put", id: "fleeting", content: { overwritten: true } },
		{ op: "link", from: "conclusion", type: "isA", to: "b" },
		{ op: "link", from: "b", type: "isA", to: "c" },
	);
}

function named(findings: readonly FindingAnswer[]): readonly string[] {
	return [...new Set(findings.map((finding) => `${finding.rule}: ${finding.class}`))].sort();
}

interface Case {
	readonly what: string;
	readonly level?: "basic" | "full" | "comprehensive" | "paranoid";
	readonly corrupt: (sql: Sql) => Promise<{ readonly count: number }>;
	/** At least one finding of this class; with `only`, nothing else. */
	readonly finds: FindingClass;
	readonly only?: true;
	/** One of the findings is this rule's. */
	readonly rule?: string;
}

const VISIBLE = `id = 't2' and to_gen = 9223372036854775807`;
/** One of the two sources of a set of two. */
const ONE_SOURCE = `set_no = 0 and source_no = 1 and position =
	(select min(position) from versions where id = 'conclusion')`;
const TO_C = `to_key = (select memory_key from memories where id = 'c')`;

/** A copy of that row in which one column is another. */
function anotherDerivation(column: string, value: string): string {
	return `insert into derivations select (jsonb_populate_record(d, jsonb_build_object('${column}', ${value}))).*
		from derivations d where ${ONE_SOURCE}`;
}

const CASES: readonly Case[] = [
	{
		what: "a version's content",
		corrupt: (sql) => sql.unsafe(`update versions set content = '{"n":99}' where ${VISIBLE}`),
		finds: "version_corrupt",
		only: true,
	},
	{
		what: "content that is no JSON",
		corrupt: (sql) => sql.unsafe(`update versions set content = '{"n":' where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "a content hash",
		corrupt: (sql) =>
			sql.unsafe(`update versions set content_hash = sha256('x'::bytea) where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "a checksum",
		corrupt: (sql) => sql.unsafe(`update versions set checksum = '\\x00' where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "a layer that does not exist",
		corrupt: (sql) => sql.unsafe(`update versions set layer = 9 where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "a number of the wrong kind",
		corrupt: (sql) => sql.unsafe(`update versions set importance = 'NaN' where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "a visible version that is gone",
		corrupt: (sql) => sql.unsafe(`delete from versions where ${VISIBLE}`),
		finds: "version_missing",
	},
	{
		what: "a version of the pending slot that is gone",
		corrupt: (sql) => sql.unsafe(`delete from versions where id = 'pending'`),
		finds: "version_missing",
	},
	{
		what: "an overwritten version that is gone",
		corrupt: (sql) =>
			sql.unsafe(`delete from versions where id = 't0' and from_block =
				(select min(from_block) from versions where id = 't0')`),
		finds: "version_missing",
	},
	{
		what: "a tombstone that is gone",
		corrupt: (sql) => sql.unsafe(`delete from versions where id = 'gone' and content is null`),
		finds: "span_wrong",
	},
	{
		what: "a memory that was never committed",
		corrupt: (sql) =>
			sql.unsafe(`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
					version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
					select chain_id, gen_random_uuid(), from_block, from_gen, to_block, to_gen, version_id, position,
						layer, owner, namespace, 'copy', content, content_hash, checksum
					from versions where ${VISIBLE}`),
		finds: "version_corrupt",
	},
	{
		what: "an end that comes too early",
		corrupt: (sql) => sql.unsafe(`update versions set to_block = from_block + 1 where ${VISIBLE}`),
		finds: "span_wrong",
	},
	{
		what: "a generation's end",
		corrupt: (sql) =>
			sql.unsafe(`update versions set to_gen = 1 where ${VISIBLE} and from_gen = 0`),
		finds: "span_wrong",
	},
	{
		what: "a derivation that is gone",
		corrupt: (sql) => sql.unsafe(`delete from derivations where ${ONE_SOURCE}`),
		finds: "derivation_wrong",
		only: true,
		rule: "derivations",
	},
	{
		what: "a derivation from another content",
		corrupt: (sql) =>
			sql.unsafe(`update derivations set source_hash = sha256('x'::bytea) where ${ONE_SOURCE}`),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "a derivation of another memory",
		corrupt: (sql) =>
			sql.unsafe(`update derivations set memory_key = source_key where ${ONE_SOURCE}`),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "a derivation that is otherwise deep",
		corrupt: (sql) => sql.unsafe(`update derivations set depth = depth + 3 where ${ONE_SOURCE}`),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "a derivation too many",
		corrupt: (sql) => sql.unsafe(anotherDerivation("source_no", "source_no + 7")),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "a derivation of what was derived from nothing",
		corrupt: (sql) =>
			sql.unsafe(
				anotherDerivation("position", "(select position from versions where id = 'b' limit 1)"),
			),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "a derivation above the log",
		corrupt: (sql) => sql.unsafe(anotherDerivation("position", "position + 100000")),
		finds: "derivation_wrong",
		only: true,
	},
	{
		what: "sources of an operation that nobody ever said",
		level: "comprehensive",
		corrupt: (sql) =>
			sql.unsafe(`update operations set sources = regexp_replace(sources, '0x[0-9a-f]{8}', '0xdeadbeef')
				where id = 'simple'`),
		finds: "source_lost",
		only: true,
		rule: "sources",
	},
	{
		what: "a source that is gone",
		level: "comprehensive",
		corrupt: (sql) => sql.unsafe(`delete from versions where id = 'reason'`),
		finds: "source_lost",
		rule: "sources",
	},
	{
		what: "a link that the table of links lacks",
		corrupt: (sql) => sql.unsafe(`delete from links where ${TO_C}`),
		finds: "link_orphaned",
		only: true,
		rule: "links-of-versions",
	},
	{
		what: "a link that joins others",
		corrupt: (sql) => sql.unsafe(`update links set to_key = from_key where ${TO_C}`),
		finds: "link_orphaned",
		only: true,
		rule: "links-of-versions",
	},
	{
		what: "a link that never was",
		corrupt: (sql) =>
			sql.unsafe(`insert into links (chain_id, link_key, namespace, type, from_key, to_key)
				select chain_id, gen_random_uuid(), namespace, 'near', from_key, to_key from links
				where ${TO_C}`),
		finds: "link_orphaned",
		only: true,
		rule: "links",
	},
	{
		what: "links that form a circle",
		level: "comprehensive",
		corrupt: (sql) =>
			sql.unsafe(`update links set to_key = (select memory_key from memories where id = 'conclusion')
				where ${TO_C}`),
		finds: "link_orphaned",
		only: true,
		rule: "cycles",
	},
	{
		what: "a name that is gone",
		corrupt: (sql) => sql.unsafe(`delete from memories where id = 't2'`),
		finds: "name_missing",
		only: true,
	},
	{
		what: "a name of nothing",
		corrupt: (sql) =>
			sql.unsafe(`insert into memories (chain_id, namespace, layer, id, memory_key)
				select chain_id, namespace, layer, 'nobody', gen_random_uuid() from memories where id = 't2'`),
		finds: "name_extra",
		only: true,
	},
	{
		what: "a log entry",
		corrupt: (sql) => sql.unsafe(`update log set body = body || ' ' where position = 3`),
		finds: "log_corrupt",
		only: true,
	},
	{
		what: "a log entry that is gone",
		corrupt: (sql) => sql.unsafe(`delete from log where position = 3`),
		finds: "log_corrupt",
	},
	{
		what: "the log's end",
		level: "basic",
		corrupt: (sql) =>
			sql.unsafe(`delete from log where position = (select max(position) from log)`),
		finds: "watermark_wrong",
	},
	{
		what: "a header",
		corrupt: (sql) =>
			sql.unsafe(`update blocks set timestamp = timestamp + 1 where height = 2 and from_gen = 0`),
		finds: "header_corrupt",
		only: true,
	},
	{
		what: "a header that is gone",
		corrupt: (sql) => sql.unsafe(`delete from blocks where height = 3`),
		finds: "header_corrupt",
	},
	{
		what: "an orphaned header that stands as canonical",
		corrupt: (sql) => sql.unsafe(`update blocks set to_gen = 9223372036854775807 where to_gen = 1`),
		finds: "header_corrupt",
	},
	{
		what: "a checkpoint's roots",
		corrupt: (sql) =>
			sql.unsafe(`update checkpoints set roots = replace(roots, 'a', 'b') where height = 3`),
		finds: "checkpoint_corrupt",
		only: true,
	},
	{
		what: "a checkpoint that is gone",
		corrupt: (sql) => sql.unsafe(`delete from checkpoints where height = 3`),
		finds: "checkpoint_corrupt",
		only: true,
	},
	{
		what: "the head's checkpoint",
		level: "basic",
		corrupt: (sql) =>
			sql.unsafe(`update checkpoints set roots = replace(roots, 'a', 'b')
				where height = (select max(height) from checkpoints)`),
		finds: "checkpoint_corrupt",
	},
	{
		what: "the recorded roots",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`update chains set roots = replace(roots, 'a', 'b')`),
		finds: "watermark_wrong",
		only: true,
	},
	{
		what: "the last version id",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`update chains set version_seq = 3`),
		finds: "watermark_wrong",
	},
	{
		what: "a generation's row",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`delete from generations where generation = 1`),
		finds: "watermark_wrong",
	},
	{
		what: "the number of memories",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`delete from versions where ${VISIBLE}`),
		finds: "count_differs",
		only: true,
	},
	{
		what: "a pointer that was moved back",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`update collections set pointer_version_id = 1`),
		finds: "pointer_broken",
		only: true,
	},
	{
		what: "a pointer to a table version that is not there",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`update collections set table_version = 4711`),
		finds: "pointer_broken",
		only: true,
	},
	{
		what: "another installation's id",
		level: "basic",
		corrupt: (sql) => sql.unsafe(`update installation set id = gen_random_uuid()`),
		finds: "installation_differs",
		only: true,
	},
	{
		what: "a vector's bytes in Postgres",
		corrupt: (sql) =>
			sql.unsafe(`update vector_rows set vector = set_byte(vector, 5, 255 - get_byte(vector, 5))
				where version_id = (select max(version_id) from vector_rows)`),
		finds: "vector_source_corrupt",
		only: true,
	},
	{
		what: "a vector in Postgres that is gone",
		corrupt: (sql) =>
			sql.unsafe(
				`delete from vector_rows where version_id = (select max(version_id) from vector_rows)`,
			),
		finds: "vector_missing",
		only: true,
	},
	{
		what: "a version that log and chain give again",
		level: "paranoid",
		corrupt: (sql) => sql.unsafe(`delete from versions where ${VISIBLE}`),
		finds: "version_missing",
		rule: "shadow",
	},
	{
		what: "content that log and chain give otherwise",
		level: "paranoid",
		corrupt: (sql) =>
			sql.unsafe(`update versions set content_hash = sha256('x'::bytea) where ${VISIBLE}`),
		finds: "version_corrupt",
		rule: "shadow",
	},
	{
		what: "a header that does not fit its checksum",
		corrupt: (sql) => sql.unsafe(`update blocks set hash = parent_hash where height = 2`),
		finds: "header_corrupt",
	},
	{
		what: "a sound header that the node has otherwise",
		level: "paranoid",
		corrupt: async (sql) => {
			const [row] = await sql<{ parent: Hex; timestamp: bigint; generation: bigint }[]>`
				select parent_hash as parent, timestamp, from_gen as generation from blocks
				where height = 2 and to_gen = ${FOREVER}`;
			if (row === undefined) return { count: 0 };
			const { parent: parentHash, timestamp, generation } = row;
			const hash: Hex = `0x${"ab".repeat(32)}`;
			const checksum = blockChecksum({ number: 2n, hash, parentHash, timestamp }, generation);
			return sql`update blocks set hash = ${hash}, checksum = ${checksum}
				where height = 2 and to_gen = ${FOREVER}`;
		},
		finds: "node_differs",
		rule: "node-headers",
	},
	{
		what: "roots of the window that the spans do not give",
		level: "comprehensive",
		corrupt: (sql) =>
			sql.unsafe(`delete from versions where id = 't0' and from_block =
				(select min(from_block) from versions where id = 't0')`),
		finds: "root_differs",
		rule: "root-history",
	},
	{
		what: "an operation that names no log entry",
		level: "comprehensive",
		corrupt: (sql) =>
			sql.unsafe(`update operations set position = 900 where id = 't2' and status = 'applied'`),
		finds: "log_corrupt",
	},
];

describe("in Postgres", () => {
	let world: World;
	let client: RecantClient;
	let rows: TamperedRows;
	let sql: Sql;

	beforeAll(async () => {
		world = await makeWorld("consistency-rules");
		client = new RecantClient({ url: world.recant.url });
		sql = postgres(world.recant.home.databaseUrl, {
			max: 1,
			types: { bigint: postgres.BigInt },
			connection: { search_path: "recant" },
			onnotice: () => undefined,
		});
		rows = new TamperedRows(sql);
	});

	afterAll(async () => {
		await sql?.end();
		await world?.stop();
	});

	test.each(CASES)("$what", async ({ level = "full", corrupt, finds, only, rule }) => {
		await rows.keep();
		const { count } = await corrupt(sql);
		expect(count, "records that were corrupted").toBeGreaterThan(0);
		const { run, findings } = await checked(client, { level });
		await rows.restore();
		expect(run.state, run.error?.message).toBe("done");
		expect(findings.map((finding) => finding.class)).toContain(finds);
		if (only === true)
			expect(new Set(findings.map((each) => each.class))).toEqual(new Set([finds]));
		if (rule !== undefined) expect(named(findings).join()).toContain(`${rule}: ${finds}`);
		expect(run.score).toBeLessThan(1);
		for (const { message, remedy } of findings) {
			expect(message.length).toBeGreaterThan(20);
			expect(remedy.commands.length).toBeGreaterThan(0);
		}
	});

	test("afterwards everything is as it was", async () => {
		const { findings, run } = await checked(client, { level: "comprehensive" });
		expect(named(findings)).toEqual([]);
		expect(run.score).toBe(1);
	});

	test("a sample finds what it draws", async () => {
		await rows.keep();
		await sql.unsafe(`update versions set content = '{"n":99}' where ${VISIBLE}`);
		await sql.unsafe(`delete from versions where id = 't3'`);
		const sample = { seed: "s", confidence: 0.999, tolerance: 0.001 };
		const { run, findings } = await checked(client, { level: "full", sample });
		await rows.restore();
		expect(run.sample).toMatchObject(sample);
		expect(findings.map((each) => each.class).sort()).toEqual([
			"count_differs",
			"version_corrupt",
			"version_missing",
		]);
	});
});

test("in LanceDB: rows that are missing, extra, stale, doubled or changed", async () => {
	const world = await makeWorld("consistency-lance");
	const { home } = world.recant;
	const sql = postgres(home.databaseUrl, {
		max: 1,
		types: { bigint: postgres.BigInt },
		connection: { search_path: "recant" },
	});
	await world.stop();
	const [collection] = await sql<{ table_name: string; table_version: bigint }[]>`
		select table_name, table_version from collections where name = 'default'`;
	const connection = await connect(join(home.dataDir, "lancedb"));
	const table = await connection.openTable(collection?.table_name ?? "");
	expect(BigInt(await table.version())).toBe(collection?.table_version);
	const present = await table.query().limit(100).toArrow();
	const ids = [...(present.getChild("version_id") ?? [])].map(BigInt).sort((a, b) => Number(a - b));
	const [missing, doubled, changed, renamed, moved] = ids;
	const doubledRow = await table.query().where(`version_id = ${doubled}`).toArrow();
	await table.add(doubledRow);
	await table.delete(`version_id = ${missing}`);
	await table.update({ where: `version_id = ${renamed}`, values: { namespace: "other" } });
	await table.update({
		where: `version_id = ${changed}`,
		values: { vector: [...Array(384)].map((_, index) => (index === 0 ? 1 : 0)) },
	});
	// A row under the id of a version that is in no vector_rows, and one above the pointer.
	await table.update({ where: `version_id = ${moved}`, values: { version_id: "999999" } });
	const version = await table.version();
	await sql`update collections set table_version = ${version} where name = 'default'`;
	connection.close();
	await sql.end();
	await world.start();
	await world.followed();
	const client = new RecantClient({ url: world.recant.url });
	const { run, findings } = await checked(client, { level: "full" });
	expect(run.error).toBeUndefined();
	const found = findings.map(({ class: kind, subject }) => `${kind} ${subject.versionId}`).sort();
	expect(found).toEqual(
		[
			`vector_corrupt ${changed}`,
			`vector_corrupt ${renamed}`,
			`vector_duplicated ${doubled}`,
			"vector_extra 999999",
			`vector_missing ${missing}`,
			`vector_missing ${moved}`,
		].sort(),
	);
});
