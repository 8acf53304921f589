/** Rows of snapshots, what snapshots are made from, and how an imported one takes the place of a chain. */
import { expect } from "vitest";
import type { MemoryKey } from "../../../src/domain/ids.ts";
import { NO_ANCHORS } from "../../../src/domain/operation.ts";
import { toWire } from "../../../src/memory/operation-codec.ts";
import type { Shadow } from "../../../src/restore/shadow-store.ts";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { NOT_BEGUN, type SnapshotCut, verification } from "../../../src/snapshots/snapshot-row.ts";
import type { SnapshotStore } from "../../../src/snapshots/snapshot-store.ts";
import { unchangedBy } from "./commit-cases.ts";
import { operationId, queue, stored } from "./look-up-cases.ts";
import { claimed } from "./rollback-cases.ts";
import { CHAIN, hashOf, keyOf, rollbackId, Scribe, uuid } from "./scribe.ts";
import { shadowRow } from "./shadow-cases.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const ID = uuid(70);
const PROBLEM = { code: "archive_unavailable", message: "no answer", hint: "try again" };
const WHAT = {
	manifestId: hashOf("manifest"),
	memories: 3,
	chunks: 2,
	rawBytes: 100,
	storedBytes: 50,
};
const LEASE_LOST = { code: "lease_lost" };

