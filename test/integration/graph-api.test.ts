/** Links, walks, episodes, explanations and differences of what was written over HTTP, across a fork. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import {
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";

let anvil: Anvil;
let installation: Installation;
let service: RunningService;
/** Of the block that the fork took back, in which `omen` and what rests on it began. */
let orphaned: string;
let rollbackId: string;

function note(id: string, more: object = {}): object {
	return { op: "put", id, layer: "semantic", content: { id }, ...more };
}

function event(id: string, more: object = {}): object {
	return { op: "put", id, layer: "episodic", content: { id }, ...more };
}

function link(from: string, type: string, to: string, more: object = {}): object {
	return { op: "link", from, type, to: { id: to }, ...more };
}

async function written(...operations: readonly object[]): Promise<void> {
	const answer = await service.write({ operations });
	const statuses = answer.body.operations?.map((each: { status: string }) => each.status);
	expect(new Set(statuses), answer.text).toEqual(new Set(["applied"]));
}

async function hashOf(id: string): Promise<string> {
	return (await service.chain(`/memories/${id}`)).body.memory.contentHash;
}

async function get(path: string) {
	const { status, body } = await service.chain(path);
	expect(status, JSON.stringify(body)).toBe(200);
	return body;
}

/**
 * Up to block 6: animals, a chain of three events. In block 7, which is anchored: an omen and what was
 * concluded from it, and a link between memories that stay. Then another block 7 and 8.
 */
beforeAll(async () => {
	installation = await makeInstallation("graph api");
	const node = await startTokenNode();
	anvil = node.anvil;
	await anvil.mine(4);
	service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: node.token.address })],
	});
	await service.reaches(5);
	await written(note("cat"), note("mammal"), note("animal"), event("rain"));
	await written(
		link("cat", "isA", "mammal", { weight: 0.5 }),
		link("mammal", "isA", "animal"),
		event("flood", { causedBy: [{ id: "rain" }] }),
	);
	await written(event("move", { causedBy: [{ id: "flood" }] }));
	await anvil.mine(1);
	await service.reaches(6);
	const snapshot = await anvil.snapshot();
	await anvil.mine(1);
	await service.reaches(7);
	orphaned = (await get("/blocks?from=7&to=7")).items[0].hash;
	await written(event("omen", { anchor: { block: orphaned } }));
	const source = { id: "omen", contentHash: await hashOf("omen") };
	await written(note("prophecy", { derivedFrom: [source] }), link("cat", "knows", "animal"));
	await anvil.revert(snapshot);
	await anvil.mine(3);
	await until("the fork to be followed", async () => (await get("")).generation === "1");
	await service.reaches(9);
	rollbackId = (await get("/rollbacks")).items[0].id;
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await installation?.remove();
});

function idsOf(body: { readonly items: readonly { readonly memory: { readonly id: string } }[] }) {
	return body.items.map(({ memory }) => memory.id);
}

describe("the graph over HTTP", () => {
	it("shows links in both directions, by type and by weight", async () => {
		const all = await get("/memories/mammal/links");
		expect(all.items).toMatchObject([
			{ direction: "out", link: { type: "isA", weight: 1 }, memory: { id: "animal" } },
			{ direction: "in", link: { type: "isA", weight: 0.5 }, memory: { id: "cat" } },
		]);
		expect(idsOf(await get("/memories/mammal/links?minWeight=0.7"))).toEqual(["animal"]);
		expect(idsOf(await get("/memories/cat/links?type=knows"))).toEqual(["animal"]);
	});

	it("walks up and down the hierarchy, and along causes in the order of events", async () => {
		const up = await get("/memories/cat/ancestors");
		expect(up.items).toMatchObject([
			{ memory: { id: "mammal" }, depth: 1 },
			{ memory: { id: "animal" }, depth: 2, path: [{ id: "mammal" }, { id: "animal" }] },
		]);
		expect(idsOf(await get("/memories/animal/descendants"))).toEqual(["mammal", "cat"]);
		expect(idsOf(await get("/memories/move/causes"))).toEqual(["rain", "flood"]);
		expect(idsOf(await get("/memories/rain/consequences"))).toEqual(["flood", "move"]);
	});

	it("reads at a height before links were there, and at the block that was taken back", async () => {
		expect(idsOf(await get("/episodes?namespace=default&at=5"))).toEqual([]);
		const now = await get("/episodes?namespace=default");
		expect(idsOf(now)).toEqual(["rain", "flood", "move"]);
		expect((await service.chain("/memories/cat/links?at=5")).body.code).toBe("memory_not_found");
	});
});

describe("an explanation over HTTP", () => {
	it("says why a conclusion is gone, and what had taken its source", async () => {
		const told = await get("/memories/prophecy/explain");
		expect(told.memory).toBeUndefined();
		expect(told.operations).toMatchObject([
			{
				operation: { status: "suspended", reason: { code: "source_absent" } },
				verdicts: [{ verdict: "suspended", generation: "1" }],
			},
		]);
		expect(told.sources).toMatchObject([
			{ id: "omen", state: "lost", memory: { content: { id: "omen" } } },
		]);
		expect(told.rollbacks).toMatchObject([{ rollbackId, effect: "gone" }]);
		const omen = await get("/memories/omen/explain");
		expect(omen.dependents).toMatchObject([{ id: "prophecy", state: "suspended" }]);
		expect(omen.operations).toMatchObject([{ operation: { status: "suspended" } }]);
		expect(omen.blocks).toContainEqual(expect.objectContaining({ canonical: true }));
	});

	it("says that what rests on nothing is finalized, and was carried on", async () => {
		const told = await get("/memories/cat/explain");
		expect(told).toMatchObject({ finality: "finalized", memory: { content: { id: "cat" } } });
		expect(told.truncated).toEqual([]);
	});
});

describe("a difference over HTTP", () => {
	it("between the end of the old branch and now names the rollback", async () => {
		const { items } = await get("/diff?from=8&fromGeneration=0&to=pending&namespace=default");
		const named = Object.fromEntries(
			items.map((each: { id: string; change: string; cause?: string }) => [
				each.id,
				[each.change, each.cause],
			]),
		);
		expect(named).toMatchObject({
			omen: ["removed", rollbackId],
			prophecy: ["removed", rollbackId],
		});
	});
});
