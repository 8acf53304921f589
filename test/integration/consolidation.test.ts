/** Consolidation as agents see it: by demand, by schedule, and with what comes new. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import type { SettingsInput } from "../../src/client/requests.ts";
import { CHAIN } from "../support/recant.ts";
import { World } from "../support/world.ts";

const HABITS = {
	name: "habits",
	layers: ["short_term"],
	groupBy: "topic",
	take: { kind: "frequency", atLeast: 2 },
	halfLifeBlocks: 4,
} satisfies NonNullable<SettingsInput["consolidation"]>[number];

async function served(settings: SettingsInput) {
	const world = await World.create();
	const client = new RecantClient({ url: world.recant.url });
	await client.setNamespace(CHAIN, "default", settings);
	const note = (id: string, topic: string) =>
		({ op: "put", id, layer: "short_term", content: { topic, by: "me", id } }) as const;
	const made = async () =>
		(await client.memories(CHAIN, { namespace: "default", layer: "long_term" })).items;
	return { world, client, note, made };
}

test("by demand: patterns with support and sources, once; what comes new is added, and fading begins anew", async () => {
	const { world, client, note, made } = await served({ consolidation: [HABITS] });
	await client.write(CHAIN, [note("1", "fees"), note("2", "fees"), note("3", "gas")]);
	const done = await client.consolidate(CHAIN, { rule: "habits" });
	expect(done).toMatchObject({ committed: true, operations: [{ status: "applied" }] });
	const [first, ...others] = await made();
	expect(others).toEqual([]);
	expect(first).toMatchObject({
		id: "consolidated:habits:fees",
		content: { rule: "habits", group: "fees", pattern: { topic: "fees", by: "me" }, support: 2 },
		confidence: 0.5,
		confidenceNow: 0.5,
	});
	await client.consolidate(CHAIN);
	expect(await made(), "nothing new, nothing written").toMatchObject([
		{ versionId: first?.versionId },
	]);

	for (let block = 0; block < 4; block += 1) await world.block();
	const [faded] = await made();
	expect(faded?.confidence).toBe(0.5);
	expect(faded?.confidenceNow).toBeCloseTo(0.25, 6);
	await client.write(CHAIN, note("4", "fees"));
	await client.consolidate(CHAIN);
	const [again] = await made();
	expect(again?.content["support"]).toBe(3);
	expect(again?.confidenceNow).toBe(again?.confidence);
	expect(again?.confidence).toBeGreaterThan(0.6);
});

test("by schedule: at heights that are multiples, as part of the block", async () => {
	const { world, client, note, made } = await served({
		consolidation: [{ ...HABITS, everyBlocks: 2 }],
	});
	await client.write(CHAIN, [note("1", "fees"), note("2", "fees")]);
	await world.block();
	await world.block();
	const [memory] = await made();
	expect(memory).toMatchObject({ content: { group: "fees", support: 2 } });
	expect(BigInt(memory?.since ?? "1") % 2n).toBe(0n);
});

test("a rule that is not there, and the id of what a rule makes, are refused", async () => {
	const { client } = await served({ consolidation: [HABITS] });
	await expect(client.consolidate(CHAIN, { rule: "none" })).rejects.toMatchObject({
		code: "invalid_request",
		hint: "it has: habits",
	});
});
