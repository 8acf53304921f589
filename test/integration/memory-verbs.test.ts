/** The verbs of memory on a running service, over a fork: what was added, changed and deleted, and where. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { CHAIN } from "../support/recant.ts";
import { World } from "../support/world.ts";

test("add, get, update, delete, list, search, history, at, explain and diff", async () => {
	const world = await World.create();
	const notes = new RecantClient({ url: world.recant.url }).on(CHAIN, "notes");
	const { block } = await world.block();
	const first = Number(block.number) + 1;
	const text = "the whale sings";
	await notes.add({ id: "whale", content: { mood: "good", age: 7 }, text });
	await notes.add({ id: "anchored", content: {}, anchor: { block: block.hash } });
	expect((await notes.get("whale")).memory).toMatchObject({ content: { mood: "good", age: 7 } });
	await world.block();
	await notes.update("whale", { content: { mood: null, age: 8 } });
	await world.block();
	await notes.delete("whale");
	await expect(notes.get("whale")).rejects.toMatchObject({ code: "memory_not_found" });

	expect((await notes.at(first).get("whale")).memory.content).toEqual({ mood: "good", age: 7 });
	expect((await notes.at(first + 1).list()).items).toMatchObject([
		{ id: "anchored" },
		{ id: "whale", content: { age: 8 } },
	]);
	const ids = async (reads: Pick<typeof notes, "search">) =>
		(await reads.search("whale")).results.map(({ memory }) => memory.id);
	expect(await ids(notes)).not.toContain("whale");
	expect(await ids(notes.at(first))).toContain("whale");

	const contents = async (query: Parameters<typeof notes.history>[1]) =>
		(await notes.history("whale", query)).items.map(({ memory }) => memory?.content);
	const [good, older, none] = [{ mood: "good", age: 7 }, { age: 8 }, undefined];
	expect(await contents({})).toEqual([none, older, good]);
	expect(await contents({ to: first })).toEqual([good]);
	expect(await contents({ from: first + 1, to: first + 1 })).toEqual([older]);
	expect(await contents({ from: first + 1 })).toEqual([none, older]);
	expect(await contents({ to: first - 1 }), "it is known, and said nothing yet").toEqual([]);
	await expect(notes.history("nobody", { to: first })).rejects.toMatchObject({
		code: "memory_not_found",
	});
	const page = await notes.history("whale", { from: first, limit: 1 });
	const next = { from: first, limit: 1, cursor: page.cursor };
	expect((await notes.history("whale", next)).items).toMatchObject([
		{ memory: { content: older } },
	]);
	await expect(notes.history("whale", { ...next, from: first + 1 })).rejects.toMatchObject({
		code: "cursor_invalid",
	});

	await world.block();
	const head = await world.chain.head();
	await world.fork(async (chain) => {
		await chain.drop(4);
		await chain.empty(5);
	});
	expect(await contents({ generation: 0 })).toEqual([none, older, good]);
	const replayed = await notes.history("whale", { generation: 1 });
	expect(replayed.items.map(({ memory }) => memory?.content)).toEqual([none, older, good]);
	expect(replayed.items.every(({ present }) => present)).toBe(true);
	const differs = await notes.diff({ from: head.hash });
	expect(differs.items).toMatchObject([{ id: "anchored", change: "removed" }]);
	expect(await notes.explain("anchored")).toMatchObject({
		operations: [{ operation: { status: "suspended" } }],
		history: [{ present: false }],
	});
});
