/** Stores in memory, for runs by the thousand. */
import type { EmbeddingStore, KeptEmbedding } from "../../src/vectors/embedding-store.ts";
import { fakeRunReads } from "./fake-run-reads.ts";
import { FakePostgres } from "./fakes/fake-postgres.ts";
import { FakeQueueServer } from "./fakes/fake-queue-server.ts";
import { FakeTables } from "./fakes/fake-tables.ts";
import { Invariants } from "./invariants.ts";
import { keepingCutLog } from "./kept-log.ts";
import { MemoryArchive } from "./memory-archive.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";
import type { RunParts } from "./simulation.ts";
import type { StandingChain, Stores } from "./stores.ts";
import type { FreshStores } from "./straight-run.ts";

/** Without snapshots. */
export async function openFakeStores(parts: RunParts): Promise<Stores> {
	return openStores(parts, false);
}

/** With snapshots, in an archive in memory. */
export async function openSnapshotStores(parts: RunParts): Promise<Stores> {
	return openStores(parts, true);
}

async function openStores(parts: RunParts, hasSnapshots: boolean): Promise<Stores> {
	const { wallMs, spec, isGone, random } = parts;
	const postgres = new FakePostgres({ now: wallMs });
	// With the least window, as before its file said another: whoever opens the chain resizes it.
	postgres.registerChain({ ...spec, windowBlocks: undefined }, isGone);
	const tables = new FakeTables({ now: wallMs });
	const queue = openQueue(parts);
	const invariants = new Invariants(postgres, random);
	const reads = keepingCutLog(
		fakeRunReads(postgres, (table, version) => tables.rowsAt(table, version)),
	);
	return {
		ports: {
			writer: postgres.writerStore(isGone),
			flush: postgres.flushStore(),
			retention: postgres.retentionStore(),
			logCutter: {
				cutLog: async (...asked) => {
					await reads.look();
					return postgres.logCutter().cutLog(...asked);
				},
			},
			rollback: postgres.rollbackStore(isGone),
			tasks: postgres.taskStore(),
			outbox: postgres.outbox(),
			inbox: postgres.inboxStore(),
			shadows: postgres.shadowStore(),
			embeddings: new FakeEmbeddings(),
			logReader: postgres.logReader(),
			restoredStates: postgres.restoredStates(),
			tables: (now) => tables.by(now),
			snapshots: hasSnapshots ? snapshotPorts(postgres) : undefined,
		},
		call: async (_store, invoke) => invoke(),
		...queue,
		reads,
		standing: async () => standing(postgres),
		look: async () => invariants.look(),
		openFresh: async () => openFresh(parts),
		close: async () => undefined,
	};
}

function snapshotPorts(postgres: FakePostgres): Stores["ports"]["snapshots"] {
	return {
		store: postgres.snapshotStore(),
		reader: postgres.snapshotReader(),
		archive: new MemoryArchive(),
		imports: postgres.importStore(),
	};
}

/** Vectors by model and hash. */
class FakeEmbeddings implements EmbeddingStore {
	readonly #kept = new Map<string, Float32Array>();

	async find(model: string, hashes: readonly string[]) {
		const found = hashes.flatMap((hash) => {
			const vector = this.#kept.get(`${model}/${hash}`);
			return vector === undefined ? [] : [[hash, vector] as const];
		});
		return new Map(found);
	}

	async keep(model: string, embeddings: readonly KeptEmbedding[]): Promise<void> {
		for (const { hash, vector } of embeddings) {
			const key = `${model}/${hash}`;
			if (!this.#kept.has(key)) this.#kept.set(key, Float32Array.from(vector));
		}
	}
}

/** The queue's server is simulated in every run. */
export function openQueue({
	time,
	random,
}: RunParts): Pick<Stores, "flushQueue" | "queue" | "queueHears"> {
	const server = new FakeQueueServer({
		in: (ms, work) => time.in(ms, work),
		random: () => random.next(),
		duplicates: () => random.chance(0.05),
		reorders: () => random.chance(0.1),
	});
	return {
		queue: (process) => server.queue(process),
		queueHears: (process, what) => {
			if (what === "is gone") server.kill(process);
			else if (what === "is stopped") server.stop(process);
			else server.goOn(process);
		},
		flushQueue: () => server.flush(),
	};
}

function openFresh({ wallMs, spec }: RunParts): FreshStores {
	const postgres = new FakePostgres({ now: wallMs });
	postgres.registerChain({ ...spec, windowBlocks: undefined });
	return {
		writer: postgres.writerStore(),
		inbox: postgres.inboxStore(),
		reads: fakeRunReads(postgres, () => []),
		close: async () => undefined,
	};
}

function standing({ read }: FakePostgres): StandingChain {
	const chain = read.chain(SIM_CHAIN_ID);
	const head = read
		.branch(SIM_CHAIN_ID, chain.generation)
		.find(({ number }) => number === chain.headHeight);
	return {
		generation: chain.generation,
		fence: chain.fence,
		logPosition: chain.logPosition,
		head: head && { height: head.number, hash: head.hash },
		halt: chain.halt?.message,
		leaseHolder: chain.leaseHolder,
		inbox: read.inbox(SIM_CHAIN_ID).length,
		outbox: read.outbox().filter(({ topic }) => topic === "rollback").length,
		rollbacks: read.rollbacks(SIM_CHAIN_ID).toReversed(),
	};
}
