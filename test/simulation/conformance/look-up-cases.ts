/** What the writer looks up before it works, and what it settles when blocks become final. */
import { expect } from "vitest";
import type { OperationId } from "../../../src/domain/ids.ts";
import { linkId } from "../../../src/domain/link.ts";
import { type AnchorSet, NO_ANCHORS } from "../../../src/domain/operation.ts";
import { heldKey } from "../../../src/memory/ground.ts";
import { type StoredOperation, toWire } from "../../../src/memory/operation-codec.ts";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import type { OperationUpdate } from "../../../src/writer/commit-batch.ts";
import { CHAIN, hashOf, keyOf, NAMESPACE, rollbackId, Scribe, uuid } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const ALL_LAYERS = ["short_term", "long_term", "episodic", "semantic"] as const;

export const LOOK_UP_CASES: readonly ConformanceCase[] = [
	{
		name: "what ends by height is found in the range where it ends, and not when it was written over",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = [
				{ id: "at 3", expiresBlock: 3n },
				{ id: "at 5", expiresBlock: 5n },
				{ id: "never" },
				{ id: "over", expiresBlock: 4n },
			];
			await scribe.commit({ puts, seals: 2 });
			await scribe.commit({ puts: [{ id: "over" }], seals: 1 });
			const { writer } = stores.ports;
			const range = { since: 0n, time: 0n };
			const found = await writer.expiring(CHAIN, { above: 2n, to: 4n, ...range });
			expect(found).toEqual([keyOf("at 3")]);
			expect(await writer.expiring(CHAIN, { above: 3n, to: 5n, ...range })).toEqual([
				keyOf("at 5"),
			]);
			expect(await writer.expiring(CHAIN, { above: 5n, to: 9n, ...range })).toEqual([]);
		},
	},
	{
		name: "what ends by time is found while it is there",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = [
				{ id: "at 50", expiresTime: 50n },
				{ id: "at 70", expiresTime: 70n },
				{ id: "gone", expiresTime: 60n },
			];
			await scribe.commit({ puts, seals: 1 });
			await scribe.commit({ puts: [{ id: "gone", content: undefined }], seals: 1 });
			const { writer } = stores.ports;
			const above = { above: 1n, to: 1n };
			const found = await writer.expiring(CHAIN, { ...above, since: 40n, time: 65n });
			expect(found).toEqual([keyOf("at 50")]);
			expect(await writer.expiring(CHAIN, { ...above, since: 50n, time: 65n })).toEqual([]);
			expect(await writer.expiryTimes(CHAIN, 40n)).toEqual([50n, 70n]);
			expect(await writer.expiryTimes(CHAIN, 50n)).toEqual([70n]);
		},
	},
	{
		name: "a time at which several end is one time",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = ["a", "b", "c"].map((id) => ({ id, expiresTime: id === "c" ? 9n : 8n }));
			await scribe.commit({ puts, seals: 1 });
			expect(await stores.ports.writer.expiryTimes(CHAIN, 0n)).toEqual([8n, 9n]);
		},
	},
	{
		name: "a source holds from the lowest slot at which the memory said so, and one that is not suspect first",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const contentHash = hashOf("said");
			const source = { namespace: NAMESPACE, id: "a", contentHash };
			const held = async (upTo: bigint) =>
				(await stores.ports.writer.heldSources(CHAIN, [source], upTo)).get(
					heldKey(keyOf("a"), contentHash),
				);
			await scribe.commit({
				puts: [{ id: "a", contentHash, suspect: true, grounds: 7n }],
				seals: 1,
			});
			expect(await held(0n)).toEqual({ slot: 0n, grounds: 7n, suspect: true, depth: 0 });
			await scribe.commit({ puts: [{ id: "a", contentHash: hashOf("other") }], seals: 1 });
			await scribe.commit({ puts: [{ id: "a", contentHash }], seals: 1 });
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			expect(await held(1n)).toMatchObject({ slot: 0n, suspect: true });
			expect(await held(9n)).toEqual({ slot: 2n, grounds: undefined, suspect: false, depth: 0 });
		},
	},
	{
		name: "a source has the depth of what derived it, and an unknown one has no entry",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const contentHash = hashOf("said");
			const source = { namespace: NAMESPACE, id: "a", contentHash };
			const derivation = {
				position: 1n,
				setNo: 0,
				sourceNo: 0,
				memoryKey: keyOf("a"),
				source,
				depth: 3,
			};
			await scribe.commit({ puts: [{ id: "a", contentHash }], derivations: [derivation] });
			const other = { ...source, id: "b" };
			const found = await stores.ports.writer.heldSources(CHAIN, [source, other, source], 5n);
			expect([...found.values()]).toEqual([
				{ slot: 0n, grounds: undefined, suspect: false, depth: 3 },
			]);
		},
	},
	{
		name: "a population is what is there at the height, written last first, up to the limit",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = ["a", "b", "c", "d"].map((id) => ({ id, layer: "episodic" as const }));
			await scribe.commit({ puts: [...puts, { id: "e", layer: "semantic" }], seals: 1 });
			await scribe.commit({
				puts: [
					{ id: "b", layer: "episodic" },
					{ id: "c", content: undefined },
				],
				seals: 1,
			});
			const look = (height: bigint, limit: number) =>
				stores.ports.writer.population(CHAIN, {
					namespace: NAMESPACE,
					layers: ["episodic"],
					height,
					limit,
				});
			expect(await look(1n, 9)).toEqual(["b", "d", "a"].map(keyOf));
			expect(await look(0n, 9)).toEqual(["d", "c", "b", "a"].map(keyOf));
			expect(await look(1n, 2)).toEqual(["b", "d"].map(keyOf));
			const all = { namespace: NAMESPACE, layers: ALL_LAYERS, height: 1n, limit: 9 };
			expect(await stores.ports.writer.population(CHAIN, all)).toEqual(
				["b", "e", "d", "a"].map(keyOf),
			);
		},
	},
	{
		name: "the order of writing is that of positions",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = ["a", "b", "c"].map((id) => ({ id, layer: "short_term" as const }));
			await scribe.commit({ puts, seals: 1 });
			await scribe.commit({ puts: [{ id: "a", layer: "short_term", expiresBlock: 9n }] });
			const order = await stores.ports.writer.writingOrder(CHAIN, {
				namespace: NAMESPACE,
				height: 1n,
				limit: 2,
			});
			expect(order).toMatchObject([{ memoryKey: keyOf("b") }, { memoryKey: keyOf("c") }]);
			const all = await stores.ports.writer.writingOrder(CHAIN, {
				namespace: NAMESPACE,
				height: 1n,
				limit: 9,
			});
			expect(all.at(-1)).toEqual({ memoryKey: keyOf("a"), position: 5n, expiresBlock: 9n });
		},
	},
	{
		name: "links are followed by type from end to end, once around a cycle",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = [link("a", "b"), link("b", "c"), link("c", "a"), link("c", "d", "other")];
			await scribe.commit({ puts, seals: 1 });
			const look = (limit: number) =>
				stores.ports.writer.linksFrom(CHAIN, { keys: [keyOf("a")], type: "knows", limit });
			const found = await look(10);
			expect(found.map(({ fromKey }) => fromKey).sort()).toEqual(["a", "b", "c"].map(keyOf).sort());
			expect(await look(10)).toHaveLength(3);
		},
	},
	{
		name: "a link that was taken away keeps its name",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const put = link("a", "b");
			await scribe.commit({ puts: [put], seals: 1 });
			await scribe.commit({ puts: [{ ...put, content: undefined }], seals: 1 });
			const query = { keys: [keyOf("a")], type: "knows", limit: 5 };
			expect(await stores.ports.writer.linksFrom(CHAIN, query)).toHaveLength(1);
		},
	},
	{
		name: "hashes are those of the present generation's blocks, where one is kept",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const sealed = await scribe.commit({ seals: 2 });
			const known = new Map(sealed.blocks.map(({ number, hash }) => [number, hash]));
			expect(known.size).toBe(2);
			const heights = [...known.keys(), 99n];
			expect(await stores.ports.writer.blockHashes(CHAIN, heights)).toEqual(known);
			expect(await stores.ports.writer.blockHashes(CHAIN, [99n])).toEqual(new Map());
		},
	},
	{
		name: "the next put above a place is the first that takes effect",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const ids = [1, 2, 3].map((number) => operationId(number));
			await queue(stores, ids);
			await admit(
				scribe,
				ids.map((id, index) => applied(id, BigInt(index + 1), { effectiveSlot: BigInt(index) })),
			);
			const next = (position: bigint, upTo: bigint) =>
				stores.ports.writer.nextPuts(CHAIN, [{ namespace: NAMESPACE, id: "a", position }], upTo);
			expect(await next(0n, 9n)).toEqual([{ namespace: NAMESPACE, id: "a", position: 1n }]);
			expect(await next(1n, 9n)).toEqual([{ namespace: NAMESPACE, id: "a", position: 2n }]);
			expect(await next(2n, 1n)).toEqual([]);
			expect(await next(3n, 9n)).toEqual([]);
		},
	},
	{
		name: "open operations are the suspended and the suspect ones, and those judged above a height",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const ids = [1, 2, 3, 4, 5].map(operationId);
			await queue(stores, ids);
			await admit(scribe, [
				applied(operationId(1), 1n, { judgedSlot: 5n }),
				applied(operationId(2), 2n, { suspect: true }),
				{ ...applied(operationId(3), 3n), status: "suspended", effectiveSlot: undefined },
				{ ...applied(operationId(4), 4n, { judgedSlot: 7n }), status: "recanted" },
				{ ...applied(operationId(5), 5n, { judgedSlot: 9n }), status: "refused" },
			]);
			const open = async (judgedAbove: bigint | undefined) =>
				(await stores.ports.writer.openOperations(CHAIN, { judgedAbove })).map(
					(each) => each.position,
				);
			expect(await open(undefined)).toEqual([2n, 3n]);
			expect(await open(4n)).toEqual([1n, 2n, 3n, 4n]);
			expect(await open(6n)).toEqual([2n, 3n, 4n]);
		},
	},
	{
		name: "an open operation comes as it was logged, with its anchors where they stand now",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [operationId(1)]);
			const anchors = anchoredAt(3n);
			await admit(scribe, [{ ...applied(operationId(1), 1n, { suspect: true }), anchors }]);
			const [open] = await stores.ports.writer.openOperations(CHAIN, { judgedAbove: undefined });
			expect(open?.stored).toEqual({ ...stored(operationId(1)), anchors });
			expect(open).toMatchObject({ suspect: true, conditionPosition: 77n, originalSlot: 0n });
		},
	},
	{
		name: "what applies is final when all of its slots are below finality",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [1, 2].map(operationId));
			await admit(scribe, [
				applied(operationId(1), 1n, { effectiveSlot: 2n, judgedSlot: 4n }),
				applied(operationId(2), 2n, { effectiveSlot: 5n, judgedSlot: 4n }),
			]);
			expect(await finalAfter(scribe, 3n)).toEqual([]);
			expect(await finalAfter(scribe, 4n)).toEqual([operationId(1)]);
			expect(await finalAfter(scribe, 5n)).toEqual([operationId(1), operationId(2)]);
		},
	},
	{
		name: "what is suspended is final when the highest block of its anchors is",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [1, 2].map(operationId));
			const suspended = { status: "suspended", effectiveSlot: undefined } as const;
			await admit(scribe, [
				{ ...applied(operationId(1), 1n), anchors: anchoredAt(6n) },
				applied(operationId(2), 2n, { originalSlot: 4n }),
			]);
			await admit(scribe, [
				{ ...applied(operationId(1), 1n), ...suspended, anchors: anchoredAt(undefined) },
				{ ...applied(operationId(2), 2n, { originalSlot: 4n }), ...suspended },
			]);
			expect(await finalAfter(scribe, 3n)).toEqual([]);
			expect(await finalAfter(scribe, 5n)).toEqual([operationId(2)]);
			expect(await finalAfter(scribe, 6n)).toEqual([operationId(1), operationId(2)]);
		},
	},
	{
		name: "what is derived is final no sooner than it was judged",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const sources = [[{ namespace: NAMESPACE, id: "b", contentHash: hashOf("b") }]];
			await queue(stores, [operationId(1)], { sources });
			const slots = { originalSlot: 1n, judgedSlot: 6n };
			const update = applied(operationId(1), 1n, slots);
			await admit(scribe, [{ ...update, status: "suspended", effectiveSlot: undefined }]);
			expect(await finalAfter(scribe, 5n)).toEqual([]);
			expect(await finalAfter(scribe, 6n)).toEqual([operationId(1)]);
		},
	},
	{
		name: "what is suspect is not final before what it rested on",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [1, 2].map(operationId));
			await admit(scribe, [
				{ ...applied(operationId(1), 1n, { suspect: true }), anchors: anchoredAt(8n) },
				applied(operationId(2), 2n, { suspect: true, originalSlot: 3n }),
			]);
			expect(await finalAfter(scribe, 2n)).toEqual([]);
			expect(await finalAfter(scribe, 7n)).toEqual([operationId(2)]);
			expect(await finalAfter(scribe, 8n)).toEqual([operationId(1), operationId(2)]);
		},
	},
	{
		name: "where finality goes back with a recovery, what was final above it is open again",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [1, 2, 3].map(operationId));
			await admit(scribe, [
				applied(operationId(1), 1n, { effectiveSlot: 2n, judgedSlot: 2n }),
				applied(operationId(2), 2n, { effectiveSlot: 5n, judgedSlot: 5n }),
				{ ...applied(operationId(3), 3n), status: "refused" },
			]);
			const { blocks } = await scribe.commit({ seals: 7 });
			await finalAfter(scribe, 6n);
			const { writer, rollbacks } = stores.ports;
			const open = async (finality: bigint | undefined) =>
				(await writer.openOperations(CHAIN, { judgedAbove: 1n, finality })).map(
					({ position }) => position,
				);
			expect(await open(undefined)).toEqual([]);
			expect(await open(3n)).toEqual([2n]);
			const problem = { code: "fork_below_finality", message: "deep", hint: "recover" };
			const haltedAt = await writer.halt(CHAIN, scribe.fence, problem);
			scribe.position = haltedAt ?? scribe.position;
			const [, , , ancestor] = blocks;
			if (ancestor === undefined) throw new RangeError("no block");
			const of = { rollbackId: rollbackId(1), attempt: 1 };
			const recoveryId = uuid(77);
			await rollbacks.record(
				{ ...scribe.newRollback(of.rollbackId, ancestor), recoveryId },
				undefined,
			);
			await rollbacks.claim(of.rollbackId, "one", 10_000);
			await rollbacks.prepared(of.rollbackId, 1, { parts: [], counts: NO_COUNTS });
			const said = { finality: { safe: 3n, finalized: 3n } };
			const commit = await scribe.rollbackCommit(of, { ancestor, said });
			await rollbacks.commit({ ...commit, recoveryId });
			expect((await writer.loadChain(CHAIN)).halt).toBeUndefined();
			expect(await finals(stores)).toEqual([operationId(1), operationId(3)]);
		},
	},
	{
		name: "finality is settled with the newest fence alone",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [operationId(1)]);
			await admit(scribe, [applied(operationId(1), 1n)]);
			await stores.ports.writer.settleFinal(CHAIN, scribe.fence - 1n, { safe: 9n, finalized: 9n });
			expect(await finals(stores)).toEqual([]);
			expect((await stores.ports.writer.loadChain(CHAIN)).state.finalized).toBeUndefined();
		},
	},
	{
		name: "what was refused is final, and one that waits is not",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [1, 2].map(operationId));
			await admit(scribe, [{ ...applied(operationId(1), 1n), status: "refused" }]);
			expect(await finalAfter(scribe, 99n)).toEqual([operationId(1)]);
		},
	},
	{
		name: "an operation that is only looked at again keeps its version, and loses it when it is withdrawn",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await queue(stores, [operationId(1)]);
			const version = async () =>
				(await stores.ports.inbox.operations(CHAIN, [operationId(1)]))[0]?.versionId;
			await admit(scribe, [{ ...applied(operationId(1), 1n), versionId: 12n }]);
			await admit(scribe, [applied(operationId(1), 1n)]);
			expect(await version()).toBe(12n);
			const reason = { code: "anchor_absent", message: "it is gone", fields: { block: "0x01" } };
			await admit(scribe, [{ ...applied(operationId(1), 1n), status: "suspended", reason }]);
			expect(await version()).toBeUndefined();
			const [record] = await stores.ports.inbox.operations(CHAIN, [operationId(1)]);
			expect(record?.reason).toEqual(reason);
		},
	},
	{
		name: "vectors are found by version",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = ["a", "b"].map((id) => ({ id, collection: "notes", text: id }));
			await scribe.commit({ puts, vectors: { a: [1, 0.5], b: [0.1, -2] } });
			const found = await stores.ports.writer.vectors(CHAIN, [2n, 1n, 9n]);
			expect(found.get(1n)).toEqual(Float32Array.of(1, 0.5));
			expect([...found.keys()].sort()).toEqual([1n, 2n]);
		},
	},
];

