/** Settings of namespaces over HTTP, as a client registers and reads them. */
import { describe, expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import type { SettingsInput } from "../../src/client/requests.ts";
import { CHAIN } from "../support/recant.ts";
import { World, type WorldOptions } from "../support/world.ts";

const SETTINGS: SettingsInput = {
	shortTermCapacity: 20,
	policy: "flag",
	schemas: { semantic: { type: "object", required: ["n"] } },
	consolidation: [
		{
			name: "habits",
			layers: ["short_term"],
			groupBy: "topic",
			take: { kind: "frequency", atLeast: 3 },
			everyBlocks: 10,
			halfLifeBlocks: 100,
		},
	],
};

async function served(options: WorldOptions = {}) {
	const world = await World.create(options);
	return { world, client: new RecantClient({ url: world.recant.url }) };
}

describe("settings of a namespace", () => {
	test("are registered whole, read back, and put in the place of those before", async () => {
		const { client } = await served();
		expect(await client.namespace(CHAIN, "desk")).toEqual({
			namespace: "desk",
			source: "none",
			settings: { consolidation: [] },
		});
		const set = await client.setNamespace(CHAIN, "desk", SETTINGS);
		expect(set).toMatchObject({ namespace: "desk", source: "registered", settings: SETTINGS });
		expect(await client.namespace(CHAIN, "desk")).toEqual(set);
		const again = await client.setNamespace(CHAIN, "desk", { policy: "keep" });
		expect(again.settings).toEqual({ policy: "keep", consolidation: [] });
	});

	test("are refused with every problem and its path, and nothing is registered", async () => {
		const { client } = await served();
		const wrong: SettingsInput = {
			schemas: { semantic: { pattern: "(a+)+$" }, episodic: { type: "strin" } },
			consolidation: [{ name: "f", take: { kind: "function", name: "none" } }],
		};
		await expect(client.setNamespace(CHAIN, "desk", wrong)).rejects.toMatchObject({
			status: 400,
			code: "invalid_request",
			problem: {
				problems: expect.arrayContaining([
					expect.objectContaining({
						path: "body.schemas.semantic.pattern",
						code: "schema_invalid",
					}),
					expect.objectContaining({ path: "body.schemas.episodic.type", code: "schema_invalid" }),
					expect.objectContaining({
						path: "body.consolidation[0].take.name",
						code: "unknown_function",
					}),
				]),
			},
		});
		expect((await client.namespace(CHAIN, "desk")).source).toBe("none");
	});

	test("of a wrong form are refused by the same answer", async () => {
		const { client } = await served();
		const twice = { name: "a", take: { kind: "frequency", atLeast: 0 } } as const;
		const wrong = { shortTermCapacity: 0, polcy: "flag", consolidation: [twice, twice] };
		const refused = client.setNamespace(CHAIN, "desk", wrong as unknown as SettingsInput);
		await expect(refused).rejects.toMatchObject({
			code: "invalid_request",
			problem: {
				problems: expect.arrayContaining([
					expect.objectContaining({ path: "body.shortTermCapacity" }),
					expect.objectContaining({ path: "body.polcy" }),
					expect.objectContaining({ path: "body.consolidation[0].take.atLeast" }),
				]),
			},
		});
	});

	test("are not for the handlers' namespaces", async () => {
		const { client } = await served();
		await expect(client.setNamespace(CHAIN, "ledger", {})).rejects.toMatchObject({
			status: 403,
			code: "handler_owned",
		});
	});

	test("stand in the chain's file until others are registered", async () => {
		const { client } = await served({ chainFile: { memory: { desk: { policy: "keep" } } } });
		expect(await client.namespace(CHAIN, "desk")).toMatchObject({
			source: "declared",
			settings: { policy: "keep" },
		});
		await client.setNamespace(CHAIN, "desk", { policy: "flag" });
		expect(await client.namespace(CHAIN, "desk")).toMatchObject({
			source: "registered",
			settings: { policy: "flag" },
		});
	});
});

test("a chain's file with wrong settings is refused with every problem", async () => {
	const memory = {
		desk: { schemas: { semantic: { $ref: "https://example.com" } } },
		ledger: { policy: "keep" },
	} as const;
	await expect(World.create({ chainFile: { memory } })).rejects.toMatchObject({
		code: "chains_file_invalid",
		message: expect.stringMatching(/memory\.desk\.schemas\.semantic\.\$ref.*memory\.ledger/),
	});
});

test("the list names what was written and what has settings, page by page, with counts", async () => {
	const { world, client } = await served();
	await world.write(
		{ op: "put", id: "a", content: { n: 1 } },
		{ op: "put", id: "b", content: { n: 1 }, layer: "episodic" },
		{ op: "put", id: "c", content: { n: 1 }, namespace: "zoo" },
	);
	await world.write({ op: "delete", id: "c", namespace: "zoo" });
	await client.setNamespace(CHAIN, "desk", {});
	const all = await client.namespaces(CHAIN, { counts: true });
	expect(all.items).toMatchObject([
		{
			namespace: "default",
			owner: "agent",
			hasSettings: false,
			memories: { semantic: 1, episodic: 1 },
		},
		{ namespace: "desk", owner: "agent", hasSettings: true, memories: { semantic: 0 } },
		{ namespace: "ledger", owner: "handler", hasSettings: false },
		{ namespace: "zoo", owner: "agent", hasSettings: false, memories: { semantic: 0 } },
	]);
	expect(all.items[2]?.memories?.semantic).toBeGreaterThan(0);
	const names: string[] = [];
	let cursor: string | undefined;
	do {
		const page = await client.namespaces(CHAIN, { limit: 1, cursor });
		names.push(...page.items.map(({ namespace }) => namespace));
		cursor = page.cursor;
	} while (cursor !== undefined);
	expect(names).toEqual(["default", "desk", "ledger", "zoo"]);
});
