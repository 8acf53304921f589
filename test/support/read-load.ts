/**
 * Readers of the example chain that check every answer: a mixture of two generations, or a vector
 * without its memory, would contradict what was read before or what the ledger's own sums say.
 *
 * 1. A coordinate that is sealed says the same for ever: whoever reads a name at a height of a
 *    generation again must get the same version, also after a rollback.
 * 2. In one generation one height has one block, in coordinates and in transfers alike.
 * 3. At any coordinate the holders' balances add up to nothing, and their counts to twice the transfers.
 * 4. What a search finds is what the memory says at the search's coordinate, and a transfer's own text
 *    finds it.
 */
import type { RecantClient } from "../../src/client/client.ts";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { RecantError } from "../../src/domain/errors.ts";
import type { Generation, Height } from "../../src/domain/ids.ts";
import type { MemoryView, RecantService } from "../../src/service/recant-service.ts";
import type { Random } from "./random.ts";

const NAMESPACE = "ledger";
const PAGE = 200;
const FOUND = 5;
/** Past this many a broken service needs no further examples. */
const EXAMPLES = 20;
/** Coordinates that are read again and again, of all generations. */
const REMEMBERED = 2_000;

type LedgerService = Pick<RecantService, "memory" | "memories" | "search">;

/** A sealed coordinate with a name that was read there. */
interface Sighting {
	readonly id: string;
	readonly height: Height;
	readonly generation: Generation;
	/** Generation that was present when it was read first. */
	readonly seenIn: Generation;
}

interface SealedAt {
	readonly height: Height;
	readonly generation: Generation;
	readonly blockHash: string | undefined;
	readonly pending: boolean;
}

export interface ReadLoadOptions {
	readonly service: LedgerService;
	/** For one read in thirty. */
	readonly client: RecantClient;
	readonly chain: string;
	readonly random: Random;
}

export class ReadLoad {
	readonly #options: ReadLoadOptions;
	/** What a name said at a sealed coordinate. */
	readonly #said = new Map<string, string>();
	/** Hash of a block by generation and height. */
	readonly #blocks = new Map<string, string>();
	readonly #sightings: Sighting[] = [];
	readonly #transfers: MemoryView[] = [];
	#stopped = false;
	#newest: Generation = 0n;
	reads = 0;
	/** Reads over HTTP among them. */
	overHttp = 0;
	/** Reads of a coordinate that a rollback had left behind since it was read first. */
	acrossRollbacks = 0;
	readonly generations = new Set<Generation>();
	readonly violations: string[] = [];

	constructor(options: ReadLoadOptions) {
		this.#options = options;
	}

