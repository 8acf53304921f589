/**
 * Damages single records of a stored state: rows of Postgres, rows and bytes of LanceDB, copies in Redis. Each
 * damage names its record, so that a check's findings can be held against it. No two of one batch touch
 * the same memory, block or collection's pointer, or one could hide behind the other.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import type { FindingAnswer } from "../../src/client/answers.ts";
import type { Height, MemoryKey } from "../../src/domain/ids.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import type { DamagedWorld } from "./damaged-world.ts";
import type { Random } from "./random.ts";
import { redisUrl } from "./redis.ts";
import { CHAIN_ID } from "./running-service.ts";

const FOREVER = 9_223_372_036_854_775_807n;
/** Blocks next to a damaged one stay whole: a header is judged by its neighbours too. */
const BLOCK_DISTANCE = 3n;
const OTHER_KEY = "00000000-0000-4000-8000-000000000000";
/** Of no memory either, so that a damaged version is not taken for the link's. */
const OTHER_LINK = "00000000-0000-4000-8000-000000000001";

export interface Damage {
	/** table: what was done. */
	readonly kind: string;
	/** Which record. */
	readonly where: string;
	/** Whether a finding is about this record. */
	readonly isFoundBy: (finding: FindingAnswer) => boolean;
	/** Whether a finding may follow from it. */
	readonly explains: (finding: FindingAnswer) => boolean;
}

type Sql = postgres.Sql<{ bigint: bigint }>;

/** Of a checkpoint `p` and its chain `c`: that retention, which runs now and then, does not take it away. */
export function isKept(sql: Pick<Sql, "unsafe">) {
	return sql.unsafe(
		`(p.to_gen <> ${FOREVER} or p.height >= c.finalized_height or p.height % 1000 = 0)`,
	);
}

interface VersionAt {
	readonly memory_key: MemoryKey;
	readonly from_block: bigint;
	readonly from_gen: bigint;
	readonly to_block: bigint;
	readonly to_gen: bigint;
	readonly version_id: bigint;
	readonly content: string | null;
	readonly text: string | null;
	/** It is visible now, so that the writer's tree has a leaf of it. */
	readonly visible: boolean;
	/** An entry of the log says that it was written. */
	readonly logged: boolean;
	/** What the row's removal shows to a check of this batch; set when the batch begins. */
	readonly missed: boolean;
}

interface VectorAt {
	readonly collection: string;
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	/** A version's row asks for it. */
	readonly owed: boolean;
	readonly flushed: boolean;
}

interface BlockAt {
	readonly height: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
	/** In the window, of the present branch. */
	readonly window: boolean;
}

interface LinkAt {
	readonly memory_key: MemoryKey;
}

interface DerivationAt {
	readonly position: bigint;
	readonly set_no: number;
	readonly source_no: number;
	/** Its operation has other sources too. */
	readonly several: boolean;
}

interface NameAt {
	readonly namespace: string;
	readonly layer: number;
	readonly id: string;
	readonly memory_key: MemoryKey;
	readonly has_versions: boolean;
}

/** What stands in the stores before a batch, less what the batch has touched. */
interface Targets {
	versions: VersionAt[];
	vectors: VectorAt[];
	blocks: BlockAt[];
	checkpoints: BlockAt[];
	names: NameAt[];
	links: LinkAt[];
	derivations: DerivationAt[];
	/** Live keys of working memory with the hash that holds them. */
	copies: { readonly hash: string; readonly key: MemoryKey }[];
}

export class Corruptor {
	readonly #world: DamagedWorld;
	readonly #random: Random;
	readonly #sql: Sql;
	readonly #redis: Redis;

