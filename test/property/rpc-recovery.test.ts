/**
 * Providers that hang, limit, lie, lag, break and change their chain at random, for minutes, by a clock of the test:
 * from when one of them does well, questions are answered again within a bounded time, one after the other and
 * many blocks at once, and what was learned of its limits is forgotten again.
 */
import { expect, test } from "vitest";
import type { ChainBlock } from "../../src/domain/block.ts";
import { AnswerChecks } from "../../src/rpc/answer-checks.ts";
import { fetchBlocks } from "../../src/rpc/blocks.ts";
import type { Connection } from "../../src/rpc/connection.ts";
import type { RpcCall, RpcOutcome } from "../../src/rpc/json-rpc.ts";
import { Provider } from "../../src/rpc/provider.ts";
import { type FailureReason, ProviderError, untrue } from "../../src/rpc/provider-error.ts";
import { ProviderProbe } from "../../src/rpc/provider-probe.ts";
import { ProviderSet } from "../../src/rpc/provider-set.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { SCRIPTED_TRUST, scriptedBlock } from "../support/scripted-chain.ts";
import { announcedSeed } from "../support/seed.ts";

const MODES = ["well", "limited", "error", "hang", "lag", "untrue", "other_chain", "lost"] as const;
type Mode = (typeof MODES)[number];

const CHAIN_ID = 31_337;
const TIMEOUT_MS = 10_000;
const TURN_MS = 100;
const RETRY_MS = 500;
const WALK = 50;
/** As a whole backfill with its anchors asks at once. */
const PARALLEL = 24;

/** A node without a network, whose answers take a moment. */
class FakeNode implements Connection {
	readonly subscribeHeads = undefined;
	readonly #url: string;
	readonly #clock: ManualClock;
	readonly #random: Random;
	readonly #head: () => number;
	mode: Mode = "well";
	/** Share of requests that the mode strikes. */
	share = 1;
	received = 0;

	constructor(url: string, clock: ManualClock, random: Random, head: () => number) {
		this.#url = url;
		this.#clock = clock;
		this.#random = random;
		this.#head = head;
	}