export function operationId(number: number): OperationId {
	return uuid(number) as OperationId;
}

export function stored(id: OperationId, parts: Partial<StoredOperation> = {}): StoredOperation {
	const body = {
		layer: "semantic",
		content: { by: id },
		text: undefined,
		vector: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		expiresAtBlock: undefined,
		expiresAtTime: undefined,
	} as const;
	return {
		operationId: id,
		operation: { kind: "put", namespace: NAMESPACE, id: "a", ifVersion: undefined, body },
		anchors: NO_ANCHORS,
		sources: [],
		policy: "recant",
		...parts,
	};
}

/** Puts them into the inbox, one an entry. */
export async function queue(
	{ ports: { inbox } }: StoresUnderTest,
	ids: readonly OperationId[],
	parts: Partial<StoredOperation> = {},
): Promise<void> {
	await inbox.submit({
		chainId: CHAIN,
		entries: ids.map((id) => [stored(id, parts)]),
		idempotency: undefined,
	});
}

/** With an entry of the log for each that is at its position. */
async function admit(scribe: Scribe, operations: readonly OperationUpdate[]): Promise<void> {
	const log = operations
		.filter(({ position }) => position > scribe.position)
		.map((update) => ({
			kind: "operation" as const,
			operationId: update.operationId,
			body: JSON.stringify({
				...Object(toWire(stored(update.operationId))),
				conditionPosition: "77",
			}),
		}));
	await scribe.commit({ operations, log });
}