	constructor(world: DamagedWorld, random: Random) {
		this.#world = world;
		this.#random = random;
		this.#sql = postgres(world.databaseUrl, {
			max: 1,
			types: { bigint: postgres.BigInt },
			connection: { search_path: "recant" },
			onnotice: () => undefined,
		});
		this.#redis = new Redis(redisUrl());
	}

	async close(): Promise<void> {
		this.#redis.disconnect();
		await this.#sql.end();
	}

	/** With the service running: what can be damaged beneath it. */
	async live(count: number): Promise<readonly Damage[]> {
		const targets = await this.#targets(true);
		const damages = [
			...(await this.#some(8, () => this.#copy(targets))),
			...(await this.#some(4, () => this.#flippedBit(targets))),
			...(await this.#some(1, () => this.#pointer())),
			...(this.#random.chance(0.3) ? await this.#some(1, () => this.#recordedRoots()) : []),
		];
		return [...damages, ...(await this.#rows(count - damages.length, targets))];
	}

	/** With the service stopped: LanceDB's rows too, under a pointer that the service will believe. */
	async stopped(count: number): Promise<readonly Damage[]> {
		const targets = await this.#targets(false);
		const damages = await this.#tableRows(20, targets);
		return [...damages, ...(await this.#rows(count - damages.length, targets))];
	}

	/** Entries of the log, which nothing can make again. */
	async log(count: number): Promise<readonly Damage[]> {
		const rows = await this.#sql<{ position: bigint; kind: string }[]>`
			select position, kind from log where chain_id = ${CHAIN_ID}`;
		const chosen = this.#shuffled([...rows]).slice(0, count);
		const damages: Damage[] = [];
		for (const [index, { position }] of chosen.entries()) {
			const at = this.#sql`chain_id = ${CHAIN_ID} and position = ${position}`;
			const how =
				["changed body", "changed height", "changed kind", "deleted"][index % 4] ?? "deleted";
			if (how === "deleted") await this.#sql`delete from log where ${at}`;
			else if (how === "changed body")
				await this.#sql`update log set body = body || ' ' where ${at}`;
			else if (how === "changed height")
				await this.#sql`update log set height = height + 1 where ${at}`;
			else await this.#sql`update log set kind = 'verdict' || kind where ${at}`;
			damages.push(
				damage(`log: ${how}`, position, {
					found: ({ subject }) =>
						subject.table === "log" && subject.position === position.toString(),
					explains: ({ subject }) => subject.table === "log" || subject.table === "versions",
				}),
			);
		}
		return damages;
	}

	/** Visible memories of agents, each damaged together with the entry of the log that wrote it. */
	async unlogged(count: number): Promise<readonly Damage[]> {
		const rows = await this.#sql<{ memory_key: MemoryKey; position: bigint; from_block: bigint }[]>`
			select v.memory_key, v.position, v.from_block from versions v
			join chains c on c.chain_id = v.chain_id
			where v.chain_id = ${CHAIN_ID} and v.to_gen = ${FOREVER} and v.to_block = ${FOREVER}
				and v.content is not null and v.owner = 1 and v.from_block <= c.head_height
				and (select count(*) from versions o where o.chain_id = v.chain_id
					and o.memory_key = v.memory_key) = 1`;
		const damages: Damage[] = [];
		for (const [index, row] of this.#shuffled([...rows])
			.slice(0, count)
			.entries()) {
			const { memory_key: key, position } = row;
			await this.#sql`update log set body = body || ' '
				where chain_id = ${CHAIN_ID} and position = ${position}`;
			const at = this.#sql`chain_id = ${CHAIN_ID} and memory_key = ${key}`;
			if (index % 2 === 0) await this.#sql`delete from versions where ${at}`;
			else await this.#sql`update versions set content = '{"n":-1}' where ${at}`;
			damages.push(
				damage(
					`versions: ${index % 2 === 0 ? "deleted" : "changed content"}, with its log entry`,
					key,
					{
						found: (finding) => finding.subject.table === "versions" && isAbout(finding, key),
						explains: () => true,
					},
				),
			);
		}
		return damages;
	}

	async #rows(count: number, targets: Targets): Promise<readonly Damage[]> {
		const makers = [
			...Array.from({ length: 8 }, () => () => this.#version(targets)),
			...Array.from({ length: 5 }, () => () => this.#vector(targets)),
			...Array.from({ length: 3 }, () => () => this.#name(targets)),
			...Array.from({ length: 2 }, () => () => this.#link(targets)),
			...Array.from({ length: 2 }, () => () => this.#derivation(targets)),
			...Array.from({ length: 2 }, () => () => this.#header(targets)),
			...Array.from({ length: 2 }, () => () => this.#checkpoint(targets)),
		];
		const damages: Damage[] = [];
		// Blocks run out before memories do; then the other kinds fill the batch.
		for (let look = 0; damages.length < count && look < 50 * count; look += 1) {
			const made = await this.#random.oneOf(makers)();
			if (made !== undefined) damages.push(made);
		}
		return damages;
	}

	async #some(count: number, make: () => Promise<Damage | undefined>): Promise<readonly Damage[]> {
		const made: Damage[] = [];
		for (let index = 0; index < count; index += 1) {
			const one = await make();
			if (one !== undefined) made.push(one);
		}
		return made;
	}

	async #version(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.versions);
		if (row === undefined) return undefined;
		const { memory_key: key, from_block, from_gen } = row;
		const at = this.#sql`chain_id = ${CHAIN_ID} and memory_key = ${key}
			and from_block = ${from_block} and from_gen = ${from_gen}`;
		const how = this.#random.oneOf(VERSION_DAMAGES.filter(({ applies }) => applies(row)));
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forget(targets, key);
		return damage(`versions: ${how.name}`, `${key} ${from_block}/${from_gen}`, {
			found: (finding) => finding.subject.table === "versions" && isAbout(finding, key),
			explains: (finding) =>
				isAbout(finding, key) ||
				isOfRoots(finding) ||
				finding.subject.memoryKey === OTHER_KEY ||
				// Whether its vector is to be in LanceDB follows from its generations.
				(finding.subject.store === "lancedb" &&
					finding.subject.versionId === row.version_id.toString()),
		});
	}

	async #vector(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.vectors);
		if (row === undefined) return undefined;
		const { collection, version_id: versionId, memory_key: key } = row;
		const at = this
			.#sql`chain_id = ${CHAIN_ID} and collection = ${collection} and version_id = ${versionId}`;
		const how = this.#random.oneOf(VECTOR_DAMAGES.filter(({ applies }) => applies(row)));
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forget(targets, key);
		const ids = new Set([versionId.toString(), (versionId + 1_000_000n).toString()]);
		return damage(`vector_rows: ${how.name}`, versionId, {
			found: ({ subject }) =>
				subject.table === "vector_rows" &&
				subject.versionId !== undefined &&
				ids.has(subject.versionId),
			explains: ({ subject }) => subject.versionId !== undefined && ids.has(subject.versionId),
		});
	}

	async #name(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.names);
		if (row === undefined) return undefined;
		const { namespace, layer, id, memory_key: key } = row;
		const at = this
			.#sql`chain_id = ${CHAIN_ID} and namespace = ${namespace} and layer = ${layer} and id = ${id}`;
		const how = this.#random.oneOf(NAME_DAMAGES);
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forget(targets, key);
		const extra = memoryKey(namespace, `${id}~`);
		return damage(`memories: ${how.name}`, `${namespace} ${layer} ${id}`, {
			found: (finding) =>
				finding.subject.table === "memories" && (isAbout(finding, key) || isAbout(finding, extra)),
			explains: (finding) => isAbout(finding, key) || isAbout(finding, extra),
		});
	}

	async #link(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.links);
		if (row === undefined) return undefined;
		const { memory_key: key } = row;
		const at = this.#sql`chain_id = ${CHAIN_ID} and link_key = ${key}`;
		const how = this.#random.oneOf(LINK_DAMAGES);
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forget(targets, key);
		const isOfIt = (finding: FindingAnswer) =>
			isAbout(finding, key) || finding.subject.memoryKey === OTHER_LINK;
		return damage(`links: ${how.name}`, key, {
			found: (finding) => finding.subject.table === "links" && isOfIt(finding),
			explains: isOfIt,
		});
	}

	async #derivation(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.derivations);
		if (row === undefined) return undefined;
		const { position, set_no, source_no } = row;
		const at = this.#sql`chain_id = ${CHAIN_ID} and position = ${position}
			and set_no = ${set_no} and source_no = ${source_no}`;
		const how = this.#random.oneOf(DERIVATION_DAMAGES.filter(({ applies }) => applies(row)));
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		targets.derivations = targets.derivations.filter((other) => other.position !== position);
		const positions = new Set([position, position + 1_000_000n].map(String));
		const found = ({ subject }: FindingAnswer) =>
			subject.table === "derivations" && positions.has(subject.position ?? "");
		return damage(`derivations: ${how.name}`, `${position} ${set_no}/${source_no}`, {
			found,
			explains: found,
		});
	}

	async #header(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.blocks);
		if (row === undefined) return undefined;
		const at = this
			.#sql`chain_id = ${CHAIN_ID} and height = ${row.height} and from_gen = ${row.from_gen}`;
		const how = this.#random.oneOf(HEADER_DAMAGES.filter(({ applies }) => applies(row)));
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forgetHeight(targets, row.height);
		return damage(
			`blocks: ${how.name}`,
			`${row.height}/${row.from_gen}`,
			atHeight("blocks", row.height),
		);
	}

	async #checkpoint(targets: Targets): Promise<Damage | undefined> {
		const row = this.#take(targets.checkpoints);
		if (row === undefined) return undefined;
		const at = this
			.#sql`chain_id = ${CHAIN_ID} and height = ${row.height} and from_gen = ${row.from_gen}`;
		const how = this.#random.oneOf(CHECKPOINT_DAMAGES.filter(({ applies }) => applies(row)));
		if (!(await isApplied(how.apply(this.#sql, at, row)))) return undefined;
		this.#forgetHeight(targets, row.height);
		return damage(
			`checkpoints: ${how.name}`,
			`${row.height}/${row.from_gen}`,
			atHeight("checkpoints", row.height),
		);
	}

	/** A pointer that names another table version, or another last version. */
	async #pointer(): Promise<Damage> {
		const name = "default";
		const how = this.#random.oneOf([
			{ set: "table_version - 1", name: "moved back" },
			{ set: "table_version + 1000", name: "moved to no version" },
			{ set: undefined, name: "wrong last version" },
		]);
		const at = this.#sql`chain_id = ${CHAIN_ID} and name = ${name}`;
		if (how.set === undefined) {
			await this
				.#sql`update collections set pointer_version_id = pointer_version_id + 3 where ${at}`;
		} else {
			await this
				.#sql`update collections set table_version = ${this.#sql.unsafe(how.set)} where ${at}`;
		}
		return damage(`collections: ${how.name}`, name, {
			found: ({ class: kind, subject }) => kind === "pointer_broken" && subject.collection === name,
			explains: ({ class: kind, subject }) =>
				kind === "pointer_broken" && subject.collection === name,
		});
	}

	async #recordedRoots(): Promise<Damage> {
		await this
			.#sql`update chains set roots = replace(roots, 'a', 'b') where chain_id = ${CHAIN_ID}`;
		return damage("chains: changed roots", CHAIN_ID, {
			found: ({ subject }) => subject.table === "chains",
			explains: ({ subject }) => subject.table === "chains",
		});
	}

	/** One bit of a vector in LanceDB's own file. */
	async #flippedBit(targets: Targets): Promise<Damage | undefined> {
		const candidates = targets.vectors.filter((row) => row.flushed && row.collection === "given");
		const row = candidates.length === 0 ? undefined : this.#random.oneOf(candidates);
		if (row === undefined) return undefined;
		const { collection, version_id: versionId, memory_key: key } = row;
		const [stored] = await this.#sql<{ vector: Uint8Array; table_name: string }[]>`
			select v.vector, c.table_name from vector_rows v
			join collections c on c.chain_id = v.chain_id and c.name = v.collection
			where v.chain_id = ${CHAIN_ID} and v.collection = ${collection} and v.version_id = ${versionId}
				and not exists (select 1 from vector_rows other where other.chain_id = v.chain_id
					and other.vector = v.vector and other.version_id <> v.version_id)`;
		// Vectors that a patch carried on stand in the file twice.
		if (stored === undefined) return undefined;
		const flipped = flipInFiles(
			join(this.#world.vectorsDir, `${stored.table_name}.lance`, "data"),
			stored.vector,
		);
		this.#forget(targets, key);
		if (!flipped) return undefined;
		return damage("lancedb: flipped bit in the file", versionId, inTable(versionId));
	}

	async #tableRows(count: number, targets: Targets): Promise<readonly Damage[]> {
		const tables = await openLanceTables({ uri: this.#world.vectorsDir });
		const damages: Damage[] = [];
		try {
			for (let index = 0; index < count; index += 1) {
				const flushed = targets.vectors.filter((row) => row.flushed);
				const row = flushed.length === 0 ? undefined : this.#random.oneOf(flushed);
				if (row === undefined) break;
				this.#forget(targets, row.memory_key);
				damages.push(await this.#tableRow(tables, row));
			}
		} finally {
			await tables.close();
		}
		return damages;
	}

	async #tableRow(
		tables: Awaited<ReturnType<typeof openLanceTables>>,
		{ collection, version_id: versionId }: VectorAt,
	): Promise<Damage> {
		const [place] = await this.#sql<{ table_name: string; table_version: bigint }[]>`
			select table_name, table_version from collections
			where chain_id = ${CHAIN_ID} and name = ${collection}`;
		if (place === undefined) throw new Error(`there is no collection ${collection}`);
		const { table_name: table, table_version: base } = place;
		const row = await rowAt(tables, { table, base, versionId });
		const how = this.#random.oneOf(TABLE_DAMAGES);
		const { remove, add } = how.change(row);
		const version =
			remove.length === 0
				? await tables.append(table, base, add)
				: await tables.rewrite(table, base, { remove, add });
		await this.#sql`
			update collections set table_version = ${version}
			where chain_id = ${CHAIN_ID} and name = ${collection}`;
		return damage(`lancedb: ${how.name}`, versionId, inTable(versionId, add[0]?.versionId));
	}

	/** A copy in Redis that says something else, or cannot be read. */
	async #copy(targets: Targets): Promise<Damage | undefined> {
		const copy = this.#take(targets.copies);
		if (copy === undefined) return undefined;
		const text = await this.#redis.hget(copy.hash, copy.key);
		if (text === null) return undefined;
		const cut = this.#random.chance(0.5);
		await this.#redis.hset(
			copy.hash,
			copy.key,
			cut ? text.slice(0, -9) : text.replace(/\d(?=[^\d]*$)/, "x"),
		);
		this.#forget(targets, copy.key);
		return damage(`redis: ${cut ? "cut off" : "changed"}`, copy.key, {
			found: (finding) =>
				finding.class === "working_memory_stale" && finding.subject.memoryKey === copy.key,
			explains: (finding) => finding.subject.memoryKey === copy.key,
		});
	}

	async #targets(hasTree: boolean): Promise<Targets> {
		const sql = this.#sql;
		const chain = CHAIN_ID;
		const versions = await sql<Omit<VersionAt, "missed">[]>`
			select memory_key, from_block, from_gen, to_block, to_gen, version_id, content, text,
				(to_gen = ${FOREVER} and to_block = ${FOREVER} and content is not null) as visible,
				(owner = 1 or not exists (select 1 from log g where g.chain_id = v.chain_id
					and g.kind = 'derived' and (g.body::jsonb -> 'base' ->> 'versionId')::bigint < v.version_id
					and (g.body::jsonb -> 'base' ->> 'versionId')::bigint
						+ (g.body::jsonb ->> 'operations')::bigint >= v.version_id))
				and not exists (select 1 from versions o where o.chain_id = v.chain_id
					and o.memory_key = v.memory_key and o.version_id = v.version_id
					and o.from_gen <> v.from_gen) as logged
			from versions v where chain_id = ${chain}`;
		const vectors = await sql<VectorAt[]>`
			select v.collection, v.version_id, v.memory_key, exists (select 1 from versions s
				where s.chain_id = v.chain_id and s.memory_key = v.memory_key
					and s.version_id = v.version_id) as owed,
				(v.version_id <= c.pointer_version_id and c.table_version > 0 and exists (
					select 1 from versions s where s.chain_id = v.chain_id and s.memory_key = v.memory_key
						and s.version_id = v.version_id and s.to_gen = ${FOREVER})) as flushed
			from vector_rows v join collections c on c.chain_id = v.chain_id and c.name = v.collection
			where v.chain_id = ${chain}`;
		const blocks = await sql<BlockAt[]>`
			select b.height, b.from_gen, b.to_gen, (b.to_gen = ${FOREVER}
				and b.height > c.finalized_height) as window
			from blocks b join chains c on c.chain_id = b.chain_id where b.chain_id = ${chain}
				and b.height < c.head_height and b.height > 0`;
		const checkpoints = await sql<BlockAt[]>`
			select p.height, p.from_gen, p.to_gen, (p.to_gen = ${FOREVER}
				and p.height > c.finalized_height) as window
			from checkpoints p join chains c on c.chain_id = p.chain_id where p.chain_id = ${chain}
				and p.height < c.head_height and ${isKept(sql)}`;
		const names = await sql<NameAt[]>`
			select namespace, layer, id, memory_key, exists (select 1 from versions v
				where v.chain_id = m.chain_id and v.memory_key = m.memory_key and v.layer = m.layer) as has_versions
			from memories m where chain_id = ${chain}`;
		const links = await sql<LinkAt[]>`
			select link_key as memory_key from links l where chain_id = ${chain} and exists (
				select 1 from versions v where v.chain_id = l.chain_id and v.memory_key = l.link_key
					and v.content is not null)`;
		const derivations = await sql<DerivationAt[]>`
			select position, set_no, source_no, exists (select 1 from derivations o
				where o.chain_id = d.chain_id and o.position = d.position
					and (o.set_no, o.source_no) <> (d.set_no, d.source_no)) as several
			from derivations d where chain_id = ${chain}`;
		return {
			links: [...links],
			derivations: [...derivations],
			versions: versions.map((row) => ({ ...row, missed: row.logged || (hasTree && row.visible) })),
			vectors: [...vectors],
			blocks: [...blocks],
			checkpoints: [...checkpoints],
			names: names.filter(({ has_versions }) => has_versions),
			copies: await this.#copies(),
		};
	}

	async #copies(): Promise<Targets["copies"]> {
		const found: Targets["copies"] = [];
		const [row] = await this.#sql<{ id: string }[]>`select id from installation`;
		const mine = `*${(row?.id ?? "").replaceAll("-", "_")}*working-memory*`;
		for (const hash of await this.#redis.keys(mine)) {
			for (const key of await this.#redis.hkeys(hash)) found.push({ hash, key: key as MemoryKey });
		}
		return found;
	}

	#take<Target>(targets: Target[]): Target | undefined {
		if (targets.length === 0) return undefined;
		const index = this.#random.between(0, targets.length - 1);
		return targets.splice(index, 1)[0];
	}

	#forget(targets: Targets, key: MemoryKey): void {
		const other = (row: { readonly memory_key: MemoryKey }) => row.memory_key !== key;
		targets.versions = targets.versions.filter(other);
		targets.vectors = targets.vectors.filter(other);
		targets.names = targets.names.filter(other);
		targets.links = targets.links.filter(other);
		targets.copies = targets.copies.filter((copy) => copy.key !== key);
	}

	#forgetHeight(targets: Targets, height: Height): void {
		const far = (row: BlockAt) =>
			row.height > height + BLOCK_DISTANCE || row.height < height - BLOCK_DISTANCE;
		targets.blocks = targets.blocks.filter(far);
		targets.checkpoints = targets.checkpoints.filter(far);
	}

	#shuffled<Item>(items: Item[]): Item[] {
		for (let index = items.length - 1; index > 0; index -= 1) {
			const other = this.#random.between(0, index);
			[items[index], items[other]] = [items[other] as Item, items[index] as Item];
		}
		return items;
	}
}

/** False: another row stands there already, and nothing was changed. */
async function isApplied(change: Promise<unknown>): Promise<boolean> {
	try {
		await change;
		return true;
	} catch (error) {
		if (error instanceof postgres.PostgresError && error.code === "23505") return false;
		throw error;
	}
}

interface RowDamage<Row> {
	readonly name: string;
	readonly applies: (row: Row) => boolean;
	readonly apply: (
		sql: Sql,
		at: postgres.PendingQuery<postgres.Row[]>,
		row: Row,
	) => Promise<unknown>;
}

const always = () => true;

/** `set` is SQL of this file alone. */
function change<Row>(
	table: string,
	name: string,
	set: string,
	applies: (row: Row) => boolean = always,
): RowDamage<Row> {
	return {
		name,
		applies,
		apply: (sql, at) => sql`update ${sql(table)} set ${sql.unsafe(set)} where ${at}`,
	};
}

function removal<Row>(table: string, applies: (row: Row) => boolean): RowDamage<Row> {
	return {
		name: "deleted",
		applies,
		apply: (sql, at) => sql`delete from ${sql(table)} where ${at}`,
	};
}

const FLIP = (column: string) => `${column} = set_byte(${column}, 3, get_byte(${column}, 3) # 16)`;

const VERSION_DAMAGES: readonly RowDamage<VersionAt>[] = [
	change("versions", "changed content", `content = '{"n":-1}'`, ({ content }) => content !== null),
	change(
		"versions",
		"cut content",
		"content = left(content, 5)",
		({ content }) => content !== null,
	),
	change("versions", "changed text", "text = text || '.'", ({ text }) => text !== null),
	change("versions", "changed importance", "importance = 0.125"),
	change("versions", "changed confidence", "confidence = 0.0625"),
	change("versions", "other namespace", "namespace = namespace || 'x'"),
	change("versions", "other id", "id = id || 'x'"),
	change("versions", "other layer", "layer = (layer + 1) % 4"),
	change("versions", "unknown layer", "layer = 9"),
	change("versions", "other owner", "owner = 1 - owner"),
	change("versions", "other collection", "collection = coalesce(collection, '') || 'x'"),
	change("versions", "other vector hash", "vector_hash = decode(repeat('ab', 32), 'hex')"),
	change("versions", "other version id", "version_id = version_id + 100000"),
	change("versions", "other position", "position = position - 1"),
	change("versions", "other expiry", "expires_block = coalesce(expires_block, from_block) + 7"),
	change("versions", "other expiry by time", "expires_time = coalesce(expires_time, 0) + 7"),
	change("versions", "other suspicion", "suspect = not suspect"),
	change("versions", "other grounds", "grounds_block = coalesce(grounds_block, from_block) + 7"),
	change("versions", "flipped bit of the content hash", FLIP("content_hash")),
	change("versions", "flipped bit of the checksum", FLIP("checksum")),
	change(
		"versions",
		"other first block",
		"from_block = from_block - 1",
		({ from_block }) => from_block > 0n,
	),
	change("versions", "other first generation", "from_gen = from_gen + 50"),
	change(
		"versions",
		"shorter in heights",
		"to_block = from_block + 1",
		({ to_block, from_block }) => to_block !== from_block + 1n,
	),
	change(
		"versions",
		"longer in heights",
		`to_block = ${FOREVER}`,
		({ to_block }) => to_block !== FOREVER,
	),
	change(
		"versions",
		"ended generation",
		"to_gen = from_gen + 1",
		({ to_gen, from_gen }) => to_gen !== from_gen + 1n,
	),
	change(
		"versions",
		"reopened generation",
		`to_gen = ${FOREVER}`,
		({ to_gen }) => to_gen !== FOREVER,
	),
	change("versions", "another memory's key", `memory_key = '${OTHER_KEY}'`, ({ missed }) => missed),
	removal("versions", ({ missed }) => missed),
	{
		name: "duplicated",
		applies: ({ from_block }) => from_block > 1n,
		apply: (sql, at) => sql`
			insert into versions select (jsonb_populate_record(v, jsonb_build_object('from_block', v.from_block - 1))).*
			from versions v where ${at}`,
	},
];

const VECTOR_DAMAGES: readonly RowDamage<VectorAt>[] = [
	change("vector_rows", "flipped bit", FLIP("vector")),
	change("vector_rows", "cut vector", "vector = substring(vector from 1 for 8)"),
	change("vector_rows", "other namespace", "namespace = namespace || 'x'"),
	change("vector_rows", "other layer", "layer = (layer + 1) % 4"),
	change("vector_rows", "other block", "from_block = from_block + 1"),
	change("vector_rows", "another memory's key", `memory_key = '${OTHER_KEY}'`),
	change("vector_rows", "flipped bit of the checksum", FLIP("checksum")),
	change("vector_rows", "other version", "version_id = version_id + 1000000", ({ owed }) => owed),
	removal("vector_rows", ({ owed }) => owed),
	{
		name: "duplicated",
		applies: always,
		apply: (sql, at) => sql`
			insert into vector_rows select (jsonb_populate_record(v, jsonb_build_object('version_id', v.version_id + 1000000))).*
			from vector_rows v where ${at}`,
	},
];

const NAME_DAMAGES: readonly RowDamage<NameAt>[] = [
	change("memories", "another memory's key", `memory_key = '${OTHER_KEY}'`),
	change("memories", "other id", "id = id || '~'"),
	change("memories", "other layer", "layer = layer + 4"),
	removal("memories", always),
	{
		name: "duplicated",
		applies: always,
		apply: (sql, at) => sql`
			insert into memories select (jsonb_populate_record(m, jsonb_build_object('id', m.id || '~'))).*
			from memories m where ${at}`,
	},
];

const LINK_DAMAGES: readonly RowDamage<LinkAt>[] = [
	change("links", "other source", `from_key = '${OTHER_KEY}'`),
	change("links", "other target", "to_key = from_key"),
	change("links", "other type", "type = type || 'x'"),
	change("links", "other namespace", "namespace = namespace || 'x'"),
	change("links", "another link's key", `link_key = '${OTHER_LINK}'`),
	removal("links", always),
	{
		name: "duplicated",
		applies: always,
		apply: (sql, at) => sql`
			insert into links select (jsonb_populate_record(l, ${JSON.stringify({ link_key: OTHER_LINK })}::text::jsonb)).*
			from links l where ${at}`,
	},
];

const DERIVATION_DAMAGES: readonly RowDamage<DerivationAt>[] = [
	change("derivations", "other content", "source_hash = sha256(source_hash)"),
	change("derivations", "other source", "source_id = source_id || 'x'"),
	change("derivations", "other source namespace", "source_namespace = source_namespace || 'x'"),
	change("derivations", "another source's key", `source_key = '${OTHER_KEY}'`),
	change("derivations", "another memory's key", `memory_key = '${OTHER_KEY}'`),
	change("derivations", "other depth", "depth = depth + 1", ({ several }) => several),
	change("derivations", "other position", "position = position + 1000000"),
	change("derivations", "other set", "set_no = set_no + 50"),
	removal("derivations", always),
	{
		name: "duplicated",
		applies: always,
		apply: (sql, at) => sql`
			insert into derivations select (jsonb_populate_record(d, jsonb_build_object('source_no', d.source_no + 50))).*
			from derivations d where ${at}`,
	},
];

const HEADER_DAMAGES: readonly RowDamage<BlockAt>[] = [
	change("blocks", "other hash", "hash = '0x' || repeat('ab', 32)"),
	change("blocks", "other parent", "parent_hash = '0x' || repeat('cd', 32)"),
	change("blocks", "other time", "timestamp = timestamp + 1"),
	change("blocks", "ended", "to_gen = from_gen + 40"),
	change("blocks", "reopened", `to_gen = ${FOREVER}`, ({ to_gen }) => to_gen !== FOREVER),
	change("blocks", "other generation", "from_gen = from_gen + 60", ({ window }) => window),
	change("blocks", "flipped bit of the checksum", FLIP("checksum")),
	removal("blocks", ({ window }) => window),
];

const CHECKPOINT_DAMAGES: readonly RowDamage<BlockAt>[] = [
	change("checkpoints", "other block", "block_hash = '0x' || repeat('ab', 32)"),
	change("checkpoints", "other log position", "log_position = log_position - 1"),
	change("checkpoints", "other version id", "version_id = version_id + 1"),
	change("checkpoints", "other roots", "roots = replace(roots, '0', '1')"),
	change("checkpoints", "unreadable roots", "roots = left(roots, 40)"),
	change("checkpoints", "other pointers", "pointers = replace(pointers, '1', '2')"),
	change("checkpoints", "ended", "to_gen = from_gen + 40"),
	change("checkpoints", "other generation", "from_gen = from_gen + 60", ({ window }) => window),
	change("checkpoints", "flipped bit of the checksum", FLIP("checksum")),
	removal("checkpoints", ({ window }) => window),
];

const TABLE_DAMAGES: readonly {
	readonly name: string;
	readonly change: (row: VectorRow) => {
		readonly remove: readonly bigint[];
		readonly add: readonly VectorRow[];
	};
}[] = [
	{ name: "deleted", change: ({ versionId }) => ({ remove: [versionId], add: [] }) },
	{ name: "duplicated", change: (row) => ({ remove: [], add: [row] }) },
	{
		name: "changed vector",
		change: (row) => replaced(row, { vector: row.vector.map((value) => value + 0.5) }),
	},
	{ name: "other namespace", change: (row) => replaced(row, { namespace: `${row.namespace}x` }) },
	{ name: "other block", change: (row) => replaced(row, { fromBlock: row.fromBlock + 1n }) },
	{
		name: "other version",
		change: (row) => replaced(row, { versionId: row.versionId + 1_000_000n }),
	},
	{
		name: "extra",
		change: (row) => ({ remove: [], add: [{ ...row, versionId: row.versionId + 1_000_000n }] }),
	},
];

function replaced(row: VectorRow, by: Partial<VectorRow>) {
	return { remove: [row.versionId], add: [{ ...row, ...by }] };
}

async function rowAt(
	tables: Awaited<ReturnType<typeof openLanceTables>>,
	at: { readonly table: string; readonly base: bigint; readonly versionId: bigint },
): Promise<VectorRow> {
	for await (const page of tables.rows(at.table, at.base)) {
		const row = page.find(({ versionId }) => versionId === at.versionId);
		if (row !== undefined) return row;
	}
	throw new Error(`version ${at.versionId} is not in ${at.table}`);
}

/** Wherever they stand: rows that were deleted keep their bytes. False: they stand nowhere in one piece. */
function flipInFiles(directory: string, bytes: Uint8Array): boolean {
	let flipped = false;
	for (const name of readdirSync(directory)) {
		const file = join(directory, name);
		const content = readFileSync(file);
		let at = content.indexOf(bytes);
		if (at < 0) continue;
		for (; at >= 0; at = content.indexOf(bytes, at)) {
			// A bit of the mantissa: the value stays a number, and is another one.
			content[at + 5] = (content[at + 5] ?? 0) ^ 16;
		}
		writeFileSync(file, content);
		flipped = true;
	}
	return flipped;
}

function damage(
	kind: string,
	where: unknown,
	about: { readonly found: Damage["isFoundBy"]; readonly explains: Damage["explains"] },
): Damage {
	return { kind, where: String(where), isFoundBy: about.found, explains: about.explains };
}

function inTable(...ids: readonly (bigint | undefined)[]) {
	const names = new Set(ids.flatMap((id) => (id === undefined ? [] : [id.toString()])));
	const found = ({ subject }: FindingAnswer) =>
		subject.store === "lancedb" && subject.versionId !== undefined && names.has(subject.versionId);
	return { found, explains: found };
}

function atHeight(table: "blocks" | "checkpoints", height: bigint) {
	const heights = new Set([height, height + 1n].map(String));
	return {
		found: ({ subject }: FindingAnswer) =>
			(subject.table === table || (table === "checkpoints" && subject.table === "blocks")) &&
			subject.fromBlock === height.toString(),
		// A child is judged by its parent, a checkpoint by its block and by the one before it.
		explains: ({ subject }: FindingAnswer) =>
			(subject.table === "blocks" || subject.table === "checkpoints") &&
			subject.fromBlock !== undefined &&
			heights.has(subject.fromBlock),
	};
}

function isAbout({ subject }: FindingAnswer, key: MemoryKey): boolean {
	const { memoryKey: stored, namespace, id } = subject;
	const named = namespace === undefined || id === undefined ? undefined : memoryKey(namespace, id);
	return stored === key || named === key;
}

/** Of the state as a whole: any damaged version may be why. */
function isOfRoots({ class: kind }: FindingAnswer): boolean {
	return kind === "root_differs" || kind === "count_differs" || kind === "watermark_wrong";
}
