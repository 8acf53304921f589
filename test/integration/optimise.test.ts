/** Dropping what is of no use any more: what goes, what stays, and that only what was looked at goes. */
import { describe, expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { CHAIN } from "../support/recant.ts";
import { GENESIS_TIMESTAMP } from "../support/test-chain.ts";
import { World } from "../support/world.ts";

async function served() {
	const world = await World.create();
	const client = new RecantClient({ url: world.recant.url });
	const ids = async () =>
		(await client.memories(CHAIN, { namespace: "default", limit: 200 })).items
			.map(({ id }) => id)
			.toSorted();
	return { world, client, ids };
}

describe("an optimisation", () => {
	test("drops what is low in confidence as it has faded by now, and a dry run says so", async () => {
		const { world, client, ids } = await served();
		const fading = { halfLifeBlocks: 2 };
		await client.write(CHAIN, [
			{ op: "put", id: "sure", layer: "semantic", content: {}, confidence: 0.9 },
			{
				op: "put",
				id: "unsure",
				layer: "semantic",
				content: { a: "ü" },
				confidence: 0.1,
				text: "hm",
			},
			{ op: "put", id: "faded", layer: "long_term", content: fading, confidence: 0.9 },
			{ op: "put", id: "lasting", layer: "long_term", content: {}, confidence: 0.9 },
			{ op: "put", id: "untold", layer: "semantic", content: fading },
		]);
		const drop = { belowConfidence: 0.5 };
		const before = await client.optimise(CHAIN, { drop }, { dryRun: true });
		expect(before.plan?.items.map(({ id }) => id)).toEqual(["unsure"]);
		expect(before.plan?.frees).toEqual({ memories: 1, bytes: 12, vectors: 1 });
		for (let block = 0; block < 4; block += 1) await world.block();
		const faded = await client.memory(CHAIN, "faded");
		expect(faded.memory).toMatchObject({ confidence: 0.9 });
		expect(faded.memory.confidenceNow).toBeLessThan(0.5);
		expect((await client.memory(CHAIN, "lasting")).memory.confidenceNow).toBe(0.9);

		const all = await ids();
		const dry = await client.optimise(CHAIN, { drop }, { dryRun: true });
		expect(dry.plan?.counts).toEqual({
			expired: 0,
			low_confidence: 2,
			unreachable_link: 0,
			unreachable_memory: 0,
		});
		expect(await ids(), "a dry run changes nothing").toEqual(all);

		const done = await client.optimise(CHAIN, { drop }, { idempotencyKey: "one" });
		expect(done).toMatchObject({ committed: true, outcome: { applied: 2, failed: 0 } });
		expect(await ids()).toEqual(["lasting", "sure", "untold"]);
		const again = await client.optimise(CHAIN, { drop }, { idempotencyKey: "one" });
		expect(again).toMatchObject({ repeated: true, outcome: { applied: 2 } });
		expect((await client.optimise(CHAIN, { drop }, { dryRun: true })).plan?.items).toEqual([]);
	});

	test("drops what has ended by the clock while no block says so", async () => {
		const { client, ids } = await served();
		const past = (BigInt(GENESIS_TIMESTAMP) + 1_000_000n).toString();
		await client.write(CHAIN, [
			{ op: "put", id: "over", layer: "short_term", content: {}, expiresAtTime: past },
			{ op: "put", id: "running", layer: "short_term", content: {}, expiresAtTime: "9000000000" },
		]);
		await client.optimise(CHAIN, { drop: { expired: true } });
		expect(await ids()).toEqual(["running"]);
	});

	test("drops links without an end, and memories that lost all their links, and no others", async () => {
		const { client, ids } = await served();
		const put = (id: string) => ({ op: "put", id, layer: "semantic", content: { id } }) as const;
		await client.write(CHAIN, ["hub", "leaf", "gone", "lone", "alone", "kept"].map(put));
		const link = (from: string, to: string) => ({ op: "link", from, type: "likes", to }) as const;
		await client.write(CHAIN, [link("hub", "leaf"), link("hub", "gone"), link("lone", "gone")]);
		await client.write(CHAIN, { op: "delete", id: "gone" });
		const done = await client.optimise(CHAIN, { drop: { unreachable: true } });
		expect(done.plan?.counts).toMatchObject({ unreachable_link: 2, unreachable_memory: 1 });
		expect(done.outcome).toMatchObject({ applied: 3, failed: 0 });
		expect(await ids()).toEqual(["alone", "hub", "kept", "leaf"]);
		const left = await client.optimise(CHAIN, { drop: { unreachable: true } }, { dryRun: true });
		expect(left.plan?.items).toEqual([]);
	});

	test("may be a refresh of the collections alone, and a dry run says of which", async () => {
		const { client } = await served();
		await client.write(CHAIN, { op: "put", id: "a", layer: "semantic", content: {}, text: "a" });
		const memory = await client.memory(CHAIN, "a");
		const refreshed = await client.optimise(CHAIN, { refresh: true });
		expect(refreshed).toMatchObject({ committed: true, outcome: { applied: 0 } });
		expect(refreshed.refreshed).toMatchObject([{ collection: "default", rows: 4 }]);
		const planned = await client.optimise(CHAIN, { refresh: true }, { dryRun: true });
		expect(planned.plan).toMatchObject({
			...{ frees: { memories: 0 }, items: [] },
			refresh: [{ collection: "default", rows: 4 }],
		});
		expect((await client.memory(CHAIN, "a")).memory).toEqual(memory.memory);
	});

	test("of nothing, and of the handlers' namespaces, is refused", async () => {
		const { client } = await served();
		await expect(client.optimise(CHAIN, { drop: {} })).rejects.toMatchObject({
			code: "invalid_request",
		});
		const ledger = client.optimise(CHAIN, { namespace: "ledger", drop: { unreachable: true } });
		await expect(ledger).rejects.toMatchObject({ code: "handler_owned" });
	});
});
