/** What is asked of a chain's only node: for a block that follows, for a fork, and how often for its marks. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type FaultChain, FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import { announcedSeed } from "../support/seed.ts";
import { until } from "../support/until.ts";

const SEED = announcedSeed("test/integration/node-requests.test.ts");
const NEVER_MS = 3_600_000;
/** Several polls: what is asked after a head is followed belongs to it. */
const STANDING_MS = 400;

/** Every block has transfers, so that the logs of each are asked for. */
async function follow(name: string, everyMs: number) {
	const it = await openFaultChain({
		...{ name, seed: SEED, head: 150, transactions: () => 2, pollIntervalMs: 50 },
		providers: [{ finalizedDepth: 140, safeDepth: 130 }],
		file: { finality: { everyMs } },
	});
	const requests = new Requests(it);
	const world = await FaultWorld.open(name, [it]);
	const settled = async () => {
		await world.settled(it);
		await sleep(STANDING_MS);
	};
	await settled();
	return { it, requests, world, settled, chain: it.server.chain };
}

/** Calls by their kind, without polls that showed the head of before. */
class Requests {
	readonly #chain: FaultChain["server"]["chain"];
	#calls: string[] = [];
	#shown: string | undefined;

	constructor({ server }: FaultChain) {
		this.#chain = server.chain;
		const when = ({ method, params }: { method: string; params: readonly unknown[] }) => {
			this.#note(method, params[0]);
			return false;
		};
		server.provider(0).faults.on({ fault: { kind: "null" }, when });
	}

	/** Since they were taken last, sorted. */
	take(): readonly string[] {
		const calls = this.#calls.toSorted();
		this.#calls = [];
		return calls;
	}

	#note(method: string, what: unknown): void {
		if (method !== "eth_getBlockByNumber") return void this.#calls.push(method);
		if (what === "latest") {
			if (this.#shown === this.#chain.headHash) return;
			this.#shown = this.#chain.headHash;
		}
		this.#calls.push(String(what).startsWith("0x") ? "block" : String(what));
	}
}

test("a block that follows takes two questions, and a fork its blocks, the logs and little more", {
	timeout: 120_000,
}, async () => {
	const { chain, requests, settled } = await follow("requests", NEVER_MS);
	requests.take();
	for (let mined = 0; mined < 3; mined += 1) {
		chain.mine();
		await settled();
		expect(requests.take()).toEqual(["eth_getLogs", "latest"]);
	}
	// Blocks that the walk back fetches, of which those below the ancestor are in vain.
	for (const [depth, walked] of [
		[1, 1],
		[5, 7],
		[20, 31],
		[60, 63],
	] as const) {
		chain.fork(depth, depth + 1);
		await settled();
		const asked = Map.groupBy(requests.take(), (call) => call);
		// And once more before the commit, whether the branch is still there.
		expect(asked.get("block")).toHaveLength(walked + 1);
		expect(asked.get("latest")).toHaveLength(1);
		expect(asked.get("eth_getLogs")).toHaveLength(2);
		expect([...asked.keys()]).toHaveLength(3);
		chain.mine();
		await settled();
		requests.take();
	}
});

test("marks are looked at by time: not with each block, and once for a head that stands", {
	timeout: 60_000,
}, async () => {
	const { chain, it, requests, world } = await follow("marks-by-time", 5_000);
	const marks = (calls: readonly string[]) =>
		calls.filter((call) => call === "safe" || call === "finalized");
	const finalized = async () => (await world.chain(it)).finalized;
	// The look with the last block, and the one at the head that stands: the next is as far away as can be.
	await until("the head that stands was looked at", () => marks(requests.take()).length > 0);
	const before = await finalized();
	for (let mined = 0; mined < 3; mined += 1) {
		chain.mine();
		await world.settled(it);
	}
	expect(marks(requests.take())).toEqual([]);
	expect(await finalized()).toBe(before);
	await until("what was marked meanwhile is final", async () => (await finalized()) !== before);
	expect(await finalized()).toBe(BigInt(chain.head - 140));
	expect(marks(requests.take())).toEqual(["finalized", "safe"]);
	// A head that was looked at is not looked at again.
	await sleep(6_000);
	expect(marks(requests.take())).toEqual([]);
});

test("marks are looked at with each block where the file says so", {
	timeout: 60_000,
}, async () => {
	const { chain, it, requests, world } = await follow("marks-by-block", 0);
	requests.take();
	chain.mine();
	const { finalized } = await world.settled(it);
	expect(requests.take()).toEqual(expect.arrayContaining(["finalized", "safe"]));
	expect(finalized).toBe(BigInt(chain.head - 140));
});
