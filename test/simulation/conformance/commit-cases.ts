/** The one commit point of the writer (INV-1 to INV-4). */
import { expect } from "vitest";
import { FOREVER } from "../../../src/domain/ids.ts";
import { CHAIN, keyOf, NAMESPACE, Scribe } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const LOST = { code: "lease_lost", retryable: true };

export const COMMIT_CASES: readonly ConformanceCase[] = [
	{
		name: "a commit is there whole: head, log, versions, checkpoint, roots",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const finality = { safe: 0n, finalized: 0n };
			const batch = await scribe.commit({ puts: [{ id: "a" }, { id: "b" }], seals: 2, finality });
			const { state, window } = await stores.ports.writer.loadChain(CHAIN);
			expect(window.map(({ number }) => number)).toEqual([0n, 1n]);
			expect(state).toMatchObject({
				head: batch.head,
				roots: batch.roots,
				logPosition: 4n,
				versionSeq: 2n,
			});
			const { rollbacks } = stores.ports;
			expect(await rollbacks.checkpoint(CHAIN, 1n)).toEqual(batch.checkpoints[1]);
			expect(await rollbacks.block(CHAIN, 0n)).toEqual(batch.blocks[0]);
			expect(await rollbacks.block(CHAIN, 2n)).toBeUndefined();
		},
	},
	{
		name: "a commit with an old fence changes nothing",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			const batch = await scribe.batch({ puts: [{ id: "a" }], seals: 1 });
			await unchangedBy(stores, () =>
				stores.ports.writer.commit(batch, { fence: scribe.fence - 1n, generation: 0n }),
			);
		},
	},
	{
		name: "a commit with the fence of a holder that was overtaken changes nothing",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const batch = await scribe.batch({ puts: [{ id: "a" }], seals: 1 });
			await stores.pass(60_000);
			await stores.ports.writer.acquireLease(CHAIN, "other", 60_000);
			await unchangedBy(stores, () => stores.ports.writer.commit(batch, scribe.expected));
		},
	},
	{
		name: "a commit of a holder whose lease lapsed takes place while nobody took it",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await stores.pass(60_000);
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			expect((await stores.ports.writer.loadChain(CHAIN)).state.logPosition).toBe(2n);
		},
	},
	{
		name: "a commit from another generation changes nothing",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const batch = await scribe.batch({ puts: [{ id: "a" }] });
			await unchangedBy(stores, () =>
				stores.ports.writer.commit(batch, { ...scribe.expected, generation: 1n }),
			);
		},
	},
	{
		name: "a commit that was made against an older log position changes nothing",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const batch = await scribe.batch({ puts: [{ id: "a" }] });
			await scribe.commit({ puts: [{ id: "b" }] });
			await unchangedBy(stores, () => stores.ports.writer.commit(batch, scribe.expected));
		},
	},
	{
		name: "the same commit twice takes place once",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const batch = await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			await unchangedBy(stores, () => stores.ports.writer.commit(batch, scribe.expected));
		},
	},
	{
		name: "heights that a backfill leaves out are noted, one range for what goes on",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({
				puts: [{ id: "a" }],
				seals: 2,
				thins: { from: 1n, to: 2n, every: 50 },
			});
			await scribe.commit({
				puts: [{ id: "a" }],
				seals: 1,
				thins: { from: 3n, to: 3n, every: 50 },
			});
			await scribe.commit({ puts: [{ id: "a" }], seals: 1, thins: { from: 4n, to: 4n, every: 7 } });
			await scribe.commit({ puts: [{ id: "a" }], seals: 1, thins: { from: 4n, to: 5n, every: 9 } });
			const tables = await stores.dump();
			expect(tables["thinned_ranges"]).toMatchObject([
				{ from_block: "1", to_block: "3", every: "50" },
				{ from_block: "4", to_block: "5", every: "9" },
			]);
		},
	},
	{
		name: "a commit of a chain that is not there is refused",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const batch = await scribe.batch({});
			const elsewhere = stores.ports.writer.commit({ ...batch, chainId: 7 }, scribe.expected);
			await expect(elsewhere).rejects.toMatchObject(LOST);
		},
	},
	{
		name: "a version that is written over ends where the next begins",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 3 });
			await scribe.commit({ puts: [{ id: "a" }] });
			const rows = (await stores.ports.writer.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a"));
			const spans = rows?.map(({ fromBlock, toBlock }) => [fromBlock, toBlock]);
			expect(spans).toEqual([
				[3n, FOREVER],
				[0n, 3n],
			]);
		},
	},
	{
		name: "a slot that is written twice keeps the later version in its row",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a", importance: 0.25 }] });
			await scribe.commit({
				puts: [{ id: "a", layer: "long_term", confidence: 0.5, text: "later" }],
			});
			const rows = (await stores.ports.writer.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a"));
			expect(rows).toMatchObject([{ versionId: 2n, layer: "long_term", text: "later" }]);
			expect(rows?.[0]?.importance).toBeUndefined();
		},
	},
	{
		name: "a deletion is a tombstone with a span, of which no source is",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			await scribe.commit({ puts: [{ id: "a", content: undefined }] });
			const rows = (await stores.ports.writer.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a"));
			expect(rows?.map(({ content }) => content === undefined)).toEqual([true, false]);
			const [tombstone] = rows ?? [];
			const source = { namespace: NAMESPACE, id: "a", contentHash: tombstone?.contentHash ?? "0x" };
			expect(await stores.ports.writer.heldSources(CHAIN, [source], 9n)).toEqual(new Map());
		},
	},
	{
		name: "a memory that comes back in another layer has a name in both",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const look = (layer: "semantic" | "episodic") =>
				stores.ports.writer.population(CHAIN, {
					namespace: NAMESPACE,
					layers: [layer],
					height: 9n,
					limit: 10,
				});
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			await scribe.commit({ puts: [{ id: "a", content: undefined }], seals: 1 });
			await scribe.commit({ puts: [{ id: "a", layer: "episodic" }], seals: 1 });
			expect(await look("semantic")).toEqual([]);
			expect(await look("episodic")).toEqual([keyOf("a")]);
		},
	},
	{
		name: "contents come back as canonical JSON keeps them",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const content = { z: [1, { y: null, b: "é\u0000" }], a: -0, n: 1e21, nested: { k: true } };
			await scribe.commit({ puts: [{ id: "a", content: { ...content, "": "empty" } }] });
			const [row] =
				(await stores.ports.writer.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a")) ?? [];
			expect(JSON.stringify(row?.content)).toBe(
				'{"":"empty","a":0,"n":1e+21,"nested":{"k":true},"z":[1,{"b":"é\\u0000","y":null}]}',
			);
		},
	},
	{
		name: "every field of a version comes back",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const fields = {
				layer: "short_term",
				owner: "handler",
				text: "some text",
				collection: "notes",
				importance: 0.1,
				confidence: 1 / 3,
				vectorHash: `0x${"ab".repeat(32)}`,
				expiresTime: 2_000n,
				suspect: true,
				grounds: 4n,
				position: 1n,
			} as const;
			await scribe.commit({ puts: [{ id: "a", ...fields }] });
			const [row] =
				(await stores.ports.writer.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a")) ?? [];
			expect(row).toMatchObject(fields);
		},
	},
	{
		name: "a window is the headers from the head down to the finalized one",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ seals: 6, finality: { safe: 4n, finalized: 3n } });
			const { window, state } = await stores.ports.writer.loadChain(CHAIN);
			expect(window.map(({ number }) => number)).toEqual([3n, 4n, 5n]);
			expect([state.safe, state.finalized]).toEqual([4n, 3n]);
		},
	},
	{
		name: "a window ends above a gap",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ seals: 2 });
			const skipped = {
				number: 5n,
				hash: "0x05" as const,
				parentHash: "0x04" as const,
				timestamp: 5n,
			};
			scribe.head = skipped;
			await scribe.commit({ seals: 2 });
			const { window } = await stores.ports.writer.loadChain(CHAIN);
			expect(window.map(({ number }) => number)).toEqual([6n, 7n]);
		},
	},
	{
		name: "leaves are what the pending slot holds, and what is still to end in it",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = [
				{ id: "stays" },
				{ id: "ends next", expiresBlock: 1n },
				{ id: "ends later", expiresBlock: 2n },
				{ id: "goes" },
			];
			await scribe.commit({ puts, seals: 1 });
			await scribe.commit({ puts: [{ id: "goes", content: undefined }, { id: "new" }] });
			expect(await leavesOf(stores)).toEqual(4);
			await scribe.commit({ puts: [{ id: "ends next" }] });
			expect(await leavesOf(stores)).toEqual(4);
			await scribe.commit({ seals: 1 });
			expect(await leavesOf(stores)).toEqual(4);
			await scribe.commit({ seals: 1 });
			expect(await leavesOf(stores)).toEqual(3);
		},
	},
	{
		name: "more leaves than one page",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const layers = ["semantic", "episodic", "long_term", "short_term"] as const;
			const puts = Array.from({ length: 150 }, (_, index) => ({
				id: `memory ${index}`,
				layer: layers[index % 4] ?? "semantic",
			}));
			await scribe.commit({ puts, seals: 1 });
			expect(await leavesOf(stores)).toEqual(150);
		},
	},
	{
		name: "two chains do not see each other",
		run: async (stores) => {
			const first = await Scribe.open(stores, 1);
			const second = await Scribe.open(stores, 2);
			await first.commit({ puts: [{ id: "a" }], seals: 2 });
			await second.commit({ puts: [{ id: "a" }], seals: 1 });
			const { writer } = stores.ports;
			expect((await writer.loadChain(2)).state.head?.number).toBe(0n);
			expect((await writer.latestVersions(2, [keyOf("a")])).get(keyOf("a"))).toHaveLength(1);
		},
	},
];

/** The work is refused as late, and every table is as before. */
export async function unchangedBy(
	stores: StoresUnderTest,
	work: () => Promise<unknown>,
	refusal: object = LOST,
): Promise<void> {
	const before = await stores.dump();
	await expect(work()).rejects.toMatchObject(refusal);
	expect(await stores.dump()).toEqual(before);
}

async function leavesOf(stores: StoresUnderTest): Promise<number> {
	let bytes = 0;
	for await (const piece of stores.ports.writer.leaves(CHAIN)) bytes += piece.bytes.length;
	return bytes / 48;
}
