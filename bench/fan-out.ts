/**
 * A rollback of many changes over several collections, by one, two and four processes: time by stage and
 * memory. With the embedder that is built in, and with one that takes as long as a remote one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type StartedProcess, startProcess } from "../scripts/support/child-process.ts";
import { endWithThisProcess } from "../scripts/support/process-guard.ts";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { readEnvironment } from "../src/config/environment.ts";
import type { Hex } from "../src/domain/ids.ts";
import { startRecant } from "../src/main.ts";
import { startEmbeddedPostgres } from "../src/store/embedded/postgres.ts";
import { CommitWatch } from "./commit-watch.ts";
import type { FanOutWorker } from "./fan-out-worker.ts";
import { type Figure, figure, median, type Row, type Table } from "./figures.ts";
import { type LedgerNode, startLedgerNode, TRANSFERS_PER_BLOCK } from "./ledger-node.ts";
import { type ManyMemories, manyMemoriesChain } from "./many-memories-chain.ts";
import { watchMemory } from "./memory-watch.ts";
import { NodeGate } from "./node-gate.ts";
import type { Section, SectionContext } from "./section.ts";

const CHAIN = "anvil";
const POLL_INTERVAL_MS = 50;
const DEPTH = 20;
const COLLECTIONS = 8;
const DIMENSIONS = 384;
/** Of a request of at most 32 texts. */
const REQUEST_MS = 20;
/** The one that leads, and those beside it. Back again, so that what drifts meets all alike. */
const PROCESSES = [1, 2, 4, 4, 2, 1];
const STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
const LOOK_MS = 10;
/** LanceDB takes the rows of the rollback before the next begins. */
const REST_MS = 2_000;
const READY_MS = 60_000;
const BYTES_PER_KIB = 1_024;

interface Sample {
	readonly wholeMs: number;
	readonly stageMs: Readonly<Record<string, number>>;
	readonly leaderBytes: number;
	/** The largest of the others; undefined: there is none. */
	readonly helperBytes: number | undefined;
}

type Samples = ReadonlyMap<number, Sample[]>;

export const fanOutSection: Section = {
	name: "fan-out",
	title: `a rollback of many changes over ${COLLECTIONS} collections, by one and several processes`,
	run: async (context) => {
		const memories = context.quick ? 2_000 : 10_000;
		const repetitions = context.quick ? 1 : 3;
		const built = await measured({ memories, repetitions, endpoint: undefined }, context);
		const endpoint = await startEndpoint();
		try {
			const remote = await measured(
				{ memories, repetitions, endpoint: endpoint.ready[1] ?? "" },
				context,
			);
			return {
				settings: {
					"memories changed": memories,
					collections: COLLECTIONS,
					depth: DEPTH,
					"endpoint's ms a request of 32 texts": REQUEST_MS,
				},
				tables: [
					tableOf(`Embedder that is built in, ${memories} changes`, built),
					tableOf(`Endpoint of ${REQUEST_MS} ms a request, ${memories} changes`, remote),
				],
			};
		} finally {
			await endpoint.stop();
		}
	},
};

function startEndpoint(): Promise<StartedProcess> {
	return startProcess({
		name: "the embedding endpoint",
		command: process.execPath,
		args: [fileURLToPath(new URL("embedding-server.ts", import.meta.url)), `${REQUEST_MS}`],
		readyPattern: /listening (\S+)/,
	});
}

interface Setup {
	readonly memories: number;
	readonly repetitions: number;
	/** Base URL; undefined: the embedder that is built in. */
	readonly endpoint: string | undefined;
}

