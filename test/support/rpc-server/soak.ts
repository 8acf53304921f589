/**
 * A soak: thousands of blocks with random forks from three providers that fail in turns, through a service in
 * a process of its own. At checkpoints everything is let settle and compared with what the blocks say.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type StartedProcess, startProcess } from "../../../scripts/support/child-process.ts";
import { makeTempDir } from "../../../scripts/support/temp-dir.ts";
import { readEnvironment } from "../../../src/config/environment.ts";
import type { Hex } from "../../../src/domain/ids.ts";
import { type RunningRecant, startRecant } from "../../../src/main.ts";
import { Random } from "../random.ts";
import type { FaultRule } from "./faults.ts";
import { type LedgerSpecOptions, ledgerSpec } from "./ledger-spec.ts";
import type { RpcProvider } from "./rpc-provider.ts";
import { type RpcServer, startRpcServer } from "./rpc-server.ts";
import type { SoakMemory } from "./soak-service.ts";
import { differences, type Extent } from "./tree-oracle.ts";

export interface SoakOptions {
	readonly blocks: number;
	readonly seed: number;
	readonly databaseUrl: string;
	/** How often everything is compared, the end included. */
	readonly checkpoints: number;
	/** Told at each of them. */
	readonly onCheckpoint?: (checkpoint: SoakCheckpoint) => void;
}

export interface SoakCheckpoint {
	readonly height: number;
	readonly seconds: number;
	/** Empty: the same. */
	readonly differences: readonly string[];
	readonly rssBytes: number;
	/** After a collection of garbage. */
	readonly heapUsedBytes: number;
	readonly externalBytes: number;
}

export interface SoakReport {
	readonly seed: number;
	/** Mined, those that were taken back included. */
	readonly blocks: number;
	readonly forks: number;
	readonly deepestFork: number;
	/** How often each fault struck. */
	readonly faults: Readonly<Record<string, number>>;
	/** That the service committed. */
	readonly generation: number;
	readonly requests: number;
	readonly seconds: number;
	readonly checkpoints: readonly SoakCheckpoint[];
}

const CHILD = fileURLToPath(new URL("soak-service.ts", import.meta.url));
const CHAIN_ID = 700_000;
const NAME = "soak";
const POLL_INTERVAL_MS = 50;
const TIMEOUT_MS = 1_000;
const PROVIDERS = 3;
const DEEPEST_FORK = 24;
/** Blocks that the service may be behind before the chain waits for it: forks are of what it has. */
const MOST_BEHIND = 40;
const READY_MS = 60_000;
/** Until everything is followed after the providers are well again: they were put aside for being untrue. */
const SETTLE_MS = 120_000;
const LOOK_MS = 25;
/** A whole state is some thousand memories. */
const EXTENT: Extent = { near: 3, farStep: 2_500, left: 2, pages: 10 };
const MEGA_LINES = 500;

/** What a provider does wrong for a while; each is struck a few times, then off. */
const FAULTS: readonly FaultRule[] = [
	{ fault: { kind: "null" }, methods: ["eth_getBlockByNumber", "eth_getBlockByHash"], every: 3 },
	{ fault: { kind: "lag", blocks: 4 }, every: 2 },
	{ fault: { kind: "error", code: -32_603, message: "internal error" }, every: 2 },
	{ fault: { kind: "error", code: -32_005, message: "rate limit exceeded" }, every: 2 },
	{ fault: { kind: "status", status: 429 }, every: 2 },
	{ fault: { kind: "status", status: 503 } },
	{ fault: { kind: "hang" }, every: 3 },
	{ fault: { kind: "slow", ms: 60 } },
	{ fault: { kind: "malformed" }, every: 2 },
	{ fault: { kind: "truncated_body" }, every: 2 },
	{ fault: { kind: "reset" }, every: 2 },
	{ fault: { kind: "missing" }, every: 2 },
	{ fault: { kind: "out_of_order" } },
	{ fault: { kind: "removed_logs" }, methods: ["eth_getLogs"] },
	{ fault: { kind: "wrong_field", field: "stateRoot" }, every: 4 },
	{ fault: { kind: "wrong_bloom" }, every: 4 },
	{ fault: { kind: "wrong_parent" }, every: 4 },
];
const STRIKES = 12;
/** Steps at which a provider goes wrong: seldom enough that time goes into blocks and not into waiting. */
const FAULT_SHARE = 0.06;

export async function soak(options: SoakOptions): Promise<SoakReport> {
	await using ending = new AsyncDisposableStack();
	const server = await startRpcServer({
		seed: options.seed,
		chainId: CHAIN_ID,
		head: 5,
		providers: Array.from({ length: PROVIDERS }, () => ({})),
		transactions: (_height, random) => Math.max(0, random.between(-1, 2)),
	});
	ending.defer(() => server.stop());
	const { child, reader } = await startBoth(options, server, ending);
	return await new Soak(options, { server, child, reader }).run();
}