export const SNAPSHOT_CASES: readonly ConformanceCase[] = [
	{
		name: "a snapshot that is wanted is due until it is verified, and says how far it is",
		run: async (stores) => {
			const { scribe, store } = await wanted(stores);
			const row = await due(store);
			expect(row).toMatchObject({ state: "creating", progress: NOT_BEGUN, kind: "full" });
			const place = { after: { memoryKey: keyOf("a"), layer: "semantic" as const } };
			await store.progress(row, scribe, { ...NOT_BEGUN, place, done: 4, ratePerS: 2 });
			expect((await due(store)).progress).toMatchObject({ place, done: 4, ratePerS: 2 });
			await store.stored(row, scribe, WHAT);
			const progress = { phase: "verify", total: 50, apply: undefined };
			expect(await due(store)).toMatchObject({ state: "stored", ...WHAT, progress });
			await store.ended(row, scribe, { state: "verified" });
			expect(await store.due(CHAIN)).toBeUndefined();
			const ended = await store.load(CHAIN, ID);
			expect(ended).toMatchObject({ state: "verified", error: undefined });
			expect([ended?.storedAt, ended?.verifiedAt]).toEqual([expect.any(Date), expect.any(Date)]);
		},
	},
	{
		name: "whoever's lease is another's changes no snapshot",
		run: async (stores) => {
			const { scribe, store } = await wanted(stores);
			const row = await due(store);
			const old = { fence: scribe.fence - 1n };
			for (const write of [
				() => store.progress(row, old, NOT_BEGUN),
				() => store.becomeFull(row, old),
				() => store.stored(row, old, WHAT),
				() => store.ended(row, old, { state: "verified" }),
				() => store.heldUp(row, old, PROBLEM),
			]) {
				await unchangedBy(stores, write, LEASE_LOST);
			}
			const before = await stores.dump();
			await store.remove(CHAIN, old, [ID]);
			expect(await stores.dump()).toEqual(before);
			await store.remove(CHAIN, scribe, [ID]);
			expect(await store.load(CHAIN, ID)).toBeUndefined();
		},
	},
	{
		name: "what is stored is not created again, and what has ended has no progress",
		run: async (stores) => {
			const { scribe, store } = await wanted(stores);
			const row = await due(store);
			await store.stored(row, scribe, WHAT);
			await unchangedBy(stores, () => store.stored(row, scribe, WHAT), LEASE_LOST);
			await unchangedBy(stores, () => store.becomeFull(row, scribe), LEASE_LOST);
			await store.ended(row, scribe, { state: "damaged", error: PROBLEM });
			await unchangedBy(stores, () => store.progress(row, scribe, NOT_BEGUN), LEASE_LOST);
			expect(await store.load(CHAIN, ID)).toMatchObject({ state: "damaged", error: PROBLEM });
		},
	},
	{
		name: "why it is held up is told until it goes on",
		run: async (stores) => {
			const { scribe, store } = await wanted(stores);
			const row = await due(store);
			await store.heldUp(row, scribe, PROBLEM);
			expect(await due(store)).toMatchObject({ error: PROBLEM, state: "creating" });
			await store.progress(row, scribe, NOT_BEGUN);
			expect((await due(store)).error).toBeUndefined();
		},
	},
	{
		name: "an increment becomes a full one from its beginning",
		run: async (stores) => {
			const { scribe, store, cut } = await wanted(stores);
			await stores.pass(10);
			const next = { ...cut, snapshotId: uuid(71), parentId: ID, cause: "operator" } as const;
			await store.record({ ...next, kind: "incremental" });
			const row = await store.newest(CHAIN);
			expect(row).toMatchObject({ snapshotId: uuid(71), kind: "incremental", parentId: ID });
			if (row === undefined) return;
			await store.progress(row, scribe, { ...NOT_BEGUN, done: 4 });
			await store.becomeFull(row, scribe);
			const full = { kind: "full", parentId: undefined, progress: NOT_BEGUN };
			expect(await store.load(CHAIN, uuid(71))).toMatchObject(full);
		},
	},
	{
		name: "one from outside is stored with its manifest, and only what has one can be wanted again",
		run: async (stores) => {
			const { store, cut } = await wanted(stores);
			await store.want(ID, verification(1));
			expect((await store.load(CHAIN, ID))?.progress).toEqual(NOT_BEGUN);
			await stores.pass(10);
			const imported = { ...cut, ...WHAT, snapshotId: uuid(71), parentId: undefined };
			await store.recordImport({ ...imported, kind: "full", cause: "import" });
			expect(await store.byManifest(CHAIN, WHAT.manifestId)).toMatchObject({
				snapshotId: uuid(71),
				state: "stored",
				progress: undefined,
			});
			expect((await store.newest(CHAIN))?.snapshotId).toBe(ID);
			expect(await store.manifestIds()).toEqual([WHAT.manifestId]);
			const apply = { dryRun: false, replace: true };
			await store.want(uuid(71), verification(50, apply));
			expect((await store.load(CHAIN, uuid(71)))?.progress).toMatchObject({ apply });
			const { imports } = stores.ports;
			expect(await imports.verifiedManifest(CHAIN, uuid(71))).toBeUndefined();
			await imports.failed(uuid(71), PROBLEM);
			expect((await store.load(CHAIN, uuid(71)))?.error).toEqual(PROBLEM);
		},
	},
	{
		name: "snapshots are listed the newest first, and continued where they are whole and of this branch",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 4 });
			const store = stores.ports.snapshots;
			for (const [index, height] of [1n, 3n, 2n].entries()) {
				const cut = await cutAt(stores, height);
				await store.record({
					...cut,
					blockHash: height === 2n ? hashOf("elsewhere") : cut.blockHash,
					snapshotId: uuid(70 + index),
					kind: "full",
					parentId: undefined,
					cause: "blocks",
				});
				const row = await store.load(CHAIN, uuid(70 + index));
				if (row !== undefined) await store.stored(row, scribe, WHAT);
				await stores.pass(10);
			}
			const ids = async (query: Parameters<SnapshotStore["list"]>[1]) =>
				(await store.list(CHAIN, query)).map(({ snapshotId }) => snapshotId);
			expect(await ids({ limit: 2, after: undefined })).toEqual([72, 71].map(uuid));
			expect(await ids({ limit: 2, after: uuid(71) })).toEqual([uuid(70)]);
			expect(await ids({ limit: 2, after: uuid(99) })).toEqual([]);
			const whole = await store.whole(CHAIN, { below: 4n, limit: 9 });
			expect(whole.map(({ snapshotId }) => snapshotId)).toEqual([71, 70].map(uuid));
			const lower = await store.whole(CHAIN, { below: 3n, limit: 9 });
			expect(lower.map(({ snapshotId }) => snapshotId)).toEqual([uuid(70)]);
		},
	},
	{
		name: "state at a height is read in pages, with vectors and without what is gone",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await stores.ports.inbox.ensureCollection(CHAIN, { name: "n", model: "m", dimensions: 1 });
			const puts = [{ id: "a", collection: "n" }, { id: "b" }, { id: "c", expiresBlock: 2n }];
			await scribe.commit({ puts, vectors: { a: [5] }, seals: 2 });
			await scribe.commit({ puts: [{ id: "b", content: undefined }, { id: "d" }], seals: 1 });
			const reader = stores.ports.snapshotReader;
			const shown = async (height: bigint) => {
				const found: string[] = [];
				const cut = await cutAt(stores, height);
				for (let after: MemoryKey | undefined; ; ) {
					const page = await reader.memories(cut, { after, limit: 2 });
					found.push(...page.records.map(({ id, vector }) => `${id}${vector?.[0] ?? ""}`));
					after = page.last;
					if (page.looked < 2) return found.sort();
				}
			};
			expect(await shown(1n)).toEqual(["a5", "b", "c"]);
			expect(await shown(2n)).toEqual(["a5", "d"]);
			const cut = await cutAt(stores, 2n);
			const some = await reader.memoriesOf(cut, ["b", "d"].map(keyOf));
			expect(some.map(({ id }) => id)).toEqual(["d"]);
			expect(await reader.memoryCount(CHAIN)).toBe(4);
			expect(await reader.collections(CHAIN)).toEqual([{ name: "n", model: "m", dimensions: 1 }]);
		},
	},
	{
		name: "what changed between two heights is what was written, deleted, ended or moved to another layer",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const ends = { id: "ends", expiresBlock: 2n, layer: "short_term" as const };
			const kept = ["same", "deleted", "moved", "over"].map((id) => ({ id }));
			await scribe.commit({ puts: [...kept, ends], seals: 1 });
			const puts = [
				{ id: "deleted", content: undefined },
				{ id: "moved", layer: "long_term" as const },
				{ id: "over" },
				{ id: "passing", expiresBlock: 2n },
			];
			await scribe.commit({ puts, seals: 2 });
			const reader = stores.ports.snapshotReader;
			const cut = await cutAt(stores, 2n);
			const changes = await reader.changes(cut, { parent: 0n, limit: 10 });
			const named = new Map(
				(changes ?? []).map(({ memoryKey, before, after }) => [memoryKey, [before, after]]),
			);
			expect(named).toEqual(
				new Map([
					[keyOf("deleted"), ["semantic", undefined]],
					[keyOf("moved"), ["semantic", "long_term"]],
					[keyOf("over"), ["semantic", "semantic"]],
					[keyOf("ends"), ["short_term", undefined]],
				]),
			);
			expect(await reader.changes(cut, { parent: 0n, limit: 4 })).toBeUndefined();
			expect(await reader.changes(cut, { parent: 0n, limit: 5 })).toHaveLength(4);
		},
	},
	{
		name: "headers are linked, and a block that was taken back is orphaned",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const reader = stores.ports.snapshotReader;
			const lost = await cutAt(stores, 2n);
			expect(await reader.isCanonical(lost, 0n)).toBe(true);
			const { rollbacks } = stores.ports;
			const part = { part: "changes", seq: 0, body: "{}" };
			await rollbacks.prepared(rollbackId(1), 1, { parts: [part], counts: NO_COUNTS });
			scribe.branch = "other";
			const commit = await scribe.rollbackCommit(
				{ rollbackId: rollbackId(1), attempt: 1 },
				{ ancestor, said: { seals: 2 } },
			);
			await rollbacks.commit(commit);
			scribe.took(commit.batch);
			expect(await reader.isCanonical(lost)).toBe(false);
			expect(await reader.isOrphaned(lost)).toBe(true);
			const cut = await cutAt(stores, 3n);
			expect(await reader.isCanonical(cut, 1n)).toBe(true);
			expect(await reader.isCanonical(cut, 0n)).toBe(false);
			expect(await reader.isOrphaned(cut)).toBe(false);
			expect(await reader.hashAt(CHAIN, 3n)).toBe(cut.blockHash);
			const numbers = async (above: bigint | undefined, limit: number) =>
				(await reader.headers(cut, { above, limit })).map(({ number }) => number);
			expect(await numbers(undefined, 9)).toEqual([0n, 1n, 2n, 3n]);
			expect(await numbers(1n, 9)).toEqual([2n, 3n]);
			expect(await numbers(undefined, 2)).toEqual([2n, 3n]);
			expect(await reader.cutAtOrBelow(CHAIN, 99n)).toEqual(cut);
		},
	},
	{
		name: "a group's last block is cut behind the group's entry, and none inside it behind what it wrote",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { snapshotReader } = stores.ports;
			const group = (from: number, to: number, versionId: bigint) => ({
				kind: "derived" as const,
				body: JSON.stringify({
					from: `${from}`,
					to: `${to}`,
					base: { position: "0", versionId: `${versionId}` },
				}),
			});
			// As checkpoints were before they had the group's position: below its entry.
			await scribe.commit({ seals: 1, log: [group(0, 1, 0n)] });
			expect(await cutAt(stores, 0n)).toMatchObject({ logPosition: 1n });
			await scribe.commit({ puts: [{ id: "a" }], seals: 1, log: [group(0, 1, 0n)] });
			expect(scribe.position).toBe(5n);
			expect(await cutAt(stores, 1n)).toMatchObject({ logPosition: 5n });
			await scribe.commit({ puts: [{ id: "b" }], seals: 1, log: [group(2, 9, 1n)] });
			expect(await snapshotReader.cutAtOrBelow(CHAIN, 2n)).toMatchObject({ height: 1n });
			await scribe.commit({ puts: [{ id: "c" }], seals: 1, log: [group(4, 9, 3n)] });
			expect(await cutAt(stores, 3n)).toMatchObject({ logPosition: scribe.position - 1n });
		},
	},
	{
		name: "operations are told as they stood at the position, by the last verdict below it",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			const ids = [1, 2, 3].map(operationId);
			await queue(stores, ids);
			const base = scribe.position;
			const update = (index: number, parts: object = {}) => ({
				operationId: operationId(index + 1),
				status: "applied" as const,
				reason: undefined,
				position: base + BigInt(index + 1),
				originalSlot: 1n,
				effectiveSlot: 1n,
				judgedSlot: 1n,
				versionId: 1n,
				suspect: false,
				anchors: NO_ANCHORS,
				...parts,
			});
			await scribe.commit({
				operations: ids.map((_id, index) => update(index)),
				log: ids.map((id) => ({
					kind: "operation" as const,
					operationId: id,
					body: JSON.stringify(toWire(stored(id))),
				})),
			});
			await scribe.commit({ seals: 1 });
			const verdict = (id: number, body: object) => ({
				kind: "verdict" as const,
				operationId: operationId(id),
				body: JSON.stringify(body),
			});
			const reason = { code: "anchor_absent", message: "gone" };
			const withdrawn = { status: "suspended", effectiveSlot: undefined, versionId: undefined };
			await scribe.commit({
				operations: [update(0, { ...withdrawn, reason, judgedSlot: 2n })],
				log: [
					verdict(1, { verdict: "suspended", reason }),
					verdict(2, { verdict: "replayed", slot: "2", suspect: true }),
				],
			});
			await scribe.commit({ seals: 1 });
			await scribe.commit({ log: [verdict(2, { verdict: "cleared" })] });
			await scribe.commit({ seals: 1 });
			// As a rollback does that takes it back, and says it again in the slot where it stood.
			await scribe.commit({ puts: [{ id: "b" }], operations: [update(2, { versionId: 2n })] });
			const reader = stores.ports.snapshotReader;
			const stood = async (height: bigint) => {
				const all = await reader.operations(await cutAt(stores, height), { after: 0n, limit: 9 });
				return all.map((each) => [each.status, each.effectiveSlot, each.suspect, each.versionId]);
			};
			const again = ["applied", 1n, false, undefined];
			expect(await stood(1n)).toEqual([again, ["applied", 1n, false, 1n], again]);
			expect(await stood(2n)).toEqual([
				["suspended", undefined, false, undefined],
				["applied", 2n, true, undefined],
				again,
			]);
			expect((await stood(3n))[1]).toEqual(["applied", 2n, false, undefined]);
			const cut = await cutAt(stores, 3n);
			const page = await reader.operations(cut, { after: base + 1n, limit: 1 });
			expect(page.map((each) => each.operationId)).toEqual([operationId(2)]);
		},
	},
	{
		name: "an import takes the place of the state, and keeps what waits in the inbox",
		run: async (stores) => {
			const { scribe, state } = await importable(stores);
			await queue(stores, [operationId(5)]);
			await stores.ports.imports.replace(state, scribe.fence);
			const after = await stores.dump();
			expect(after["versions"]?.map((row) => row["id"])).toEqual(["from outside"]);
			expect(after["inbox"]).toHaveLength(1);
			const { state: chain } = await stores.ports.writer.loadChain(CHAIN);
			expect(chain).toMatchObject({ generation: 1n, logPosition: 40n, versionSeq: 30n });
			expect(chain.head?.number).toBe(1n);
		},
	},
	{
		name: "an import with an old fence, of a state that moved on or whose shadow is gone, changes nothing",
		run: async (stores) => {
			const { scribe, state } = await importable(stores);
			const { imports, shadows, rollbacks } = stores.ports;
			const replace = (fence: bigint, from = state) => imports.replace(from, fence);
			await unchangedBy(stores, () => replace(scribe.fence - 1n), LEASE_LOST);
			const busy = { code: "chain_busy" };
			const moved = { ...state, generation: 5n };
			await unchangedBy(stores, () => replace(scribe.fence, moved), busy);
			const [block] = state.headers;
			if (block === undefined) return;
			const rollback = scribe.newRollback(rollbackId(1), block);
			await rollbacks.record({ ...rollback, cause: "manual" }, undefined);
			expect((await imports.standing(CHAIN)).rollingBack).toBe(true);
			await unchangedBy(stores, () => replace(scribe.fence), busy);
			await rollbacks.order(rollbackId(1), "cancel");
			await shadows.drop(state.shadow.shadowId);
			await unchangedBy(stores, () => replace(scribe.fence), busy);
		},
	},
];

