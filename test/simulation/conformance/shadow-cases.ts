/** States that are built beside the present one, and how a rollback's commit brings the rows to one. */
import { expect } from "vitest";
import { FOREVER } from "../../../src/domain/ids.ts";
import { contentHash } from "../../../src/memory/canonical.ts";
import type { Shadow, ShadowRow } from "../../../src/restore/shadow-store.ts";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { claimed } from "./rollback-cases.ts";
import { CHAIN, hashOf, keyOf, NAMESPACE, rollbackId, Scribe, uuid } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const SHADOW: Shadow = {
	shadowId: uuid(200),
	chainId: CHAIN,
	purpose: "rollback",
	ownerId: rollbackId(1),
	height: 1n,
};

export const SHADOW_CASES: readonly ConformanceCase[] = [
	{
		name: "rows are put, replaced and read by key",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 1n), shadowRow("b", 2n)]);
			const vector = Float32Array.of(1, 0.25);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 3n, { vector, importance: 0.5 })]);
			const rows = await shadows.rows(SHADOW.shadowId, ["a", "c"].map(keyOf));
			expect(rows.get(keyOf("a"))).toEqual(shadowRow("a", 3n, { vector, importance: 0.5 }));
			expect(rows.size).toBe(1);
		},
	},
	{
		name: "what the same owner had before is deleted with a new shadow, and who writes to it is fenced",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 1n)]);
			await shadows.begin({ ...SHADOW, shadowId: uuid(201) });
			const late = shadows.put(SHADOW.shadowId, [shadowRow("b", 1n)]);
			await expect(late).rejects.toMatchObject({ code: "rollback_fenced" });
			await shadows.put(SHADOW.shadowId, []);
			expect((await stores.dump())["shadow_versions"]).toEqual([]);
		},
	},
	{
		name: "a memory is removed only in the layer that it is in",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 1n), shadowRow("b", 2n)]);
			await shadows.remove(SHADOW.shadowId, [
				{ layer: "episodic", memoryKey: keyOf("a") },
				{ layer: "semantic", memoryKey: keyOf("b") },
			]);
			const left = await shadows.page(SHADOW.shadowId, { after: undefined, limit: 9 });
			expect(left.map((row) => row.id)).toEqual(["a"]);
		},
	},
	{
		name: "rows come in pages by rising key",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			const names = ["a", "b", "c", "d", "e"];
			await shadows.put(
				SHADOW.shadowId,
				names.map((id, index) => shadowRow(id, BigInt(index))),
			);
			const keys = names.map(keyOf).sort();
			const first = await shadows.page(SHADOW.shadowId, { after: undefined, limit: 3 });
			expect(first.map((row) => row.memoryKey)).toEqual(keys.slice(0, 3));
			const rest = await shadows.page(SHADOW.shadowId, { after: keys[2], limit: 3 });
			expect(rest.map((row) => row.memoryKey)).toEqual(keys.slice(3));
		},
	},
	{
		name: "what ends by itself is found, tombstones are not",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [
				shadowRow("at 3", 1n, { expiresBlock: 3n }),
				shadowRow("at 9", 2n, { expiresBlock: 9n }),
				shadowRow("by time", 3n, { expiresTime: 50n }),
				shadowRow("gone", 4n, { content: undefined, expiresBlock: 3n }),
			]);
			const range = { above: 2n, to: 5n, time: 49n };
			expect(await shadows.expiring(SHADOW.shadowId, range)).toEqual([keyOf("at 3")]);
			const later = await shadows.expiring(SHADOW.shadowId, { ...range, above: 3n, time: 50n });
			expect(later).toEqual([keyOf("by time")]);
		},
	},
	{
		name: "a shadow is dropped with its rows, twice is once",
		run: async (stores) => {
			const { shadows } = stores.ports;
			await Scribe.open(stores);
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 1n)]);
			await shadows.drop(SHADOW.shadowId);
			await shadows.drop(SHADOW.shadowId);
			expect((await stores.dump())["shadow_versions"]).toEqual([]);
		},
	},
	{
		name: "rows that stand as the shadow has them are marked, with their generation",
		run: async (stores) => {
			await claimed(stores);
			const { shadows, restored, writer } = stores.ports;
			const [row] = (await writer.latestVersions(CHAIN, [keyOf("b")])).get(keyOf("b")) ?? [];
			if (row === undefined) throw new RangeError("no row");
			const { toBlock: _to, toGen: _gen, ...same } = row;
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [
				{ ...same, fromGen: 9n, vector: undefined },
				shadowRow("a", 9n),
			]);
			await restored.settle(SHADOW, 1n);
			const marked = ((await stores.dump())["shadow_versions"] ?? []).map((each) => [
				each["id"],
				each["kept"],
				each["from_gen"],
			]);
			expect(marked.sort()).toEqual([
				["a", "false", "1"],
				["b", "true", "0"],
			]);
		},
	},
	{
		name: "tombstones that hold are taken over, those written over above the height as rows of their own",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: ["open", "over", "shadowed"].map((id) => ({ id })), seals: 1 });
			const gone = ["open", "over", "shadowed"].map((id) => ({ id, content: undefined }));
			await scribe.commit({ puts: gone, seals: 1 });
			await scribe.commit({ puts: [{ id: "over" }], seals: 1 });
			const { shadows, restored } = stores.ports;
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("shadowed", 50n)]);
			await restored.settle(SHADOW, 1n);
			const rows = (await stores.dump())["shadow_versions"] ?? [];
			expect(rows.map((row) => [row["id"], row["kept"], row["from_gen"]]).sort()).toEqual([
				["open", "true", "0"],
				["over", "false", "1"],
				["shadowed", "false", "1"],
			]);
		},
	},
	{
		name: "the latest version of a memory is the shadow's, else what had ended by itself",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "ended", expiresBlock: 1n }, { id: "other" }], seals: 2 });
			const { shadows, restored } = stores.ports;
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [shadowRow("a", 50n, { expiresBlock: 7n })]);
			const found = await restored.latestVersions(SHADOW, ["a", "ended", "other"].map(keyOf));
			expect(found.get(keyOf("a"))).toMatchObject([
				{ versionId: 50n, toBlock: 7n, toGen: FOREVER },
			]);
			expect(found.get(keyOf("ended"))).toMatchObject([{ toBlock: 1n }]);
			expect(found.has(keyOf("other"))).toBe(false);
		},
	},
	{
		name: "population, order of writing and vectors of a restored state",
		run: async (stores) => {
			const { shadows, restored, inbox } = stores.ports;
			const scribe = await Scribe.open(stores);
			await inbox.ensureCollection(CHAIN, { name: "n", model: "m", dimensions: 1 });
			const puts = [{ id: "known", collection: "n" }];
			await scribe.commit({ puts, vectors: { known: [4] }, seals: 1 });
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [
				shadowRow("a", 11n, { layer: "short_term" }),
				shadowRow("b", 12n, { layer: "short_term", vector: Float32Array.of(2) }),
				shadowRow("c", 13n),
				shadowRow("ended", 14n, { expiresBlock: 1n }),
			]);
			const query = { namespace: NAMESPACE, layers: ["short_term", "semantic"], limit: 2 } as const;
			expect(await restored.population(SHADOW, query)).toEqual(["c", "b"].map(keyOf));
			const order = await restored.writingOrder(SHADOW, { namespace: NAMESPACE, limit: 9 });
			expect(order.map((each) => each.memoryKey)).toEqual(["a", "b"].map(keyOf));
			const vectors = await restored.vectors(SHADOW, [1n, 11n, 12n]);
			expect([...vectors.entries()].map(([id, vector]) => [id, vector[0]]).sort()).toEqual(
				[
					[1n, 4],
					[12n, 2],
				].sort(),
			);
		},
	},
	{
		name: "what is believed otherwise is what differs from the shadow, or ends until then",
		run: async (stores) => {
			const { scribe } = await claimed(stores);
			await scribe.commit({ puts: [{ id: "ends", expiresBlock: 9n }], seals: 1 });
			const { shadows, restored, writer } = stores.ports;
			const rows = await writer.latestVersions(CHAIN, [keyOf("b")]);
			const [row] = rows.get(keyOf("b")) ?? [];
			if (row === undefined) throw new RangeError("no row");
			const { toBlock: _to, toGen: _gen, ...same } = row;
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [{ ...same, vector: undefined }]);
			await restored.settle(SHADOW, 1n);
			const look = async (limit: number, after?: string) =>
				(
					await restored.believedOtherwise(SHADOW, {
						at: 4n,
						expiringTo: 9n,
						expiringTime: 0n,
						after: after === undefined ? undefined : keyOf(after),
						limit,
					})
				).map(({ memoryKey }) => memoryKey);
			const others = ["a", "c", "ends"].map(keyOf).sort();
			expect(await look(9)).toEqual(others);
			expect(await look(1)).toEqual(others.slice(0, 1));
		},
	},
	{
		name: "rows without a vector are found until they have one",
		run: async (stores) => {
			const { shadows, restored, inbox } = stores.ports;
			const scribe = await Scribe.open(stores);
			await inbox.ensureCollection(CHAIN, { name: "n", model: "m", dimensions: 1 });
			const puts = [{ id: "known", collection: "n", text: "t" }];
			await scribe.commit({ puts, vectors: { known: [4] }, seals: 1 });
			const texts = { collection: "n", text: "t" };
			await shadows.begin(SHADOW);
			await shadows.put(SHADOW.shadowId, [
				shadowRow("known", 1n, texts),
				shadowRow("new", 12n, texts),
				shadowRow("given", 13n, { ...texts, vectorHash: hashOf("v") }),
				shadowRow("no text", 14n, { collection: "n" }),
				shadowRow("ended", 15n, { ...texts, expiresBlock: 1n }),
			]);
			const look = async (anew: boolean) =>
				(await restored.unembedded(SHADOW, { anew, after: undefined, limit: 9 })).map(
					({ id }) => id,
				);
			expect(await look(false)).toEqual(["new"]);
			expect((await look(true)).sort()).toEqual(["known", "new"]);
			await restored.giveVectors(SHADOW, new Map([[keyOf("new"), Float32Array.of(7)]]));
			expect(await look(false)).toEqual([]);
		},
	},
	{
		name: "snapshots at or below a height that can be used, the newest first",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { blocks, checkpoints } = await scribe.commit({ seals: 4 });
			const at = (height: number, number: number, parts: object = {}) => ({
				snapshotId: uuid(number),
				chainId: CHAIN,
				state: "verified" as const,
				cause: "operator" as const,
				height: BigInt(height),
				generation: 0n,
				blockHash: blocks[height]?.hash ?? ("0x" as const),
				logPosition: checkpoints[height]?.logPosition ?? 0n,
				...parts,
			});
			await stores.addSnapshot(at(1, 1));
			await stores.addSnapshot(at(3, 2));
			await stores.addSnapshot(at(2, 3, { state: "stored" }));
			await stores.addSnapshot(at(2, 4, { cause: "import" }));
			await stores.addSnapshot(at(2, 5));
			const usable = async (height: bigint) =>
				(await stores.ports.restored.snapshots(CHAIN, height)).map(({ snapshotId }) => snapshotId);
			expect(await usable(3n)).toEqual([2, 5, 1].map(uuid));
			expect(await usable(2n)).toEqual([5, 1].map(uuid));
			await stores.ports.restored.snapshotDamaged(uuid(5), { code: "x", message: "y" });
			expect(await usable(2n)).toEqual([uuid(1)]);
		},
	},
	{
		name: "a commit with a shadow brings the rows to it before the batch",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks, shadows, restored, inbox } = stores.ports;
			await inbox.ensureCollection(CHAIN, { name: "n", model: "m", dimensions: 1 });
			await shadows.begin(SHADOW);
			const vector = Float32Array.of(5);
			const standing = await stores.ports.writer.latestVersions(CHAIN, [keyOf("b")]);
			const kept = (standing.get(keyOf("b")) ?? []).map(
				({ toBlock: _to, toGen: _gen, ...row }) => ({ ...row, vector: undefined }),
			);
			await shadows.put(SHADOW.shadowId, [
				...kept,
				shadowRow("a", 1n, { collection: "n", text: "restored", vector }),
				shadowRow("back", 2n),
				shadowRow("ended", 2n, { expiresBlock: 1n }),
			]);
			await restored.settle(SHADOW, 1n);
			await rollbacks.prepared(rollbackId(1), 1, { parts: [], counts: NO_COUNTS });
			const plain = await scribe.rollbackCommit(
				{ rollbackId: rollbackId(1), attempt: 1 },
				{ ancestor },
			);
			const changes = { closeBlock: [], closeGen: [], insert: [], newMemories: [] };
			const commit = { ...plain, shadow: SHADOW, batch: { ...plain.batch, changes } };
			await rollbacks.commit(commit);
			const rows = await stores.ports.writer.latestVersions(
				CHAIN,
				["a", "b", "back", "c"].map(keyOf),
			);
			const stands = [...rows].map(([key, [row]]) => [key, row?.fromGen, row?.versionId]);
			expect(stands.sort()).toEqual(
				[
					[keyOf("a"), 1n, 1n],
					[keyOf("b"), 0n, 2n],
					[keyOf("back"), 1n, 2n],
				].sort(),
			);
		},
	},
	{
		name: "a commit with a shadow and an old fence changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks, shadows } = stores.ports;
			await shadows.begin(SHADOW);
			await rollbacks.prepared(rollbackId(1), 1, { parts: [], counts: NO_COUNTS });
			const plain = await scribe.rollbackCommit(
				{ rollbackId: rollbackId(1), attempt: 1 },
				{ ancestor },
			);
			const before = await stores.dump();
			const late = rollbacks.commit({ ...plain, shadow: SHADOW, fence: plain.fence - 1n });
			await expect(late).rejects.toMatchObject({ code: "lease_lost" });
			expect(await stores.dump()).toEqual(before);
		},
	},
	{
		name: "the log is read by kinds that decide the state, verdicts with what they are about",
		run: async (stores: StoresUnderTest) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({
				puts: [{ id: "a" }],
				log: [
					{ kind: "operation", operationId: undefined, body: '{"said":1}' },
					{ kind: "finality" },
					{ kind: "rollback", height: 0n, generation: 1n },
					{ kind: "verdict", body: '{"verdict":"recanted"}' },
				],
				seals: 1,
			});
			const { log } = stores.ports;
			const entries = await log.entries(CHAIN, { above: 0n, to: 99n, limit: 9 });
			expect(entries.map(({ kind }) => kind)).toEqual([
				"derived",
				"operation",
				"rollback",
				"verdict",
			]);
			expect(await log.entries(CHAIN, { above: 1n, to: 3n, limit: 9 })).toHaveLength(1);
			expect(await log.entries(CHAIN, { above: 0n, to: 99n, limit: 2 })).toHaveLength(2);
			expect(await log.rollbacks(CHAIN)).toMatchObject([{ generation: 1n, ancestor: 0n }]);
			expect(await log.hasGroups(CHAIN, { above: 0n, to: 1n })).toBe(true);
			expect(await log.hasGroups(CHAIN, { above: 1n, to: 9n })).toBe(false);
		},
	},
];

export function shadowRow(
	id: string,
	versionId: bigint,
	parts: Partial<ShadowRow> = {},
): ShadowRow {
	const body = {
		namespace: NAMESPACE,
		id,
		layer: "semantic" as const,
		owner: "agent" as const,
		content: { restored: id },
		text: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		vectorHash: undefined,
		expiresTime: undefined,
		expiresBlock: undefined,
		...parts,
	};
	return {
		memoryKey: keyOf(id),
		fromBlock: 0n,
		fromGen: 1n,
		versionId,
		position: versionId,
		contentHash: contentHash(body),
		suspect: false,
		grounds: undefined,
		vector: undefined,
		...body,
	};
}
