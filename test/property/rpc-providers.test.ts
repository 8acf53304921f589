/**
 * Providers that go well, err, hang, limit, lag and change their chain at random: nothing of another chain is
 * ever answered, no question asks more than it may, and once one of them does well again the chain is answered.
 */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { chainScript, SCRIPTED_TRUST, scriptedBlock, word } from "../support/scripted-chain.ts";
import { answering, type Script, startScriptedNode } from "../support/scripted-node.ts";
import { announcedSeed } from "../support/seed.ts";
import { atTestEnd } from "../support/test-end.ts";

const MODES = [
	"well",
	"error",
	"hang",
	"limited",
	"lagging",
	"other",
	"malformed",
	"reset",
] as const;
type Mode = (typeof MODES)[number];

const PROVIDERS = 3;
const STEPS = 60;
/** Blocks that a lagging one lags. */
const LAG = 50;
const CHAIN_ID = 31_337;
const TIMEOUT_MS = 10_000;
const RESTART_MS = 10_000;

/** A hash that no block of the chain has. */
const OTHER = 1_000_000_000;

function scriptOf(mode: Mode, head: () => number): Script {
	switch (mode) {
		case "well":
			return (calls, isBatch) => chainScript({ head: head() })(calls, isBatch);
		case "lagging":
			return (calls, isBatch) => chainScript({ head: head() - LAG })(calls, isBatch);
		case "error":
			return () => ({ status: 500, body: "" });
		case "limited":
			return () => ({ status: 429, headers: { "retry-after": "2" }, body: "" });
		case "malformed":
			return () => ({ body: "<html>" });
		case "other":
			return answering(({ method, params: [first] }) => {
				if (method === "eth_chainId") return "0x5";
				const height = first === "latest" ? head() + 1_000 : Number(first);
				return { ...scriptedBlock(height), hash: word(OTHER + height) };
			});
		default:
			return () => mode;
	}
}

test("several providers answer of their chain alone, and do while one does well", async () => {
	const seed = announcedSeed("test/property/rpc-providers.test.ts");
	const random = new Random(seed);
	const clock = new ManualClock(1_000_000);
	let head = 1_000;
	const modes: Mode[] = Array.from({ length: PROVIDERS }, () => "well");
	const nodes = await Promise.all(modes.map(() => startScriptedNode(scriptOf("well", () => head))));
	const source = createChainSource({
		urls: nodes.map(({ url }) => url),
		chainId: CHAIN_ID,
		pollIntervalMs: 1e9,
		timeoutMs: TIMEOUT_MS,
		trust: SCRIPTED_TRUST,
		clock,
	});
	atTestEnd(() => source.close());
	atTestEnd(source.watch(() => undefined));

	/** What comes of it while time passes; undefined: it failed. */
	const passing = async <Answer>(work: Promise<Answer>): Promise<Answer | undefined> => {
		let isDone = false;
		const end = () => {
			isDone = true;
		};
		const answer = work.catch(() => undefined).finally(end);
		for (let turn = 0; !isDone; turn += 1) {
			await new Promise((resolve) => setTimeout(resolve, 1));
			// Sockets need some real time before so much of ours has passed that they are late.
			if (turn > 10) clock.pass(200);
		}
		return answer;
	};
	const count = () => nodes.reduce((sum, { requests }) => sum + requests.length, 0);

	for (let step = 0; step < STEPS; step += 1) {
		const which = random.between(0, PROVIDERS - 1);
		const mode = random.oneOf(MODES);
		// A node of another chain comes by a restart, which takes its time.
		if (mode === "other") clock.pass(RESTART_MS);
		modes[which] = mode;
		nodes[which]?.answerWith(scriptOf(mode, () => head));
		const where = `seed ${seed}, step ${step}: ${modes.join(", ")}`;
		for (let question = 0; question < random.between(1, 4); question += 1) {
			head += random.between(0, 2);
			clock.pass(random.between(0, 3_000));
			const before = count();
			const latest = await passing(source.latest());
			if (latest !== undefined) expect(latest.hash, where).toBe(word(latest.number));
			const height = BigInt(head - random.between(LAG + 1, 500));
			const block = await passing(source.blockByNumber(height));
			if (block !== undefined) expect(block.hash, where).toBe(word(height));
			// Each of two questions, twice for a head that lags, at each provider, repeated once when it was
			// lost, with its chain id; and looks meanwhile.
			expect(count() - before, where).toBeLessThanOrEqual(3 * PROVIDERS * 4 + PROVIDERS * 8);
		}
		if (!random.chance(0.3)) continue;
		const well = random.between(0, PROVIDERS - 1);
		modes[well] = "well";
		nodes[well]?.answerWith(scriptOf("well", () => head));
		await passing(Promise.resolve());
		let latest = await passing(source.latest());
		for (let look = 0; look < 40 && latest?.number !== BigInt(head); look += 1) {
			clock.pass(LIMITS.rpcBackoffMs / 4);
			latest = await passing(source.latest());
		}
		expect(latest?.number, `${where}; ${well} is well`).toBe(BigInt(head));
	}
}, 60_000);
