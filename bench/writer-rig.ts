/**
 * A chain's writer over the embedded Postgres, without node, LanceDB and HTTP: the production path of
 * commits, fed with blocks that are made up but look like those of the example chain.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Hex } from "viem";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { openLayers } from "../src/composition/open-layers.ts";
import type { BlockHeader } from "../src/domain/block.ts";
import type { Logger } from "../src/domain/logger.ts";
import type { HandlerOperation } from "../src/memory/handler-operation.ts";
import type { Database } from "../src/store/database.ts";
import { registerChain } from "../src/store/registry.ts";
import { PostgresInboxStore } from "../src/store/writing/postgres-inbox-store.ts";
import { PostgresWriterStore } from "../src/store/writing/postgres-writer-store.ts";
import { createHashingEmbedder } from "../src/vectors/hashing-embedder.ts";
import { ChainWriter } from "../src/writer/chain-writer.ts";
import { CollectionChecks } from "../src/writer/collection-checks.ts";
import type { CommitBatch } from "../src/writer/commit-batch.ts";
import type { WriterStore } from "../src/writer/writer-store.ts";
import { CallLog } from "./call-log.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";

export const RIG_CHAIN = 31_337;
const HANDLERS: Hex = "0x00";
const LEASE_MS = 600_000;
const HOLDERS = 1_000;
const OPERATIONS_PER_TRANSFER = 5;

export const SILENT: Logger = {
	debug: () => undefined,
	info: () => undefined,
	warn: (fields, message) => console.error(message, fields),
	error: (fields, message) => console.error(message, fields),
	child: () => SILENT,
};

export interface WriterRig {
	readonly database: Database;
	readonly inbox: PostgresInboxStore;
	readonly writer: ChainWriter;
	/** `store.*` and `embedder.*` of the writer. */
	readonly calls: CallLog;
	/** Commits the next blocks, each with as many operations of the ledger's kind. */
	commitBlocks(blocks: number, operationsEach: number): Promise<void>;
	/** Every later batch goes through this on its way to the store. */
	alter(change: (batch: CommitBatch) => CommitBatch): void;
	stop(): Promise<void>;
}

export async function startWriterRig(): Promise<WriterRig> {
	const dir = makeServerDir("bench-writer");
	const { database, stop } = await startEmbeddedDatabase(join(dir.path, "postgres"));
	const isGone = () => false;
	const chain = { id: RIG_CHAIN, name: "bench", startBlock: 0n, handlersHash: HANDLERS };
	await registerChain(database, chain, { isGone, log: SILENT });
	const calls = new CallLog();
	const inbox = new PostgresInboxStore(database);
	const store = new PostgresWriterStore(database, isGone);
	const lease = await store.acquireLease(RIG_CHAIN, "bench", LEASE_MS);
	let change = (batch: CommitBatch) => batch;
	const embedder = createHashingEmbedder();
	const { model, dimensions } = embedder;
	await inbox.ensureCollection(RIG_CHAIN, { name: "default", model, dimensions });
	const layers = openLayers([], { database, log: SILENT });
	const writer = await ChainWriter.open({
		chainId: RIG_CHAIN,
		fence: "fence" in lease ? lease.fence : 0n,
		store: calls.watch(
			"store",
			altered(store, (batch) => change(batch)),
		),
		embedder: calls.watch("embedder", embedder),
		collections: new CollectionChecks(RIG_CHAIN, inbox, embedder),
		settings: layers.writerSettings(RIG_CHAIN),
		consolidator: layers.consolidator,
		log: SILENT,
		vectors: {
			room: async () => undefined,
			added: () => undefined,
		},
		onCommit: () => undefined,
		onLeaseLost: () => undefined,
	});
	const blocks = new MadeUpBlocks();
	return {
		database,
		inbox,
		writer,
		calls,
		commitBlocks: async (count, operationsEach) => {
			const made = Array.from({ length: count }, () => blocks.next(operationsEach));
			const from = made[0]?.header.number ?? 0n;
			const finality = { safe: 0n, finalized: 0n };
			await writer.commitBlocks({
				mode: "window",
				blocks: made,
				from,
				finality,
				handlersHash: HANDLERS,
			});
		},
		alter: (given) => {
			change = given;
		},
		stop: async () => {
			await stop();
			dir.remove();
		},
	};
}

function altered(store: WriterStore, change: (batch: CommitBatch) => CommitBatch): WriterStore {
	return new Proxy(store, {
		get: (object, property) => {
			if (property === "commit") {
				return (...[batch, expected]: Parameters<WriterStore["commit"]>) =>
					object.commit(change(batch), expected);
			}
			const value: unknown = Reflect.get(object, property, object);
			return typeof value === "function" ? value.bind(object) : value;
		},
	});
}

/** Linked headers, and the five operations that the example chain makes of a transfer. */
class MadeUpBlocks {
	#height = -1n;
	#parent = hashOf("genesis");
	#transfers = 0;

	next(operations: number) {
		this.#height += 1n;
		const header: BlockHeader = {
			number: this.#height,
			hash: hashOf(`block ${this.#height}`),
			parentHash: this.#parent,
			timestamp: 1_700_000_000n + this.#height,
		};
		this.#parent = header.hash;
		const transfers = Math.ceil(operations / OPERATIONS_PER_TRANSFER);
		const made = Array.from({ length: transfers }, () => this.#transfer(header)).flat();
		return { header, operations: made.slice(0, operations), anchors: new Map() };
	}

	#transfer({ number, hash }: BlockHeader): readonly HandlerOperation[] {
		this.#transfers += 1;
		const token = hashOf("token").slice(0, 42);
		const id = `transfer:${hashOf(`transfer ${this.#transfers}`)}:0`;
		const from = addressOf(this.#transfers * 379);
		const to = addressOf(this.#transfers * 757 + 1);
		const value = (this.#transfers * 1_000_003).toString();
		const block = number.toString();
		const content = { token, from, to, value, blockNumber: block, blockHash: hash, logIndex: "0" };
		const text = `${from} transferred ${value} of token ${token} to ${to} in block ${block}`;
		const sides = [from, to].flatMap((address): readonly HandlerOperation[] => {
			const holder = { token, address, balance: value, transfers: "7", lastBlock: block };
			const recent = { token, address, transfers: [id, id, id], lastBlock: block };
			return [
				put("semantic", `holder:${token}:${address}`, holder),
				put("short_term", `recent:${token}:${address}`, recent, { expiresAtBlock: number + 256n }),
			];
		});
		return [put("episodic", id, content, { text, collection: "default" }), ...sides];
	}
}

type Body = Extract<HandlerOperation, { kind: "put" }>["body"];

function put(
	layer: Body["layer"],
	id: string,
	content: Body["content"],
	more: Partial<Body> = {},
): HandlerOperation {
	const none = { text: undefined, vector: undefined, collection: undefined };
	const ends = { expiresAtBlock: undefined, expiresAtTime: undefined };
	const marks = { importance: undefined, confidence: undefined, ...ends };
	const body = { layer, content, ...none, ...marks, ...more };
	return { kind: "put", namespace: "ledger", id, body };
}

function addressOf(number: number): string {
	return hashOf(`holder ${number % HOLDERS}`).slice(0, 42);
}

function hashOf(text: string): Hex {
	return `0x${createHash("sha256").update(text).digest("hex")}`;
}
