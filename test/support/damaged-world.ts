/**
 * A service with a state worth damaging: backfilled and followed blocks, agents' memories in every layer with
 * embedded and given vectors, expiries, deletes, patches, conclusions, links, consolidated memories and a bounded
 * short term, and several generations after forks. Part of the vectors is flushed, part is in the tail. Nothing
 * moves any more when it is made.
 */
import { RecantClient } from "../../src/client/client.ts";
import type { OperationInput } from "../../src/client/requests.ts";
import { startAnvil } from "./anvil.ts";
import { type HeadGate, startHeadGate } from "./head-gate.ts";
import type { Random } from "./random.ts";
import { CHAIN, startTestRecant, type TestRecant, type TestRecantOptions } from "./recant.ts";
import { redisUrl } from "./redis.ts";
import { GENESIS_TIMESTAMP, type Load, TestChain } from "./test-chain.ts";
import { until } from "./until.ts";

/** Blocks before the service starts: Anvil finalizes what is 64 blocks deep, which is backfilled. */
const EARLY_BLOCKS = 90;
const ACCOUNTS = 6;
/** Vectors are flushed in groups of so many; what is left is the tail. */
const FLUSH_ROWS = 48;
const LAYERS = ["short_term", "long_term", "episodic", "semantic"] as const;
const GIVEN_DIMENSIONS = 8;
/** Namespaces of agents that the chain's file speaks of. */
const MEMORY = {
	habits: {
		shortTermCapacity: 6,
		consolidation: [
			{
				name: "habits",
				groupBy: "topic",
				take: { kind: "frequency", atLeast: 2 },
				everyBlocks: 3,
			},
		],
	},
} satisfies NonNullable<NonNullable<TestRecantOptions["chainFile"]>["memory"]>;

export interface WorldSize {
	/** Of agents. */
	readonly memories: number;
	readonly forks: number;
}

export class DamagedWorld {
	recant: TestRecant;
	client: RecantClient;
	readonly #chain: TestChain;
	readonly #gate: HeadGate;
	readonly #random: Random;
	readonly #options: TestRecantOptions;

	private constructor(parts: {
		readonly recant: TestRecant;
		readonly chain: TestChain;
		readonly gate: HeadGate;
		readonly random: Random;
		readonly options: TestRecantOptions;
	}) {
		this.recant = parts.recant;
		this.client = new RecantClient({ url: parts.recant.url });
		this.#chain = parts.chain;
		this.#gate = parts.gate;
		this.#random = parts.random;
		this.#options = parts.options;
	}

	static async create(random: Random, size: WorldSize): Promise<DamagedWorld> {
		const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
		const chain = await TestChain.create(node);
		await chain.block(
			...Array.from({ length: ACCOUNTS }, (_, to) => ({ from: undefined, to, value: 1_000_000n })),
		);
		for (let block = 0; block < EARLY_BLOCKS; block += 1) {
			await chain.block(...(block % 2 === 0 ? transfers(random) : []));
		}
		const gate = await startHeadGate(node.rpcUrl);
		const options: TestRecantOptions = {
			name: "corruption",
			rpcUrl: gate.url,
			token: chain.token.address,
			flushRows: FLUSH_ROWS,
			redisUrl: redisUrl(),
			chainFile: { memory: MEMORY },
		};
		const recant = await startTestRecant(options);
		const world = new DamagedWorld({ recant, chain, gate, random, options });
		await world.followed();
		await world.#populate(size);
		return world;
	}

	get databaseUrl(): string {
		return this.recant.home.databaseUrl;
	}

	get vectorsDir(): string {
		return `${this.recant.home.dataDir}/lancedb`;
	}

	async stop(): Promise<void> {
		await this.recant.stop();
	}

