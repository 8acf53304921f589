/** A service that answers fixed views and remembers what it was asked, for the HTTP tests. */

import type { AnsweredAt } from "../../src/domain/coordinate.ts";
import { FatalError } from "../../src/domain/errors.ts";
import type { Hex, OperationId, RollbackId } from "../../src/domain/ids.ts";
import { createHttpApp } from "../../src/http/app.ts";
import type { OpenApiApp } from "../../src/http/openapi-app.ts";
import type {
	ChainView,
	EventView,
	MemoryView,
	OperationView,
	RecantService,
	StatusView,
} from "../../src/service/recant-service.ts";
import type { RecoveryService } from "../../src/service/recoveries.ts";
import type {
	PartialAnswer,
	PartialRestoreService,
} from "../../src/service/restoring/partial-restore-service.ts";
import type { RollbackView } from "../../src/service/rollback-view.ts";
import { MemoryKeyStore, testKeys } from "../support/memory-key-store.ts";
import { fakeConsistency } from "./http-fixture-consistency.ts";
import { fakeProofs } from "./http-fixture-proofs.ts";
import { fakeReads } from "./http-fixture-reads.ts";
import { fakeRecoveries } from "./http-fixture-recoveries.ts";
import { fakeRestores } from "./http-fixture-restores.ts";

export const CHAIN_ID = 31_337;
export const HASH_A: Hex = `0x${"a".repeat(64)}`;
const HASH_B: Hex = `0x${"b".repeat(64)}`;
export const UUID = "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01";

export const AT: AnsweredAt = {
	chainId: CHAIN_ID,
	height: 9_007_199_254_740_993n,
	generation: 0n,
	blockHash: undefined,
	logPosition: 12n,
	pending: true,
};

export const MEMORY: MemoryView = {
	id: "fact:1",
	namespace: "default",
	layer: "semantic",
	owner: "agent",
	content: { answer: 42 },
	text: undefined,
	collection: undefined,
	importance: undefined,
	confidence: 0.5,
	versionId: 3n,
	vectorHash: undefined,
	contentHash: HASH_A,
	since: 0n,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
	suspect: false,
	finality: "latest",
};

export const ROLLBACK: RollbackView = {
	// The service makes these ids; tests write them as they are.
	id: UUID as RollbackId,
	chainId: CHAIN_ID,
	cause: "manual",
	state: "running",
	stage: "replay",
	paused: false,
	failedStage: undefined,
	retries: 0,
	fromGeneration: 0n,
	ancestor: { height: 0n, hash: HASH_A },
	from: { height: 20n, hash: HASH_B },
	to: { height: 0n, hash: HASH_A },
	attempt: 1,
	strategy: "rewind",
	strategyReason: "what changed above the ancestor is set back",
	wantedStrategy: undefined,
	evidence: undefined,
	progress: { done: 1, total: 4, ratePerSecond: undefined, etaMs: undefined },
	counts: { recanted: 1, suspended: 0, reinstated: 0, replayed: 2, derivedAnew: 0 },
	stageMs: { plan: 1.5 },
	error: undefined,
	supersededBy: undefined,
	createdAt: new Date(0),
	finishedAt: undefined,
};

export const CHAIN: ChainView = {
	chainId: CHAIN_ID,
	name: "anvil",
	state: "following",
	followedBy: "host:1:00000000-0000-4000-8000-000000000000",
	problem: undefined,
	generation: 0n,
	head: { height: 20n, hash: HASH_B, timestamp: 1_700_000_000n },
	nodeHead: 20n,
	safe: 0n,
	finalized: 0n,
	startBlock: 0n,
	retainedFrom: 0n,
	logPosition: 12n,
	inbox: 0,
	rollback: undefined,
	handlersHash: HASH_A,
	consistency: undefined,
	collections: [],
	providers: [],
};

const STORE: StatusView["stores"][number] = {
	name: "postgres",
	state: "up",
	breaker: "closed",
	since: new Date(0),
	failures: 0,
	retries: 0,
	lastError: undefined,
	pool: { size: 12, busy: 1, waiting: 0 },
};

const ANCHOR = { transaction: HASH_A, block: HASH_B, height: 7n, effectsHash: HASH_A };

export const OPERATION: OperationView = {
	operationId: UUID as OperationId,
	kind: "put",
	namespace: "default",
	id: "fact:1",
	status: "applied",
	reason: undefined,
	position: 12n,
	originalSlot: 21n,
	effectiveSlot: 21n,
	versionId: 3n,
	anchor: ANCHOR,
	anchors: { mode: "all", anchors: [ANCHOR] },
	derivedFrom: undefined,
	onLoss: "recant",
	suspect: false,
	final: false,
};

export interface Call {
	readonly method: string;
	readonly args: readonly unknown[];
}

export interface FakeService {
	readonly service: RecantService;
	readonly calls: Call[];
	/** Arguments of the last call of a method. */
	last(
		method: keyof RecantService | keyof PartialRestoreService | keyof RecoveryService,
	): readonly unknown[];
}

function requireChain(chain: string): void {
	if (chain === CHAIN.name || chain === CHAIN_ID.toString()) return;
	throw new FatalError("unknown_chain", {
		message: `no chain ${chain}`,
		hint: "see /v1/status",
		fields: { chain },
	});
}

