/** What is deleted when nobody can ask for it any more, and what never is. */
import { expect } from "vitest";
import type { BlockHeader } from "../../../src/domain/block.ts";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { operationId, queue } from "./look-up-cases.ts";
import { recorded, withBlocks } from "./rollback-cases.ts";
import { CHAIN, hashOf, keyOf, NAMESPACE, rollbackId, Scribe, uuid } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const WEEK_MS = 7 * 24 * 3_600_000;
const NOTHING = { orphansBelow: 0n, floor: 0n };

export const RETENTION_CASES: readonly ConformanceCase[] = [
	{
		name: "an orphaned branch stays while its head is not deep enough, and goes when it is",
		run: async (stores) => {
			const { scribe } = await forked(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 3 });
			const before = await stores.dump();
			await prune(scribe, { orphansBelow: 3n, floor: 0n });
			expect(await stores.dump()).toEqual(before);
			await prune(scribe, { orphansBelow: 4n, floor: 0n });
			const after = await stores.dump();
			expect(after["generations"]).toHaveLength(1);
			expect(after["versions"]?.every((row) => row["to_gen"] !== "1")).toBe(true);
			expect(after["blocks"]?.every((row) => row["to_gen"] !== "1")).toBe(true);
			expect(after["checkpoints"]?.every((row) => row["to_gen"] !== "1")).toBe(true);
		},
	},
	{
		name: "nothing is deleted with an old fence",
		run: async (stores) => {
			const { scribe } = await forked(stores);
			const before = await stores.dump();
			scribe.fence -= 1n;
			expect(await prune(scribe, { orphansBelow: 99n, floor: 99n })).toBe(false);
			expect(await stores.dump()).toEqual(before);
		},
	},
	{
		name: "a vector goes with the last row of its version, and not before",
		run: async (stores) => {
			const { scribe, ancestor } = await withBlocks(stores);
			await stores.ports.inbox.ensureCollection(CHAIN, { name: "n", model: "m", dimensions: 1 });
			const puts = [
				{ id: "carried", collection: "n" },
				{ id: "orphan", collection: "n" },
			];
			await scribe.commit({ puts: puts.slice(0, 1), vectors: { carried: [1] }, seals: 1 });
			const [last = ancestor] = (await scribe.commit({ seals: 1 })).blocks;
			await scribe.commit({ puts: puts.slice(1), vectors: { orphan: [2] }, seals: 1 });
			await rolledBack(scribe, last, 1);
			await scribe.commit({ puts: [{ id: "carried" }], seals: 1 });
			await prune(scribe, { orphansBelow: 99n, floor: 0n });
			const vectors = (await stores.dump())["vector_rows"] ?? [];
			expect(vectors.map((row) => row["version_id"])).toEqual(["5"]);
		},
	},
	{
		name: "what an operation was derived from goes with its last version, unless it may come back",
		run: async (stores) => {
			const { scribe, ancestor } = await withBlocks(stores);
			await queue(stores, [operationId(1)]);
			const source = { namespace: NAMESPACE, id: "a", contentHash: hashOf("a") };
			const derived = (position: bigint, id: string) => {
				const place = { position, setNo: 0, sourceNo: 0, depth: 1 };
				return { ...place, memoryKey: keyOf(id), source };
			};
			const base = scribe.position;
			await scribe.commit({
				puts: [{ id: "final" }, { id: "open" }],
				derivations: [derived(base + 1n, "final"), derived(base + 2n, "open")],
				operations: [
					{
						operationId: operationId(1),
						status: "suspended",
						reason: undefined,
						position: base + 2n,
						originalSlot: 4n,
						effectiveSlot: undefined,
						judgedSlot: 4n,
						versionId: undefined,
						suspect: false,
						anchors: { mode: "all", anchors: [] },
					},
				],
				seals: 1,
			});
			await rolledBack(scribe, ancestor, 1);
			await prune(scribe, { orphansBelow: 99n, floor: 0n });
			const rows = (await stores.dump())["derivations"] ?? [];
			expect(rows.map((row) => row["position"])).toEqual([`${base + 2n}`]);
		},
	},
	{
		name: "below the floor only checkpoints at the interval stay",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ seals: 5 });
			await prune(scribe, { orphansBelow: 0n, floor: 3n });
			const heights = ((await stores.dump())["checkpoints"] ?? [])
				.map((row) => row["height"])
				.sort();
			expect(heights).toEqual(["0", "3", "4"]);
			expect((await stores.ports.writer.loadChain(CHAIN)).window).toHaveLength(5);
		},
	},
	{
		name: "requests' keys go when their time is over",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const idempotency = { key: "old", bodyHash: Buffer.from("00", "hex") };
			const empty = { chainId: CHAIN, entries: [], idempotency };
			await stores.ports.inbox.submit(empty);
			await stores.pass(WEEK_MS - 60_000);
			await stores.ports.inbox.submit({ ...empty, idempotency: { ...idempotency, key: "new" } });
			await prune(scribe, NOTHING);
			expect((await stores.dump())["idempotency_keys"]).toHaveLength(2);
			await stores.pass(120_000);
			await prune(scribe, NOTHING);
			const left = (await stores.dump())["idempotency_keys"] ?? [];
			expect(left.map((row) => row["key"])).toEqual(["new"]);
		},
	},
	{
		name: "states that were built for what is over are deleted, and those under way are not",
		run: async (stores) => {
			const { scribe } = await recorded(stores);
			const { shadows } = stores.ports;
			const shadow = (number: number, ownerId: string) => ({
				shadowId: uuid(100 + number),
				chainId: CHAIN,
				ownerId,
				height: 1n,
			});
			await shadows.begin({ ...shadow(1, rollbackId(1)), purpose: "rollback" });
			await shadows.begin({ ...shadow(2, rollbackId(2)), purpose: "rollback" });
			await shadows.begin({ ...shadow(3, uuid(7)), purpose: "import" });
			await prune(scribe, NOTHING);
			expect(await shadowsOf(stores)).toEqual([uuid(101), uuid(103)]);
			await stores.pass(25 * 3_600_000);
			await prune(scribe, NOTHING);
			expect(await shadowsOf(stores)).toEqual([uuid(101)]);
		},
	},
	{
		name: "the log is cut up to the oldest snapshot of a final block, in steps",
		run: async (stores) => {
			const { scribe, snapshot } = await withSnapshot(stores);
			const cut = (limit: number) => stores.ports.logCutter.cutLog(CHAIN, scribe.fence, limit);
			expect(await cut(2)).toBe(true);
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(2n);
			expect(await cut(99)).toBe(false);
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(snapshot.logPosition);
			expect(await cut(99)).toBe(false);
		},
	},
	{
		name: "the log is not cut with an old fence, nor for a snapshot that is not verified, imported or orphaned",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { blocks } = await scribe.commit({ puts: [{ id: "a" }], seals: 3 });
			const parts = { height: 1n, generation: 0n, chainId: CHAIN, logPosition: 2n };
			const blockHash = blocks[1]?.hash ?? "0x";
			const base = { ...parts, blockHash, state: "verified", cause: "operator" } as const;
			const cut = () => stores.ports.logCutter.cutLog(CHAIN, scribe.fence, 99);
			await stores.addSnapshot({ ...base, snapshotId: uuid(1), state: "stored" });
			await stores.addSnapshot({ ...base, snapshotId: uuid(2), cause: "import" });
			await stores.addSnapshot({ ...base, snapshotId: uuid(3), blockHash: "0x99" });
			await cut();
			await stores.addSnapshot({ ...base, snapshotId: uuid(4) });
			await cut();
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(0n);
			await scribe.commit({ finality: { safe: 1n, finalized: 1n } });
			await stores.ports.logCutter.cutLog(CHAIN, scribe.fence - 1n, 99);
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(0n);
			await cut();
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(2n);
		},
	},
	{
		name: "the log is not cut where an operation is not final",
		run: async (stores) => {
			const { scribe, snapshot } = await withSnapshot(stores);
			expect(snapshot.logPosition).toBeGreaterThan(2n);
			await queue(stores, [operationId(1)]);
			await scribe.commit({
				operations: [
					{
						operationId: operationId(1),
						status: "applied",
						reason: undefined,
						position: 3n,
						originalSlot: 0n,
						effectiveSlot: 0n,
						judgedSlot: 0n,
						versionId: undefined,
						suspect: false,
						anchors: { mode: "all", anchors: [] },
					},
				],
			});
			await stores.ports.logCutter.cutLog(CHAIN, scribe.fence, 99);
			expect(await stores.ports.log.cutTo(CHAIN)).toBe(2n);
		},
	},
];