/** One installation, and as many processes on it as are to be measured. */
async function measured(setup: Setup, { say }: SectionContext): Promise<Samples> {
	const dir = makeServerDir("bench-fan-out");
	const server = await startEmbeddedPostgres({ dataDir: join(dir.path, "postgres") });
	const unlist = endWithThisProcess(server.pid);
	const node = await startLedgerNode();
	const gate = new NodeGate(node.rpcUrl);
	const chain: ManyMemories = {
		rpcUrl: gate.url,
		token: node.token,
		pollIntervalMs: POLL_INTERVAL_MS,
		memoriesEach: Math.ceil(setup.memories / (DEPTH * TRANSFERS_PER_BLOCK)),
		collections: COLLECTIONS,
	};
	const environment = (name: string) => ({
		RECANT_DATA_DIR: join(dir.path, name),
		LANCEDB_URI: join(dir.path, "lancedb"),
		DATABASE_URL: server.url,
		RECANT_PORT: "0",
		RECANT_LOG_LEVEL: "error",
		...embedderOf(setup.endpoint),
	});
	const running = await startRecant({
		environment: readEnvironment(environment("leader")),
		chains: [manyMemoriesChain(chain)],
	});
	const watch = new CommitWatch(running.service, CHAIN);
	const helpers: StartedProcess[] = [];
	const isAt = async (hash: Hex) => (await running.service.chain(CHAIN)).head?.hash === hash;
	try {
		say(`${setup.memories} memories, ${setup.endpoint === undefined ? "built in" : "endpoint"}`);
		const head = await node.mine(DEPTH + 1);
		while (!(await isAt(head))) await pause(LOOK_MS);
		await pause(REST_MS);
		const samples = new Map<number, Sample[]>();
		await rolledBack({ node, gate, watch, helpers });
		for (const processes of PROCESSES) {
			while (helpers.length > processes - 1) await helpers.pop()?.stop();
			while (helpers.length < processes - 1) {
				const name = `helper${helpers.length}`;
				helpers.push(
					await startHelper({
						environment: { ...environment(name), RECANT_ROLE: "worker" },
						chain: { ...chain, rpcUrl: node.rpcUrl },
					}),
				);
			}
			say(`${processes} processes`);
			for (let round = 0; round < setup.repetitions; round += 1) {
				const sample = await rolledBack({ node, gate, watch, helpers });
				samples.set(processes, [...(samples.get(processes) ?? []), sample]);
			}
		}
		return samples;
	} finally {
		gate.open();
		for (const helper of helpers) await helper.stop();
		await watch.stop();
		await running.stop();
		await node.stop();
		await server.stop();
		unlist();
		dir.remove();
	}
}

function embedderOf(endpoint: string | undefined): Readonly<Record<string, string>> {
	if (endpoint === undefined) return {};
	return {
		EMBEDDER: endpoint,
		EMBEDDER_MODEL: "bench",
		EMBEDDER_DIMENSIONS: `${DIMENSIONS}`,
	};
}

function startHelper(worker: FanOutWorker): Promise<StartedProcess> {
	return startProcess({
		name: "a helper",
		command: process.execPath,
		args: [fileURLToPath(new URL("fan-out-worker.ts", import.meta.url)), JSON.stringify(worker)],
		readyPattern: /ready/,
		readyTimeoutMs: READY_MS,
	});
}

/** Time counts from the request that sees the whole branch, to an event client hearing of the commit. */
async function rolledBack(of: {
	readonly node: LedgerNode;
	readonly gate: NodeGate;
	readonly watch: CommitWatch;
	readonly helpers: readonly StartedProcess[];
}): Promise<Sample> {
	const { node, gate, watch, helpers } = of;
	await gate.shut();
	const fork = await node.readyFork(DEPTH);
	const head = await fork();
	const { result: atMs, grownBytes } = await watchMemory(async () => {
		gate.open();
		return (await watch.committed(head)).atMs;
	});
	const wholeMs = atMs - gate.firstAfterOpening;
	const leaderBytes = process.memoryUsage.rss();
	const helperBytes = helpers.map(({ pid }) => mostResidentBytes(pid));
	await pause(REST_MS);
	return {
		wholeMs,
		stageMs: watch.stageMs,
		leaderBytes: Math.max(leaderBytes, grownBytes),
		helperBytes: helpers.length === 0 ? undefined : Math.max(...helperBytes),
	};
}

/** Since its start. */
function mostResidentBytes(pid: number): number {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * BYTES_PER_KIB;
}

function tableOf(title: string, samples: Samples): Table {
	const alone = median((samples.get(1) ?? []).map(({ wholeMs }) => wholeMs));
	const rows = [...samples].map(([processes, each]): Row => {
		const stages = STAGES.map((stage): [string, Figure] => [
			stage,
			figure(
				"ms",
				each.map(({ stageMs }) => stageMs[stage] ?? Number.NaN),
			),
		]);
		const whole = each.map(({ wholeMs }) => wholeMs);
		const helpers = each.flatMap(({ helperBytes }) => helperBytes ?? []);
		return {
			processes,
			whole: figure("ms", whole),
			"over one alone": median(whole) / alone,
			...Object.fromEntries(stages),
			"leader's RSS": mebibytes(each.map(({ leaderBytes }) => leaderBytes)),
			"a helper's RSS": helpers.length === 0 ? "–" : mebibytes(helpers),
		};
	});
	return {
		title,
		rows,
		notes: [
			"All texts of the new branch are new to the embedder. One process leads the chain and prepares; the",
			"others take tasks. RSS: the leader's after the rollback, with this measurement in it; a helper's most.",
		],
	};
}

function mebibytes(bytes: readonly number[]): Figure {
	return figure(
		"MiB",
		bytes.map((each) => each / BYTES_PER_KIB ** 2),
	);
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
