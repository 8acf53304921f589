/** What the start of a chain's writer costs by the size of its memory: leaves read, tree built, roots compared. */
import { join } from "node:path";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { ToolError } from "../scripts/support/tool-error.ts";
import { StateTree } from "../src/commitment/state-tree.ts";
import { openLayers } from "../src/composition/open-layers.ts";
import { FOREVER } from "../src/domain/ids.ts";
import { toJson } from "../src/store/codec.ts";
import type { Database } from "../src/store/database.ts";
import { registerChain } from "../src/store/registry.ts";
import { PostgresInboxStore } from "../src/store/writing/postgres-inbox-store.ts";
import { PostgresWriterStore } from "../src/store/writing/postgres-writer-store.ts";
import { createHashingEmbedder } from "../src/vectors/hashing-embedder.ts";
import { ChainWriter } from "../src/writer/chain-writer.ts";
import { CollectionChecks } from "../src/writer/collection-checks.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { figure, type Table } from "./figures.ts";
import type { Section } from "./section.ts";
import { RIG_CHAIN, SILENT } from "./writer-rig.ts";

const HEAD = 10n;
const LEASE_MS = 600_000;

export const startSection: Section = {
	name: "start",
	title: "the start of a chain's writer, by the size of the memory",
	run: async ({ quick, say }) => {
		const sizes = quick ? [10_000] : [10_000, 100_000, 1_000_000];
		const repetitions = quick ? 2 : 5;
		const rows = [];
		for (const memories of sizes) {
			say(`${memories} memories in an embedded Postgres, started ${repetitions} times`);
			rows.push(await startsAt(memories, repetitions));
		}
		const table: Table = {
			title: "From the lease to a writer that commits",
			rows,
			notes: [
				"Leaves read in pages from Postgres, tree built, its roots equal to the recorded ones.",
				"Memory is what the process has more after the start than before it.",
			],
		};
		return { settings: { repetitions }, tables: [table] };
	},
};

async function startsAt(memories: number, repetitions: number) {
	const dir = makeServerDir("bench-start");
	const { database, stop } = await startEmbeddedDatabase(join(dir.path, "postgres"));
	try {
		const store = new PostgresWriterStore(database, () => false);
		await populate(database, store, memories);
		const read: number[] = [];
		const whole: number[] = [];
		const before = process.memoryUsage.rss();
		for (let round = 0; round < repetitions; round += 1) {
			read.push(await readAlone(store));
			whole.push(await startOnce(database, store));
		}
		const grown = process.memoryUsage.rss() - before;
		return {
			memories,
			"leaves read": figure("ms", read),
			"whole start": figure("ms", whole),
			memory: `${Math.round(grown / 1_048_576)} MiB`,
		};
	} finally {
		await stop();
		dir.remove();
	}
}

/** Rows as the writer leaves them; hashes are made up, since a start takes them as they are. */
async function populate(
	database: Database,
	store: PostgresWriterStore,
	memories: number,
): Promise<void> {
	const chain = { id: RIG_CHAIN, name: "bench", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, chain, { isGone: () => false, log: SILENT });
	await database.transaction(async (tx) => {
		await tx`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
				version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
			select ${RIG_CHAIN}, md5(n::text)::uuid, 1, 0, ${FOREVER}, ${FOREVER}, n, n, 3, 0, 'bench',
				'memory-' || n, '{"balance":"' || n || '","transfers":"7"}',
				sha256(n::text::bytea), substr(sha256(n::text::bytea), 1, 8)
			from generate_series(1, ${memories}) n`;
		await tx`insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp,
				checksum)
			values (${RIG_CHAIN}, ${HEAD}, 0, ${FOREVER}, ${`0x${"11".repeat(32)}`},
				${`0x${"10".repeat(32)}`}, 0, '\\x00')`;
		await tx`update chains set head_height = ${HEAD}, version_seq = ${memories},
			log_position = ${memories} where chain_id = ${RIG_CHAIN}`;
	});
	await database.run((sql) => sql`vacuum analyze versions`);
	const tree = await treeOf(store);
	await database.run(
		(sql) => sql`update chains set roots = ${toJson(tree.roots())} where chain_id = ${RIG_CHAIN}`,
	);
}

async function readAlone(store: PostgresWriterStore): Promise<number> {
	const start = performance.now();
	let bytes = 0;
	for await (const page of store.leaves(RIG_CHAIN)) bytes += page.bytes.length;
	if (bytes === 0)
		throw new ToolError("measurement_failed", {
			message: "no leaves were read",
			hint: "the rows that the benchmark wrote are not what a start reads",
		});
	return performance.now() - start;
}

async function startOnce(database: Database, store: PostgresWriterStore): Promise<number> {
	const embedder = createHashingEmbedder();
	const inbox = new PostgresInboxStore(database);
	const layers = openLayers([], { database, log: SILENT });
	const start = performance.now();
	const lease = await store.acquireLease(RIG_CHAIN, "bench", LEASE_MS);
	const writer = await ChainWriter.open({
		chainId: RIG_CHAIN,
		fence: "fence" in lease ? lease.fence : 0n,
		store,
		embedder,
		collections: new CollectionChecks(RIG_CHAIN, inbox, embedder),
		settings: layers.writerSettings(RIG_CHAIN),
		consolidator: layers.consolidator,
		log: SILENT,
		vectors: { room: async () => undefined, added: () => undefined },
		onCommit: () => undefined,
		onLeaseLost: () => undefined,
	});
	const tookMs = performance.now() - start;
	if (writer.halted !== undefined)
		throw new ToolError("measurement_failed", {
			message: writer.halted.message,
			hint: writer.halted.hint,
		});
	return tookMs;
}

async function treeOf(store: PostgresWriterStore): Promise<StateTree> {
	const tree = new StateTree();
	for await (const { layer, bytes } of store.leaves(RIG_CHAIN)) tree.addPacked(layer, bytes);
	return tree;
}