	async send(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		this.received += 1;
		const mode = this.#random.chance(this.share) ? this.mode : "well";
		await this.#clock.sleep(mode === "hang" ? TIMEOUT_MS : this.#random.between(5, 60));
		const reason = reasonOf(mode, this.#random);
		const asked = { provider: parseProviderUrl(this.#url), method: calls[0]?.method ?? "" };
		if (reason !== undefined) throw new ProviderError(asked, reason, `does ${mode}`);
		if (mode === "untrue") throw untrue(asked, "a hash");
		return calls.map((call) => ({ kind: "result", value: this.#answer(call, mode) }));
	}

	close(): void {}

	#answer({ method, params: [first] }: RpcCall, mode: Mode): unknown {
		if (method === "eth_chainId") return mode === "other_chain" ? "0x5" : "0x7a69";
		const head = this.#head() - (mode === "lag" ? 50 : 0);
		const height = first === "latest" ? head : Number(first);
		return height <= head ? scriptedBlock(height) : null;
	}
}

function reasonOf(mode: Mode, random: Random): FailureReason | undefined {
	switch (mode) {
		case "limited":
			return { kind: "rate_limited", retryAfterMs: random.chance(0.3) ? 2_000 : undefined };
		case "error":
			return { kind: "http_status", status: random.chance(0.5) ? 503 : 500 };
		case "hang":
			return { kind: "timeout" };
		case "lost":
			return { kind: "lost" };
		default:
			return undefined;
	}
}

class World {
	readonly clock = new ManualClock(1_000_000);
	readonly random: Random;
	readonly nodes: readonly FakeNode[];
	readonly providers: ProviderSet;
	readonly #seed: number;
	head = 1_000;

	constructor(seed: number, count: number) {
		this.#seed = seed;
		this.random = new Random(seed);
		const urls = Array.from({ length: count }, (_, index) => `http://node-${index}.test`);
		const { clock, random } = this;
		this.nodes = urls.map((url) => new FakeNode(url, clock, random, () => this.head));
		this.providers = new ProviderSet({
			providers: urls.map(
				(url, index) =>
					new Provider(parseProviderUrl(url), {
						timeoutMs: TIMEOUT_MS,
						checks: new AnswerChecks(SCRIPTED_TRUST),
						clock,
						connection: this.nodes[index],
					}),
			),
			chainId: CHAIN_ID,
			clock,
		});
	}

	get where(): string {
		const modes = this.nodes.map(({ mode, share }) => `${mode} ${share}`).join(", ");
		const standings = this.providers.all
			.map((each) => {
				const { standing, gate, asideMs } = each;
				return `aside ${asideMs} distrusted ${standing.distrustedMs} rate ${gate.callsPerSecond} ${JSON.stringify(gate.figures)}`;
			})
			.join("; ");
		return `seed ${this.#seed}: ${modes}: ${standings}`;
	}

	async pass(ms: number): Promise<void> {
		for (let passed = 0; passed < ms; passed += TURN_MS) await this.#turn();
	}

	async #turn(): Promise<void> {
		await new Promise((resolve) => setImmediate(resolve));
		this.clock.pass(TURN_MS);
		await new Promise((resolve) => setImmediate(resolve));
	}

	/** Virtual milliseconds until it is answered, asked again by a caller that tries again; at most `mostMs`. */
	async untilAnswered(question: () => Promise<unknown>, mostMs: number): Promise<number> {
		const startedMs = this.clock.now();
		let isAnswered = false;
		const asking = async () => {
			for (;;) {
				try {
					await question();
					isAnswered = true;
					return;
				} catch (error) {
					if (!(error instanceof Error) || !("code" in error)) throw error;
					if (this.clock.now() - startedMs > mostMs) return;
					await this.clock.sleep(RETRY_MS);
				}
			}
		};
		const done = asking();
		while (!isAnswered && this.clock.now() - startedMs <= mostMs) await this.#turn();
		if (isAnswered) await done;
		return this.clock.now() - startedMs;
	}

	latest(): Promise<ChainBlock> {
		return this.providers.latest();
	}

	/** As a walk back, or a group of blocks, asks for them. */
	walk(): Promise<unknown> {
		const from = BigInt(this.head - 60 - WALK);
		const heights = Array.from({ length: WALK }, (_, index) => from + BigInt(index));
		return this.providers.run((provider) => fetchBlocks(provider, heights), { isHeavy: true });
	}

	/** Whatever comes of it. */
	ask(question: () => Promise<unknown>): void {
		question().catch((error: unknown) => {
			if (!(error instanceof Error) || !("code" in error)) throw error;
		});
	}
}

/** What is asked while they do as they like, for some minutes. */
async function misbehave(world: World): Promise<void> {
	const { random, nodes } = world;
	for (let step = 0; step < random.between(20, 80); step += 1) {
		const node = random.oneOf(nodes);
		node.mode = random.oneOf(MODES);
		node.share = random.oneOf([0.1, 0.5, 1]);
		world.head += random.between(0, 3);
		for (let call = random.between(0, 6); call > 0; call -= 1)
			world.ask(() => (random.chance(0.5) ? world.latest() : world.walk()));
		if (random.chance(0.1))
			for (let call = 0; call < PARALLEL; call += 1) world.ask(() => world.walk());
		await world.pass(random.between(1, 40) * TURN_MS);
	}
}

/** The last time limit, a pause, and one more try. */
const FIRST_ANSWER_MS = 25_000;
const NEXT_ANSWER_MS = 10_000;

async function answersAgain(world: World): Promise<void> {
	const firstMs = await world.untilAnswered(() => world.latest(), FIRST_ANSWER_MS);
	expect(firstMs, `first; ${world.where}`).toBeLessThanOrEqual(FIRST_ANSWER_MS);
	const walkMs = await world.untilAnswered(() => world.walk(), FIRST_ANSWER_MS);
	expect(walkMs, `walk; ${world.where}`).toBeLessThanOrEqual(FIRST_ANSWER_MS);
	// One answer is not enough: a round asks many questions, one after the other.
	for (let question = 0; question < 12; question += 1) {
		const ms = await world.untilAnswered(() => world.latest(), NEXT_ANSWER_MS);
		expect(ms, `question ${question}; ${world.where}`).toBeLessThanOrEqual(NEXT_ANSWER_MS);
	}
}

test.each([1, 2, 3, 4])(
	"of %i providers, whatever they did, one that does well is enough",
	async (count) => {
		const seed = announcedSeed("test/property/rpc-recovery.test.ts");
		for (let round = 0; round < 12; round += 1) {
			const world = new World(seed + round, count);
			const stopLooks = new ProviderProbe(world.providers, world.clock).start();
			await misbehave(world);
			const well = world.random.oneOf(world.nodes);
			const isAllWell = world.random.chance(0.5);
			for (const node of isAllWell ? world.nodes : [well]) node.mode = "well";
			await answersAgain(world);
			stopLooks();
			world.providers.close();
		}
	},
	60_000,
);

test("a provider that limits no more is asked as fast as ever within two minutes", async () => {
	const seed = announcedSeed("test/property/rpc-recovery.test.ts");
	for (let round = 0; round < 6; round += 1) {
		const world = new World(seed + round, 1);
		const [node] = world.nodes;
		const [provider] = world.providers.all;
		if (node === undefined || provider === undefined) throw new RangeError("no provider");
		node.mode = "limited";
		node.share = 0.5;
		for (let step = 0; step < 30; step += 1) {
			for (let call = 0; call < PARALLEL; call += 1) world.ask(() => world.walk());
			await world.pass(1_000);
		}
		node.mode = "well";
		await answersAgain(world);
		for (let second = 0; second < 100; second += 1) {
			world.ask(() => world.latest());
			await world.pass(1_000);
		}
		expect(provider.gate.callsPerSecond, world.where).toBeUndefined();
		world.providers.close();
	}
}, 60_000);

test("providers that all gave untrue answers answer one question after the other", async () => {
	const world = new World(1, 3);
	await world.untilAnswered(() => world.latest(), FIRST_ANSWER_MS);
	for (let time = 0; time < 4; time += 1) {
		for (const provider of world.providers.all)
			provider.failed(untrue({ provider: provider.url, method: "eth_getLogs" }, "a bloom"));
		await world.pass(10_000);
	}
	await answersAgain(world);
	expect(world.providers.all.every(({ standing }) => standing.isDistrusted)).toBe(true);
});