/** The service that is soaked, and one in this process that only reads. */
async function startBoth(
	{ databaseUrl }: SoakOptions,
	server: RpcServer,
	ending: AsyncDisposableStack,
) {
	const dir = makeTempDir(NAME);
	ending.defer(() => dir.remove());
	const environment = {
		DATABASE_URL: databaseUrl,
		LANCEDB_URI: join(dir.path, "lancedb"),
		RECANT_DATA_DIR: join(dir.path, "data"),
		RECANT_PORT: "0",
		RECANT_LOG_LEVEL: "error",
	};
	const urls = server.providers.map((each, index) => (index === 1 ? each.wsUrl : each.url));
	const chain: LedgerSpecOptions = {
		...{ id: CHAIN_ID, name: NAME, urls, token: server.tree.token },
		...{ pollIntervalMs: POLL_INTERVAL_MS, timeoutMs: TIMEOUT_MS },
	};
	const child = await startProcess({
		name: "the service of the soak",
		command: process.execPath,
		args: [CHILD, JSON.stringify({ environment, chain })],
		readyPattern: /\{"event":"ready","handlersHash":"(0x[0-9a-f]+)"\}/,
		readyTimeoutMs: READY_MS,
		stopTimeoutMs: READY_MS,
	});
	ending.defer(() => child.stop());
	const reader = await startRecant({
		environment: readEnvironment({ ...environment, RECANT_ROLE: "api" }),
		// The test runner rewrites the handlers' source, so that here their hash would be another.
		chains: [{ ...ledgerSpec(chain), handlersHash: child.ready[1] as Hex }],
	});
	ending.defer(() => reader.stop());
	return { child, reader };
}

interface Parts {
	readonly server: RpcServer;
	readonly child: StartedProcess;
	readonly reader: RunningRecant;
}

class Soak {
	readonly #options: SoakOptions;
	readonly #parts: Parts;
	readonly #random: Random;
	readonly #startedMs = performance.now();
	readonly #checkpoints: SoakCheckpoint[] = [];
	readonly #faults: { readonly kind: string; readonly switched: { readonly struck: number } }[] =
		[];
	#blocks = 0;
	#forks = 0;
	#deepest = 0;

	constructor(options: SoakOptions, parts: Parts) {
		this.#options = options;
		this.#parts = parts;
		this.#random = new Random(options.seed);
	}

	async run(): Promise<SoakReport> {
		const { blocks, checkpoints } = this.#options;
		for (let checkpoint = 1; checkpoint <= checkpoints; checkpoint += 1) {
			await this.#grow((blocks * checkpoint) / checkpoints);
			await this.#compare();
		}
		return await this.#report();
	}

	async #grow(until: number): Promise<void> {
		while (this.#blocks < until) {
			this.#step();
			await sleep(this.#random.between(1, 2 * POLL_INTERVAL_MS));
			await this.#keepUp();
		}
	}

