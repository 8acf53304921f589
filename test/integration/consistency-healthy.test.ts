/** Checks of a healthy instance find nothing: at rest, while it works, and over every level. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { LEVELS } from "../../src/consistency/finding.ts";
import { checked } from "../support/consistency.ts";
import { CHAIN } from "../support/recant.ts";
import { World } from "../support/world.ts";

/** Seconds since the epoch that no test reaches. */
const FAR_TIME = 2n ** 40n;

test("a healthy instance gives no finding at any level, with forks, expiries and flushes behind it", async () => {
	const world = await World.create({ name: "consistency-healthy" });
	const client = new RecantClient({ url: world.recant.url });
	await world.write(
		{ op: "put", id: "a", text: "the sky is blue", content: { n: 1 } },
		{ op: "put", id: "b", layer: "short_term", content: { n: 1 } },
		{ op: "put", id: "c", vector: [...Array(384)].map((_, i) => (i === 3 ? 1 : 0)), content: {} },
	);
	const { height } = { height: (await world.chain.head()).number };
	await world.write({ op: "put", id: "e", content: {}, expiresAtBlock: height + 3n });
	await world.write({ op: "put", id: "t", content: { n: 1 }, expiresAtTime: FAR_TIME });
	await world.block({ from: 1, to: 2, value: 5n });
	await world.write({ op: "patch", id: "t", content: { n: 2 } });
	await world.write({ op: "patch", id: "a", content: { n: 2 } });
	await world.write({ op: "delete", id: "b" });
	await world.block({ from: 2, to: 3, value: 5n });
	await world.write({ op: "put", id: "a", text: "the sky is grey", content: { n: 3 } });
	// Ends in the very slot in which it is written again.
	await world.write({ op: "put", id: "e", content: { again: true } });
	await world.fork(async (chain) => {
		await chain.reorg(1);
		await chain.block({ from: 1, to: 3, value: 7n });
	});
	await world.block();
	expect(await client.memory(CHAIN, "t")).toMatchObject({
		memory: { content: { n: 2 }, expiresAtTime: `${FAR_TIME}`, suspect: false },
	});
	for (const level of LEVELS) {
		const { run, findings } = await checked(client, { level });
		expect(findings, level).toEqual([]);
		expect(run, level).toMatchObject({ state: "done", score: 1, level });
		expect(run.rules.length, level).toBeGreaterThan(3);
	}
	const { run, findings } = await checked(client, {
		level: "full",
		sample: { seed: "s", confidence: 0.9, tolerance: 0.1 },
	});
	expect(findings).toEqual([]);
	expect(run).toMatchObject({ state: "done", score: 1 });
	const status = await client.chain(CHAIN);
	expect(status.consistency).toMatchObject({ level: "full", score: 1, findings: 0, runId: run.id });
	expect((await client.checks(CHAIN)).items.map(({ score }) => score)).toContain(1);
});