function applied(
	id: OperationId,
	position: bigint,
	parts: Partial<OperationUpdate> = {},
): OperationUpdate {
	return {
		operationId: id,
		status: "applied",
		reason: undefined,
		position,
		originalSlot: 0n,
		effectiveSlot: 0n,
		judgedSlot: 0n,
		versionId: undefined,
		suspect: false,
		anchors: NO_ANCHORS,
		...parts,
	};
}

function anchoredAt(height: bigint | undefined): AnchorSet {
	const blockHash = hashOf("anchor");
	const place = height === undefined ? undefined : { blockHash, height };
	return { mode: "all", anchors: [{ kind: "block", blockHash, place }] };
}

async function finalAfter(scribe: Scribe, finalized: bigint): Promise<readonly OperationId[]> {
	const { writer } = scribe.stores.ports;
	await writer.settleFinal(CHAIN, scribe.fence, { safe: finalized, finalized });
	return finals(scribe.stores);
}

async function finals({ ports: { inbox } }: StoresUnderTest): Promise<readonly OperationId[]> {
	const records = await inbox.operations(CHAIN, [1, 2, 3, 4, 5].map(operationId));
	return records.filter(({ final }) => final).map((record) => record.operationId);
}

function link(from: string, to: string, type = "knows") {
	const name = {
		from: { namespace: NAMESPACE, id: from },
		type,
		to: { namespace: NAMESPACE, id: to },
	};
	return { id: linkId(name), content: { ...name, weight: 1 } };
}