	#step(): void {
		const { chain } = this.#parts.server;
		if (this.#random.chance(FAULT_SHARE)) this.#fail();
		const fresh = this.#random.between(1, 12);
		if (this.#random.chance(0.2)) {
			const depth = Math.min(this.#depth(), chain.head - 1);
			this.#deepest = Math.max(this.#deepest, depth);
			this.#forks += 1;
			// As long as before, longer, or now and then shorter.
			const blocks = Math.max(1, depth + this.#random.between(-1, 3));
			chain.fork(depth, blocks);
			this.#blocks += blocks;
		} else {
			chain.mine(fresh);
			this.#blocks += fresh;
		}
	}

	/** Most forks are shallow. */
	#depth(): number {
		return this.#random.chance(0.8)
			? this.#random.between(1, 3)
			: this.#random.between(4, DEEPEST_FORK);
	}

	#fail(): void {
		const provider = this.#random.oneOf(this.#parts.server.providers);
		if (this.#random.chance(0.2)) {
			this.#differ(provider);
			return;
		}
		const rule = this.#random.oneOf(FAULTS);
		const switched = provider.faults.on({ times: this.#random.between(1, STRIKES), ...rule });
		this.#faults.push({ kind: rule.fault.kind, switched });
		if (this.#faults.length > MEGA_LINES) this.#fold();
	}

	/** Behind the others, on its own branch, without sockets, or well again. */
	#differ(provider: RpcProvider): void {
		const { chain, providers } = this.#parts.server;
		const others = providers.filter((each) => each !== provider);
		const isAlone = others.every(({ own, lag }) => own === undefined && lag === 0);
		provider.lag = isAlone ? this.#random.between(0, 5) : 0;
		provider.own =
			isAlone && this.#random.chance(0.3) ? chain.beside(this.#random.between(1, 4), 3) : undefined;
		if (this.#random.chance(0.3)) provider.dropSockets();
	}

	#fold(): void {
		const struck = this.#struck();
		this.#faults.length = 0;
		for (const [kind, times] of Object.entries(struck))
			this.#faults.push({ kind, switched: { struck: times } });
	}

	#struck(): Record<string, number> {
		const counts: Record<string, number> = {};
		for (const { kind, switched } of this.#faults)
			counts[kind] = (counts[kind] ?? 0) + switched.struck;
		return counts;
	}

	/** Not for every block: forks come while others are being committed, too. */
	async #keepUp(): Promise<void> {
		const { chain } = this.#parts.server;
		await this.#until(async () => {
			const { head } = await this.#view();
			return Number(head?.height ?? 0) > chain.head - MOST_BEHIND;
		});
	}

	async #compare(): Promise<void> {
		const { server, reader, child } = this.#parts;
		for (const provider of server.providers) {
			provider.faults.clear();
			provider.own = undefined;
			provider.lag = 0;
		}
		const { tree, chain } = server;
		await this.#until(async () => {
			const { head, state } = await this.#view();
			return head?.hash === chain.headHash && state === "following";
		});
		const of = { tree, headHash: chain.headHash };
		const found = await differences(reader.service, NAME, of, EXTENT);
		const { rssBytes, heapUsedBytes, externalBytes } = await memoryOf(
			child,
			this.#checkpoints.length + 1,
		);
		const seconds = this.#seconds;
		const memory = { rssBytes, heapUsedBytes, externalBytes };
		const checkpoint = { height: chain.head, seconds, differences: found, ...memory };
		this.#checkpoints.push(checkpoint);
		this.#options.onCheckpoint?.(checkpoint);
	}

	async #until(holds: () => Promise<boolean>): Promise<void> {
		const deadline = performance.now() + SETTLE_MS;
		while (!(await holds())) {
			if (performance.now() > deadline) throw await this.#stuck();
			await sleep(LOOK_MS);
		}
	}

	async #stuck(): Promise<Error> {
		const { server, child } = this.#parts;
		const { state, head, problem, rollback } = await this.#view();
		const requests = () => server.providers.map((each) => each.requests);
		const before = requests();
		await sleep(1_000);
		const asked = requests().map((count, index) => count - (before[index] ?? 0));
		const { providers } = await memoryOf(child, this.#checkpoints.length + 1);
		const heads = server.providers.map(({ shown, own, lag }) => [shown.head, own?.head, lag]);
		const wanted = `${server.chain.head} ${server.chain.headHash}`;
		const why = `${problem?.code} ${problem?.message} ${rollback?.state} ${rollback?.stage}`;
		return new Error(
			`seed ${this.#options.seed}: not within ${SETTLE_MS} ms near ${wanted}; it is ${state} at ` +
				`${head?.height} ${head?.hash}; ${why}, attempt ${rollback?.attempt} to ${rollback?.to.height} ` +
				`${rollback?.to.hash}; asked ${asked} in a second; heads ${JSON.stringify(heads)}, ` +
				`seen as ${providers.join(", ")}; ` +
				child.output().slice(-2_000),
		);
	}

	#view() {
		return this.#parts.reader.service.chain(NAME);
	}

	get #seconds(): number {
		return Math.round((performance.now() - this.#startedMs) / 100) / 10;
	}

	async #report(): Promise<SoakReport> {
		const { generation } = await this.#view();
		return {
			seed: this.#options.seed,
			blocks: this.#blocks,
			forks: this.#forks,
			deepestFork: this.#deepest,
			faults: this.#struck(),
			generation: Number(generation),
			requests: this.#parts.server.providers.reduce((sum, { requests }) => sum + requests, 0),
			seconds: this.#seconds,
			checkpoints: this.#checkpoints,
		};
	}
}

async function memoryOf(child: StartedProcess, sample: number): Promise<SoakMemory> {
	process.kill(child.pid, "SIGUSR2");
	const deadline = performance.now() + READY_MS;
	for (;;) {
		const said = child
			.output()
			.split("\n")
			.filter((line) => line.startsWith('{"event":"memory"'))
			.map((line) => JSON.parse(line) as SoakMemory)
			.find((each) => each.sample === sample);
		if (said !== undefined) return said;
		if (performance.now() > deadline)
			throw new Error(`the service said no more: ${child.output()}`);
		await sleep(LOOK_MS);
	}
}