/** Methods can be replaced one by one. */
function fakeService(overrides: Partial<RecantService> = {}): FakeService {
	const calls: Call[] = [];
	const answers: RecantService = {
		status: async () => ({
			version: "0.1.0",
			roles: ["follower", "worker", "api"],
			installationId: UUID,
			queueBackend: "postgres",
			database: "embedded",
			embedder: { model: "hashing", dimensions: 8 },
			stores: [STORE],
			workingMemory: { backend: "process", entries: 0, hits: 0, misses: 0, resets: 0 },
			chains: [CHAIN],
		}),
		readiness: async () => ({
			roles: ["follower", "worker", "api"],
			ready: true,
			degraded: [],
			checks: { database: { ok: true, required: true, detail: undefined } },
			stores: [STORE],
		}),
		chain: async () => CHAIN,
		blocks: async () => ({
			items: [
				{
					height: 0n,
					hash: HASH_A,
					parentHash: HASH_B,
					timestamp: 1n,
					canonical: true,
					generations: { from: 0n, to: undefined },
					finality: "finalized",
				},
			],
			cursor: undefined,
		}),
		write: async () => ({ committed: true, repeated: false, operations: [OPERATION], at: AT }),
		operation: async () => OPERATION,
		memories: async () => ({ at: AT, items: [MEMORY], cursor: "next" }),
		memory: async () => ({ at: AT, memory: MEMORY }),
		history: async () => ({ items: [], cursor: undefined }),
		search: async () => ({
			at: AT,
			results: [{ memory: MEMORY, score: 0.5, finality: "latest", suspect: false }],
			coverage: { complete: true, reason: undefined },
		}),
		diff: async () => ({ from: AT, to: AT, items: [], cursor: undefined }),
		checkpoints: async () => ({ items: [], cursor: undefined }),
		checkpoint: async () => ({
			height: 0n,
			blockHash: HASH_A,
			generations: { from: 0n, to: undefined },
			logPosition: 0n,
			versionId: 0n,
			roots: {
				short_term: HASH_A,
				long_term: HASH_A,
				episodic: HASH_A,
				semantic: HASH_A,
				state: HASH_B,
			},
			pointers: {},
		}),
		rollbacks: async () => ({ items: [ROLLBACK], cursor: undefined }),
		rollback: async () => ROLLBACK,
		orderRollback: async () => ROLLBACK,
		report: async () => ({
			rollback: ROLLBACK,
			truncated: false,
			recanted: [],
			suspended: [],
			reinstated: [],
			replayed: [],
			withdrawn: [],
			flagged: [],
			cleared: [],
			actions: [],
			derivedAnew: [],
		}),
		planRollback: async () => ({
			dryRun: true,
			ancestor: ROLLBACK.ancestor,
			from: ROLLBACK.from,
			memories: 3,
			operations: 2,
			blocks: 20,
		}),
		startRollback: async () => ROLLBACK,
		events: () => noEvents(),
		...overrides,
	};
	const service = new Proxy(answers, {
		get(target, key, receiver) {
			const method: unknown = Reflect.get(target, key, receiver);
			if (typeof method !== "function") return method;
			return (...args: unknown[]) => {
				calls.push({ method: String(key), args });
				const [chain] = args;
				if (typeof chain === "string") requireChain(chain);
				return method(...args);
			};
		},
	});
	return {
		service,
		calls,
		last: (method) => calls.findLast((call) => call.method === method)?.args ?? [],
	};
}

async function* noEvents(): AsyncGenerator<EventView> {
	yield* [];
}

export interface TestHttp extends FakeService {
	readonly app: OpenApiApp;
	readonly logged: { readonly fields: object; readonly message: string }[];
	/** Sends a request to the app as a loopback client would. */
	get(path: string, init?: RequestInit): Promise<Response>;
	post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

export function testHttp(
	options: {
		readonly overrides?: Partial<RecantService>;
		/** Of what is answered to restores and merges. */
		readonly restores?: Partial<PartialAnswer>;
		readonly apiKeys?: readonly string[];
		/** Keys beside those; none if left out. */
		readonly keyStore?: MemoryKeyStore;
	} = {},
): TestHttp {
	const fake = fakeService(options.overrides);
	const logged: { readonly fields: object; readonly message: string }[] = [];
	const app = createHttpApp({
		service: fake.service,
		proofs: fakeProofs(fake.calls),
		restores: fakeRestores(fake.calls, OPERATION, options.restores),
		consistency: fakeConsistency(fake.calls),
		recoveries: fakeRecoveries(fake.calls),
		reads: fakeReads(fake.calls, { at: AT, memory: MEMORY, operation: OPERATION }),
		apiKeys: options.apiKeys ?? [],
		keys: testKeys(options.keyStore ?? new MemoryKeyStore(), options.apiKeys ?? []),
		log: { error: (fields, message) => void logged.push({ fields, message }) },
	});
	const send = async (path: string, init?: RequestInit) =>
		app.request(`http://localhost${path}`, init);
	return {
		...fake,
		app,
		logged,
		get: (path, init) => send(path, init),
		post: (path, body, init) =>
			send(path, {
				method: "POST",
				body: typeof body === "string" ? body : JSON.stringify(body),
				headers: { "content-type": "application/json" },
				...init,
			}),
	};
}

/** The JSON of a response, as the test says it is. */
export async function readJson<T>(response: Response): Promise<T> {
	return (await response.json()) as T;
}