	/** Reads until `stop`. Rejects when a read fails. */
	async run(readers: number): Promise<void> {
		await Promise.all(Array.from({ length: readers }, () => this.#reader()));
	}

	stop(): void {
		this.#stopped = true;
	}

	async #reader(): Promise<void> {
		while (!this.#stopped && this.violations.length < EXAMPLES) await this.#readSomething();
	}

	async #readSomething(): Promise<void> {
		const dice = this.#options.random.next();
		if (dice < 0.01) await this.#readLedger();
		else if (dice < 0.04) await this.#search();
		else if (dice < 0.07) await this.#readOverHttp();
		else if (dice < 0.4) await this.#readNow();
		else await this.#readAgain();
	}

	/** All holders, and all transfers at the same coordinate. */
	async #readLedger(): Promise<void> {
		const holders = await this.#all({ at: LATEST, layer: "semantic" });
		const { height, generation } = holders.at;
		const transfers = await this.#all({ at: pinned({ height, generation }), layer: "episodic" });
		const balances = sum(holders.items, "balance");
		const counts = sum(holders.items, "transfers");
		const where = `at ${height} of generation ${generation}`;
		this.#check(balances === 0n, `balances add up to ${balances} ${where}`);
		this.#check(
			counts === 2n * BigInt(transfers.items.length),
			`holders count ${counts}, with ${transfers.items.length} transfers ${where}`,
		);
		for (const transfer of transfers.items) this.#checkTransfer(transfer, transfers.at);
		this.#transfers.splice(0, REMEMBERED, ...transfers.items);
	}

	async #all(query: {
		readonly at: AtRequest;
		readonly layer: "semantic" | "episodic";
	}): Promise<{ readonly at: SealedAt; readonly items: readonly MemoryView[] }> {
		const { service, chain } = this.#options;
		const items: MemoryView[] = [];
		const ask = (at: AtRequest, cursor: string | undefined) =>
			service.memories(chain, { ...query, at, namespace: NAMESPACE, limit: PAGE, cursor });
		let page = await ask(query.at, undefined);
		const { at } = page;
		this.#note(at);
		for (;;) {
			this.reads += 1;
			for (const memory of page.items) this.#saw(memory, at);
			items.push(...page.items);
			if (page.cursor === undefined) return { at, items };
			page = await ask(LATEST, page.cursor);
			this.#checkSame(at, page.at, "a page");
		}
	}

	async #search(): Promise<void> {
		const { service, chain } = this.#options;
		const wanted = this.#pick(this.#transfers);
		if (wanted?.text === undefined) return;
		const { at, results } = await service.search(chain, {
			text: wanted.text,
			mode: "vector",
			vector: undefined,
			collection: undefined,
			namespace: NAMESPACE,
			layers: undefined,
			where: undefined,
			minImportance: undefined,
			minConfidence: undefined,
			at: LATEST,
			k: FOUND,
		});
		this.reads += 1;
		this.#note(at);
		for (const { memory } of results) {
			this.#saw(memory, at);
			this.#checkTransfer(memory, at);
		}
		const found = this.#pick(results)?.memory;
		if (found !== undefined) await this.#readAt(found.id, at);
		await this.#expectFound(wanted, results, at);
	}

	/** A transfer that is there has its vector there too: nothing is nearer to its own text. */
	async #expectFound(
		wanted: MemoryView,
		results: readonly { readonly memory: MemoryView; readonly score: number }[],
		at: SealedAt,
	): Promise<void> {
		const memory = await this.#readAt(wanted.id, at);
		if (memory?.text !== wanted.text) return;
		this.#check(
			results[0]?.score !== undefined && results[0].score > 0.999,
			`the text of ${wanted.id} finds ${results[0]?.memory.id} at ${at.height} of ${at.generation}`,
		);
	}

	async #readNow(): Promise<void> {
		const { service, chain } = this.#options;
		const { id } = this.#pick(this.#sightings) ?? {};
		if (id === undefined) return this.#readLedger();
		const answer = await orMissing(service.memory(chain, { id, namespace: NAMESPACE, at: LATEST }));
		this.reads += 1;
		if (answer === undefined) return;
		this.#note(answer.at);
		this.#saw(answer.memory, answer.at);
		this.#checkTransfer(answer.memory, answer.at);
	}

	async #readAgain(): Promise<void> {
		const sighting = this.#pick(this.#sightings);
		if (sighting === undefined) return this.#readLedger();
		if (sighting.seenIn !== this.#newest) this.acrossRollbacks += 1;
		await this.#readAt(sighting.id, { ...sighting, blockHash: undefined, pending: false });
	}

	/** Reads one name at a sealed coordinate, and compares it with what it said there before. */
	async #readAt(id: string, at: SealedAt): Promise<MemoryView | undefined> {
		const { service, chain } = this.#options;
		const query = { id, namespace: NAMESPACE, at: pinned(at) };
		const answer = await orMissing(service.memory(chain, query));
		this.reads += 1;
		if (answer === undefined) {
			const before = this.#said.get(placeOf(id, at));
			this.#check(before === undefined, `${id} was ${before} and is gone ${where(at)}`);
			return undefined;
		}
		this.#checkSame(at, answer.at, id);
		this.#saw(answer.memory, answer.at);
		return answer.memory;
	}

	async #readOverHttp(): Promise<void> {
		const sighting = this.#pick(this.#sightings);
		if (sighting === undefined) return;
		const { id, height, generation } = sighting;
		const query = { namespace: NAMESPACE, at: height, generation };
		const { memory, at } = await this.#options.client.memory(this.#options.chain, id, query);
		this.reads += 1;
		this.overHttp += 1;
		this.#checkSame(
			sighting,
			{ height: BigInt(at.height), generation: BigInt(at.generation) },
			`${id} over HTTP`,
		);
		this.#compare(id, sighting, saying(memory));
	}

	#note(at: SealedAt): void {
		this.generations.add(at.generation);
		if (at.generation > this.#newest) this.#newest = at.generation;
		if (at.blockHash !== undefined) this.#checkBlock(at.generation, at.height, at.blockHash);
	}

	#saw(memory: MemoryView, at: SealedAt): void {
		if (at.pending) return;
		this.#compare(memory.id, at, saying(memory));
		const sighting = { id: memory.id, ...at, seenIn: this.#newest };
		if (this.#sightings.length < REMEMBERED) this.#sightings.push(sighting);
		else if (this.#options.random.next() < 0.05) {
			this.#sightings[Math.floor(this.#options.random.next() * REMEMBERED)] = sighting;
		}
	}

	#compare(id: string, at: Pick<SealedAt, "height" | "generation">, says: string): void {
		const place = placeOf(id, at);
		const before = this.#said.get(place);
		if (before === undefined) this.#said.set(place, says);
		else this.#check(before === says, `${place} said ${before} and now says ${says}`);
	}

	#checkTransfer(memory: MemoryView, at: SealedAt): void {
		const { blockNumber, blockHash } = memory.content;
		if (typeof blockNumber !== "string" || typeof blockHash !== "string") return;
		this.#checkBlock(at.generation, BigInt(blockNumber), blockHash);
		this.#check(BigInt(blockNumber) <= at.height, `${memory.id} is of the future ${where(at)}`);
	}

	#checkBlock(generation: Generation, height: Height, hash: string): void {
		const place = `${generation}:${height}`;
		const before = this.#blocks.get(place) ?? hash;
		this.#blocks.set(place, before);
		this.#check(before === hash, `block ${height} of generation ${generation}: ${before}, ${hash}`);
	}

	#checkSame(
		asked: Pick<SealedAt, "height" | "generation">,
		answered: Pick<SealedAt, "height" | "generation">,
		what: string,
	): void {
		const same = asked.height === answered.height && asked.generation === answered.generation;
		this.#check(same, `${what} was asked ${where(asked)} and answered ${where(answered)}`);
	}

	#check(holds: boolean, violation: string): void {
		if (!holds && this.violations.length < EXAMPLES) this.violations.push(violation);
	}

	#pick<Item>(items: readonly Item[]): Item | undefined {
		return items[Math.floor(this.#options.random.next() * items.length)];
	}
}

const LATEST: AtRequest = { at: { kind: "tag", tag: "latest" }, generation: undefined };

function pinned(at: Pick<SealedAt, "height" | "generation">): AtRequest {
	return { at: { kind: "height", height: at.height }, generation: at.generation };
}

function placeOf(id: string, at: Pick<SealedAt, "height" | "generation">): string {
	return `${id} ${where(at)}`;
}

function where(at: Pick<SealedAt, "height" | "generation">): string {
	return `at ${at.height} of generation ${at.generation}`;
}

/** Content, and the version that says it. */
function saying(memory: {
	readonly versionId: bigint | string;
	readonly contentHash: string;
	readonly content: unknown;
}): string {
	return `${memory.versionId} ${memory.contentHash} ${JSON.stringify(memory.content)}`;
}

function sum(memories: readonly MemoryView[], field: string): bigint {
	return memories.reduce((total, { content }) => total + BigInt(String(content[field])), 0n);
}

/** Undefined: there is no such memory at that coordinate. */
async function orMissing<Answer>(read: Promise<Answer>): Promise<Answer | undefined> {
	try {
		return await read;
	} catch (error) {
		if (error instanceof RecantError && error.code === "memory_not_found") return undefined;
		throw error;
	}
}
