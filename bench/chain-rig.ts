/**
 * A chain's whole process beside a ledger node, with every port watched: which calls a block or a
 * rollback makes, and how long each takes. Without HTTP and queue, which have no part in either.
 */
import { join } from "node:path";
import type { Hex } from "viem";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { openLayers } from "../src/composition/open-layers.ts";
import { LIMITS } from "../src/domain/limits.ts";
import { ChainProcess } from "../src/follower/chain-process.ts";
import { Restorer } from "../src/restore/restorer.ts";
import { RollbackCoordinator } from "../src/rollback/coordinator.ts";
import { createChainSource } from "../src/rpc/chain-source.ts";
import { registerChain } from "../src/store/registry.ts";
import { PostgresLogReader } from "../src/store/restoring/postgres-log-reader.ts";
import { PostgresRestoredStates } from "../src/store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "../src/store/restoring/postgres-shadow-store.ts";
import { PostgresFlushStore } from "../src/store/writing/postgres-flush-store.ts";
import { PostgresInboxStore } from "../src/store/writing/postgres-inbox-store.ts";
import { PostgresRetention } from "../src/store/writing/postgres-retention.ts";
import { PostgresRollbackStore } from "../src/store/writing/postgres-rollback-store.ts";
import { PostgresWriterStore } from "../src/store/writing/postgres-writer-store.ts";
import { createHashingEmbedder } from "../src/vectors/hashing-embedder.ts";
import { openLanceTables } from "../src/vectors/lance-tables.ts";
import { CollectionChecks } from "../src/writer/collection-checks.ts";
import { ledgerChain } from "./bench-service.ts";
import { type Call, CallLog } from "./call-log.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { type Floors, measureFloors } from "./floors.ts";
import { type LedgerNode, startLedgerNode } from "./ledger-node.ts";
import { NodeGate } from "./node-gate.ts";
import { SILENT } from "./writer-rig.ts";

const POLL_INTERVAL_MS = 20;

/** What one block or rollback did, from the first request that could see it. */
export interface Profile {
	readonly fromMs: number;
	/** When the writer told of the commit. */
	readonly toMs: number;
	readonly calls: readonly Call[];
}

export interface ChainRig {
	readonly node: LedgerNode;
	/** Profiles what `change` brings about: it runs behind the shut gate and answers the new head. */
	profile(change: () => Promise<Hex>): Promise<Profile>;
	/** What the same node and Postgres take for the least that a block and a fork of `depth` need. */
	floors(depth: number, repetitions: number): Promise<Floors>;
	stop(): Promise<void>;
}

export async function startChainRig(): Promise<ChainRig> {
	const dir = makeServerDir("bench-chain");
	const node = await startLedgerNode();
	const gate = new NodeGate(node.rpcUrl);
	const { database, stop } = await startEmbeddedDatabase(join(dir.path, "postgres"));
	const tables = await openLanceTables({ uri: join(dir.path, "lancedb") });
	const calls = new CallLog();
	const spec = ledgerChain(gate.url, POLL_INTERVAL_MS);
	const isGone = () => false;
	await registerChain(database, spec, { isGone, log: SILENT });
	const source = createChainSource({ ...spec.rpc, log: SILENT });
	const embedder = calls.watch("embedder", createHashingEmbedder());
	const writerStore = calls.watch("writerStore", new PostgresWriterStore(database, isGone));
	const rollbackStore = calls.watch("rollbackStore", new PostgresRollbackStore(database, isGone));
	const collections = new CollectionChecks(spec.id, new PostgresInboxStore(database), embedder);
	const layers = openLayers([spec], { database, log: SILENT });
	let committedMs = 0;
	const chain = new ChainProcess({
		spec,
		source: calls.watch("node", source),
		holder: "bench",
		writerStore,
		flushStore: new PostgresFlushStore(database),
		retentionStore: new PostgresRetention(database),
		coordinator: new RollbackCoordinator({
			store: rollbackStore,
			writerStore,
			restorer: new Restorer({
				shadows: new PostgresShadowStore(database),
				log: new PostgresLogReader(database),
				snapshots: undefined,
			}),
			states: new PostgresRestoredStates(database),
			changesLimit: LIMITS.rollbackChanges,
			embedder,
			collections: () => collections,
			settings: layers.writerSettings,
			consolidator: layers.consolidator,
			holder: "bench",
			log: SILENT,
			beforeStage: async () => undefined,
			onProgress: () => undefined,
		}),
		embedder,
		tables,
		collections,
		settings: layers.writerSettings(spec.id),
		consolidator: layers.consolidator,
		log: SILENT,
		inlineRollbacks: true,
		flushRows: LIMITS.tailFlushRows,
		onCommit: () => {
			committedMs = performance.now();
		},
	});
	chain.start();
	const reached = async (hash: Hex) => {
		while (chain.writer?.state.head?.hash !== hash) await pause(1);
	};
	await reached(await node.head());
	return {
		node,
		profile: async (change) => {
			await pause(4 * POLL_INTERVAL_MS);
			await gate.shut();
			const hash = await change();
			calls.take();
			gate.open();
			await reached(hash);
			const toMs = committedMs;
			return { fromMs: gate.firstAfterOpening, toMs, calls: calls.take() };
		},
		floors: (depth, repetitions) =>
			measureFloors({ rpcUrl: node.rpcUrl, databaseUrl: database.url }, { depth, repetitions }),
		stop: async () => {
			gate.open();
			await chain.stop();
			await source.close();
			await tables.close();
			await stop();
			await node.stop();
			dir.remove();
		},
	};
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