	/** Starts again on what was left; does not wait for the chain, which may be halted. */
	async start(): Promise<void> {
		this.recant = await startTestRecant({ ...this.#options, home: this.recant.home });
		this.client = new RecantClient({ url: this.recant.url });
		await until("the chain is led", async () => {
			const { state } = await this.client.chain(CHAIN);
			return state === "following" || state === "halted";
		});
	}

	/** Waits until the node's head is committed and nothing is under way. */
	async followed(): Promise<void> {
		await until(
			"the head is followed",
			async () => {
				const head = await this.#chain.head();
				const view = await this.client.chain(CHAIN);
				const idle = view.rollback === undefined && view.inbox === 0;
				return idle && view.head?.hash === head.hash && view.state === "following";
			},
			() => this.client.chain(CHAIN),
		);
	}

	/** One block more: the chain goes on. */
	async goOn(): Promise<void> {
		await this.#chain.block(...transfers(this.#random));
		await this.followed();
	}

	async #populate({ memories, forks }: WorldSize): Promise<void> {
		const step = Math.ceil(memories / (2 * forks + 2));
		const made: string[] = [];
		for (let part = 0; part < 2 * forks + 2; part += 1) {
			await this.#write(Array.from({ length: step }, (_, index) => this.#put(`m${part}-${index}`)));
			made.push(...Array.from({ length: step }, (_, index) => `m${part}-${index}`));
			await this.#conclude(part);
			await this.#block(...transfers(this.#random));
			await this.#change(made);
			await this.#block(...transfers(this.#random));
			if (part % 2 === 1) await this.#fork();
		}
		// A few in the pending slot and in the tail.
		await this.#write(Array.from({ length: 12 }, (_, index) => this.#put(`last-${index}`)));
		await this.#change(made);
	}

	/** What is noted, what is concluded from it, and links upwards in a hierarchy. */
	async #conclude(part: number): Promise<void> {
		const namespace = "habits";
		await this.#write([
			...Array.from({ length: 4 }, (_, index) => ({
				op: "put" as const,
				id: `note-${part}-${index}`,
				namespace,
				layer: index % 2 === 0 ? ("short_term" as const) : ("episodic" as const),
				content: { topic: `topic ${this.#random.between(0, 2)}`, part },
			})),
			{ op: "put", id: `node-${part}`, namespace, layer: "semantic", content: { part } },
		]);
		const sources = await Promise.all([
			this.#said(`note-${part}-3`),
			this.#said(`node-${part}`),
			...(part === 0 ? [] : [this.#said(`conclusion-${part - 1}`)]),
		]);
		const [note, node, before] = sources;
		if (note === undefined || node === undefined) return;
		await this.#write([
			{
				op: "put",
				id: `conclusion-${part}`,
				namespace,
				layer: "semantic",
				content: { part },
				derivedFrom: before === undefined ? [[note]] : [[note, before], [node]],
			},
			...(part === 0
				? []
				: [
						{
							op: "link" as const,
							namespace,
							from: `node-${part}`,
							type: "isA",
							to: `node-${this.#random.between(0, part - 1)}`,
						},
						{
							op: "link" as const,
							namespace,
							from: `conclusion-${part}`,
							type: "near",
							to: `node-${this.#random.between(0, part)}`,
						},
					]),
		]);
	}

	/** Undefined: it is not there, which a short term may be the reason of. */
	async #said(id: string) {
		const read = await this.client
			.memory(CHAIN, id, { namespace: "habits" })
			.catch(() => undefined);
		return read && { id, namespace: "habits", contentHash: read.memory.contentHash };
	}

	async #fork(): Promise<void> {
		const depth = this.#random.between(2, 5);
		await this.#gate.hold(async () => {
			await this.#chain.drop(depth);
			this.#chain.diverge();
			for (let block = 0; block <= depth; block += 1)
				await this.#chain.block(...transfers(this.#random));
		});
		await this.followed();
	}

	async #block(...loads: readonly Load[]): Promise<void> {
		await this.#chain.block(...loads);
		await this.followed();
	}

	#put(id: string): OperationInput {
		const number = this.#random.between(0, 1_000);
		const layer = this.#random.oneOf(LAYERS);
		const content = { n: number, name: `Zoë "${id}"`, nested: { list: [number, null, true] } };
		const base = {
			op: "put",
			id,
			layer,
			content,
			namespace: this.#random.oneOf(["default", "notes"]),
		} as const;
		const draw = this.#random.next();
		if (draw < 0.35) return { ...base, text: `${id} tells of ${number} things` };
		if (draw < 0.6) return { ...base, collection: "given", vector: this.#vector() };
		return draw < 0.8 ? { ...base, importance: 0.25, confidence: this.#random.next() } : base;
	}

	/** Patches, deletes and expiries of what is there; what cannot be is refused by itself. */
	async #change(ids: readonly string[]): Promise<void> {
		const head = Number((await this.client.chain(CHAIN)).head?.height ?? "0");
		for (let change = 0; change < ids.length / 6; change += 1) {
			const id = this.#random.oneOf(ids);
			const namespace = this.#random.oneOf(["default", "notes"]);
			const draw = this.#random.next();
			const operation: OperationInput =
				draw < 0.5
					? { op: "patch", id, namespace, content: { patched: change } }
					: draw < 0.7
						? { op: "delete", id, namespace }
						: {
								...this.#put(id),
								op: "put",
								namespace,
								layer: "short_term",
								content: { again: change },
								expiresAtBlock: head + this.#random.between(2, 30),
							};
			await this.client.write(CHAIN, operation).catch(() => undefined);
		}
	}

	async #write(operations: readonly OperationInput[]): Promise<void> {
		await this.client.write(CHAIN, operations, { waitMs: 5_000 });
	}

	#vector(): readonly number[] {
		return Array.from({ length: GIVEN_DIMENSIONS }, () => this.#random.next() - 0.5);
	}
}

function transfers(random: Random): readonly Load[] {
	return Array.from({ length: random.between(1, 2) }, () => ({
		from: random.between(0, ACCOUNTS - 1),
		to: random.between(0, ACCOUNTS - 1),
		value: BigInt(random.between(1, 900)),
	}));
}