async function due(store: SnapshotStore) {
	const row = await store.due(CHAIN);
	if (row === undefined) throw new RangeError("none is due");
	return row;
}

async function cutAt({ ports }: StoresUnderTest, height: bigint): Promise<SnapshotCut> {
	const cut = await ports.snapshotReader.cutAtOrBelow(CHAIN, height);
	if (cut?.height !== height) throw new RangeError(`there is no checkpoint at ${height}`);
	return cut;
}

async function wanted(stores: StoresUnderTest) {
	const scribe = await Scribe.open(stores);
	await scribe.commit({ puts: [{ id: "a" }], seals: 2 });
	const cut = await cutAt(stores, 1n);
	const store = stores.ports.snapshots;
	await store.record({
		...cut,
		snapshotId: ID,
		kind: "full",
		parentId: undefined,
		cause: "blocks",
	});
	return { scribe, store, cut };
}

/** Two blocks, and a restored state that could take their place. */
async function importable(stores: StoresUnderTest) {
	const { scribe, cut } = await wanted(stores);
	const { shadows, snapshotReader: reader } = stores.ports;
	const shadow: Shadow = {
		shadowId: uuid(300),
		chainId: CHAIN,
		purpose: "import",
		ownerId: ID,
		height: 1n,
	};
	await shadows.begin(shadow);
	await shadows.put(shadow.shadowId, [shadowRow("from outside", 30n)]);
	const { height, blockHash, generation, roots } = cut;
	return {
		scribe,
		state: {
			shadow,
			generation: 1n,
			collections: [],
			headers: await reader.headers(cut, { above: undefined, limit: 9 }),
			operations: [],
			deleted: [],
			manifest: {
				kind: "full" as const,
				parent: undefined,
				chainId: CHAIN,
				...(await reader.chain(CHAIN)),
				...{ height, blockHash, generation, roots, logPosition: 40n, versionSeq: 30n },
				stateRoot: hashOf("root"),
				collections: [],
				counts: NOT_BEGUN.counts,
				chunks: [],
				createdAt: new Date(0).toISOString(),
			},
		},
	};
}