async function withSnapshot(stores: StoresUnderTest) {
	const scribe = await Scribe.open(stores);
	const finality = { safe: 2n, finalized: 2n };
	const { blocks, checkpoints } = await scribe.commit({ puts: [{ id: "a" }], seals: 3, finality });
	const snapshot = {
		snapshotId: uuid(1),
		chainId: CHAIN,
		state: "verified",
		cause: "operator",
		height: 2n,
		generation: 0n,
		blockHash: blocks[2]?.hash ?? "0x",
		logPosition: checkpoints[2]?.logPosition ?? 0n,
	} as const;
	await stores.addSnapshot(snapshot);
	return { scribe, snapshot };
}

/** Four blocks, of which the upper two were left. */
async function forked(stores: StoresUnderTest) {
	const { scribe, ancestor } = await withBlocks(stores);
	await rolledBack(scribe, ancestor, 1);
	return { scribe, ancestor };
}

async function rolledBack(scribe: Scribe, ancestor: BlockHeader, number: number): Promise<void> {
	const { rollbacks } = scribe.stores.ports;
	const id = rollbackId(number);
	await rollbacks.record(scribe.newRollback(id, ancestor), undefined);
	await rollbacks.claim(id, "one", 10_000);
	await rollbacks.prepared(id, 1, { parts: [], counts: NO_COUNTS });
	scribe.branch = `branch ${number}`;
	const commit = await scribe.rollbackCommit({ rollbackId: id, attempt: 1 }, { ancestor });
	await rollbacks.commit(commit);
	scribe.took(commit.batch);
}

function prune(
	{ stores, fence }: Scribe,
	bounds: { readonly orphansBelow: bigint; readonly floor: bigint },
): Promise<boolean> {
	return stores.ports.retention.prune(CHAIN, fence, bounds);
}

async function shadowsOf(stores: StoresUnderTest): Promise<readonly (string | undefined)[]> {
	const rows = (await stores.dump())["shadows"] ?? [];
	return rows.map((row) => row["shadow_id"]).sort();
}
