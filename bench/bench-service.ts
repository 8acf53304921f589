/** A whole service beside a ledger node: embedded Postgres, LanceDB, the queue, HTTP. */

import example from "../chains/anvil.ts";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { RecantClient } from "../src/client/client.ts";
import { chainSpec } from "../src/config/chains.ts";
import { readEnvironment } from "../src/config/environment.ts";
import type { CheckSettings } from "../src/consistency/check-plan.ts";
import { NO_SOURCES } from "../src/domain/provenance.ts";
import type { ChainSpec } from "../src/follower/chain-spec.ts";
import { startRecant } from "../src/main.ts";
import type { RecantService } from "../src/service/recant-service.ts";
import { ANCHORED_TO_NOTHING } from "../src/service/writing/anchor-lookup.ts";
import type { OperationRequest } from "../src/service/writing/operation-request.ts";
import { CommitWatch } from "./commit-watch.ts";
import { guardServerOf } from "./embedded-database.ts";
import { type LedgerNode, startLedgerNode } from "./ledger-node.ts";
import { NodeGate } from "./node-gate.ts";

/** A gate may be shut for long; a held request must not time out. */
const TIMEOUT_MS = 600_000;
const BATCH = 1_000;
/** Blocks after which what agents wrote is final: Anvil's two epochs, and the rounds between looks. */
export const SETTLING_BLOCKS = 96;
const LOOK_MS = 10;
export const CHAIN = example.name;

export interface BenchService {
	readonly url: string;
	/** Its HTTP API. */
	readonly client: RecantClient;
	readonly service: RecantService;
	readonly dataDir: string;
	readonly node: LedgerNode;
	/** Of no use with `webSocket`. */
	readonly gate: NodeGate;
	readonly watch: CommitWatch;
	/** Resolves when the committed head is the node's. */
	caughtUp(): Promise<void>;
	/** Agents' memories, in batches of 1,000, then blocks until all of them are final. */
	fill(memories: number, options?: FillOptions): Promise<void>;
	/** Ends the node as well, if it is its own. */
	stop(): Promise<void>;
}

export interface FillOptions {
	/** Memories that have a text, and so a vector, evenly among the others; all if left out. */
	readonly embedded?: number;
	/** What the settling blocks hold; transfers if left out, of which the handlers make memories. */
	readonly blocks?: "transfers" | "empty";
}

export async function startBenchService(options: {
	readonly pollIntervalMs: number;
	readonly webSocket?: boolean;
	/** Another service's, for replicas; left out: a node of its own. */
	readonly node?: LedgerNode;
	readonly consistency?: CheckSettings;
	/** Left out: working memory in the process, and the queue on Postgres. */
	readonly redisUrl?: string;
}): Promise<BenchService> {
	const dir = makeServerDir("bench-service");
	const node = options.node ?? (await startLedgerNode());
	const gate = new NodeGate(node.rpcUrl);
	const url = options.webSocket === true ? node.wsUrl : gate.url;
	const running = await startRecant({
		environment: readEnvironment({
			RECANT_DATA_DIR: dir.path,
			RECANT_PORT: "0",
			RECANT_LOG_LEVEL: "error",
			REDIS_URL: options.redisUrl,
		}),
		chains: [ledgerChain(url, options.pollIntervalMs, options.consistency)],
	});
	const unguard = guardServerOf(dir.path);
	const watch = new CommitWatch(running.service, CHAIN);
	const caughtUp = async () => {
		const hash = await node.head();
		while ((await running.service.chain(CHAIN)).head?.hash !== hash) await pause();
	};
	await caughtUp();
	return {
		url: running.url,
		client: new RecantClient({ url: running.url }),
		service: running.service,
		dataDir: dir.path,
		node,
		gate,
		watch,
		caughtUp,
		fill: async (memories, { embedded = memories, blocks = "transfers" } = {}) => {
			await fill(running.service, memories, embedded);
			await (blocks === "empty" ? node.mineEmpty(SETTLING_BLOCKS) : node.mine(SETTLING_BLOCKS));
			await caughtUp();
		},
		stop: async () => {
			gate.open();
			await watch.stop();
			await running.stop();
			unguard();
			if (options.node === undefined) await node.stop();
			dir.remove();
		},
	};
}

/** The example chain at another node. */
export function ledgerChain(
	url: string,
	pollIntervalMs: number,
	consistency: CheckSettings = {},
): ChainSpec {
	const rpc = { urls: [url], pollIntervalMs, timeoutMs: TIMEOUT_MS };
	const definition = { ...example, rpc, consistency };
	return chainSpec(definition, { file: "bench", code: Buffer.from("bench") });
}

/** Waits until LanceDB has followed so far that a batch is not refused. */
export async function settledTail(service: RecantService): Promise<void> {
	for (;;) {
		const { collections } = await service.chain(CHAIN);
		if (collections.every(({ tail }) => tail < BATCH)) return;
		await pause();
	}
}

async function fill(service: RecantService, memories: number, embedded: number): Promise<void> {
	const everyNth = Math.max(1, Math.floor(memories / embedded));
	for (let start = 0; start < memories; start += BATCH) {
		const count = Math.min(BATCH, memories - start);
		const operations = Array.from({ length: count }, (_, index) => {
			const whole = fact(start + index);
			return (start + index) % everyNth === 0 ? whole : { ...whole, text: undefined };
		});
		const request = { operations, idempotencyKey: undefined, deadlineMs: TIMEOUT_MS };
		await service.write(CHAIN, request);
		await settledTail(service);
	}
}

const TOPICS = ["whales", "bridges", "fees", "governance", "oracles", "liquidations", "airdrops"];

type Put = Extract<OperationRequest, { readonly kind: "put" }>;

export function factId(index: number): string {
	return `fact:${index}`;
}

/** What an agent may have noted; `index` makes it one of a kind. */
export function fact(index: number): Put {
	const topic = TOPICS[index % TOPICS.length] ?? "";
	return {
		kind: "put",
		namespace: "default",
		anchors: ANCHORED_TO_NOTHING,
		derivedFrom: NO_SOURCES,
		onLoss: undefined,
		ifVersion: undefined,
		id: factId(index),
		layer: index % 2 === 0 ? "semantic" : "long_term",
		content: { topic, index, source: `report ${index % 97}`, seen: `2026-01-${(index % 28) + 1}` },
		text: `note ${index}: report ${index % 97} says that ${topic} matter more than in week ${index % 53}`,
		vector: undefined,
		collection: undefined,
		importance: (index % 10) / 10,
		confidence: undefined,
		expiresAtBlock: undefined,
		expiresAtTime: undefined,
		causedBy: [],
	};
}

function pause(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
