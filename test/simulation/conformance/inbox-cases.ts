/** Agents' operations on their way in: durable at once, once for each key, never past the room. */
import { expect } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Submission } from "../../../src/writer/inbox-store.ts";
import { unchangedBy } from "./commit-cases.ts";
import { operationId, stored } from "./look-up-cases.ts";
import { CHAIN, hashOf, NAMESPACE, Scribe } from "./scribe.ts";
import type { ConformanceCase } from "./stores-under-test.ts";

const FULL = { code: "inbox_full", retryable: true };

export const INBOX_CASES: readonly ConformanceCase[] = [
	{
		name: "what is submitted waits in order, entry by entry",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox, writer } = stores.ports;
			const entries = [[stored(operationId(1)), stored(operationId(2))], [stored(operationId(3))]];
			const answer = await inbox.submit(submission(entries));
			expect(answer).toEqual({ type: "new", operationIds: [1, 2, 3].map(operationId) });
			await inbox.submit(submission([[stored(operationId(4))]]));
			const waiting = await writer.inbox(CHAIN, 10);
			expect(waiting.map(({ operations }) => operations.length)).toEqual([2, 1, 1]);
			expect(waiting[0]?.operations).toEqual(entries[0]);
		},
	},
	{
		name: "whole entries come, as many as fit",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox, writer } = stores.ports;
			await inbox.submit(submission([ids(1, 3), ids(4, 5), ids(6, 6)]));
			const sizes = async (limit: number) =>
				(await writer.inbox(CHAIN, limit)).map(({ operations }) => operations.length);
			expect(await sizes(2)).toEqual([]);
			expect(await sizes(3)).toEqual([3]);
			expect(await sizes(4)).toEqual([3]);
			expect(await sizes(5)).toEqual([3, 2]);
			expect(await sizes(9)).toEqual([3, 2, 1]);
		},
	},
	{
		name: "entries that are settled are gone, the others wait on",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { inbox, writer } = stores.ports;
			await inbox.submit(submission([ids(1, 1), ids(2, 2)]));
			const [first] = await writer.inbox(CHAIN, 9);
			await scribe.commit({ settles: [first?.entryId ?? 0n] });
			expect((await writer.inbox(CHAIN, 9)).map(({ entryId }) => entryId)).toEqual([2n]);
		},
	},
	{
		name: "every kind of operation comes back as it was sent",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox, writer } = stores.ports;
			const target = { namespace: NAMESPACE, id: "a", ifVersion: 3n };
			const end = { namespace: NAMESPACE, id: "b" };
			const link = { from: end, type: "knows", to: end };
			const operations = [
				{ kind: "delete", ...target },
				{
					kind: "patch",
					...target,
					content: { x: null },
					text: "t",
					importance: 0.5,
					confidence: undefined,
				},
				{ kind: "link", ...target, link, weight: 2, properties: { y: 1 } },
				{ kind: "unlink", ...target, ifVersion: undefined, link },
				{ kind: "consolidate", ...target, ifVersion: undefined, rule: "daily" },
			] as const;
			const entry = operations.map((operation, index) => stored(operationId(index), { operation }));
			await inbox.submit(submission([entry]));
			expect((await writer.inbox(CHAIN, 9))[0]?.operations).toEqual(entry);
			const records = await inbox.operations(
				CHAIN,
				entry.map((each) => each.operationId),
			);
			expect(records.map(({ kind }) => kind)).toEqual(operations.map(({ kind }) => kind));
		},
	},
	{
		name: "an operation that waits is queued, and unknown ones are left out",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			const sources = [[{ namespace: NAMESPACE, id: "b", contentHash: hashOf("b") }]];
			await inbox.submit(submission([[stored(operationId(1), { sources, policy: "flag" })]]));
			const found = await inbox.operations(CHAIN, [operationId(9), operationId(1), operationId(1)]);
			expect(found).toHaveLength(2);
			expect(found[0]).toMatchObject({ status: "queued", sources, policy: "flag", final: false });
		},
	},
	{
		name: "a key that is repeated with the same body gives the same operations, and stores nothing",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			const idempotency = request("key", "body");
			const first = await inbox.submit({ ...submission([ids(1, 2)]), idempotency });
			expect(first.type).toBe("new");
			const before = await stores.dump();
			const again = await inbox.submit({ ...submission([ids(3, 4)]), idempotency });
			expect(again).toEqual({ type: "repeated", operationIds: [1, 2].map(operationId) });
			expect(await stores.dump()).toEqual(before);
			expect(await inbox.earlier(CHAIN, idempotency)).toEqual(again);
			expect(await inbox.earlier(CHAIN, request("other", "body"))).toBeUndefined();
		},
	},
	{
		name: "a key with another body is refused",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			await inbox.submit({ ...submission([ids(1, 1)]), idempotency: request("key", "body") });
			const other = { ...submission([ids(2, 2)]), idempotency: request("key", "other") };
			const conflict = { code: "idempotency_conflict" };
			await unchangedBy(stores, () => inbox.submit(other), conflict);
			await unchangedBy(stores, () => inbox.earlier(CHAIN, request("key", "other")), conflict);
		},
	},
	{
		name: "a key is one caller's own",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			const key = request("key", "body");
			await inbox.submit({ ...submission([ids(1, 1)]), idempotency: key });
			const others = { ...key, caller: "somebody" };
			const answer = await inbox.submit({
				...submission([ids(2, 2)]),
				idempotency: others,
				caller: "somebody",
			});
			expect(answer).toEqual({ type: "new", operationIds: [operationId(2)] });
			expect(await inbox.earlier(CHAIN, others)).toMatchObject({ type: "repeated" });
		},
	},
	{
		name: "what was refused for want of room leaves no key, and may be sent again",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { inbox, writer } = stores.ports;
			const mine = { caller: "somebody", mostWaiting: 2, idempotency: request("key", "body") };
			await inbox.submit({ ...submission([ids(1, 2)]), caller: "somebody", mostWaiting: 2 });
			const late = { ...submission([ids(3, 3)]), ...mine };
			await unchangedBy(stores, () => inbox.submit(late), FULL);
			const waiting = await writer.inbox(CHAIN, 9);
			await scribe.commit({ settles: waiting.map(({ entryId }) => entryId) });
			expect(await inbox.submit(late)).toMatchObject({ type: "new" });
		},
	},
	{
		name: "what one caller waits for is not another's",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			await inbox.submit({ ...submission([ids(1, 2)]), caller: "somebody", mostWaiting: 2 });
			await inbox.submit({ ...submission([ids(3, 4)]), caller: "other", mostWaiting: 2 });
			expect((await stores.dump())["inbox"]).toHaveLength(2);
		},
	},
	{
		name: "the inbox takes as many as its limit says, and one more is too many",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			await inbox.submit(submission([ids(1, LIMITS.inboxOperations)]));
			const over = submission([ids(LIMITS.inboxOperations + 1, LIMITS.inboxOperations + 1)]);
			await expect(inbox.submit(over)).rejects.toMatchObject(FULL);
		},
	},
	{
		name: "an operation's id is taken once",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			await inbox.submit(submission([ids(1, 1)]));
			await unchangedBy(stores, () => inbox.submit(submission([ids(1, 2)])), { code: "internal" });
		},
	},
	{
		name: "a collection is made once and keeps its shape",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			const shape = { name: "notes", model: "hashing", dimensions: 8 };
			expect(await inbox.collection(CHAIN, "notes")).toBeUndefined();
			expect(await inbox.ensureCollection(CHAIN, shape)).toEqual(shape);
			expect(await inbox.ensureCollection(CHAIN, { ...shape, dimensions: 9 })).toEqual(shape);
			expect(await inbox.collection(CHAIN, "notes")).toEqual(shape);
		},
	},
	{
		name: "a chain has so many collections, and those that it has are answered still",
		run: async (stores) => {
			await Scribe.open(stores);
			const { inbox } = stores.ports;
			const shape = (number: number) => ({ name: `c${number}`, model: "m", dimensions: 2 });
			for (let number = 0; number < LIMITS.collections; number += 1) {
				await inbox.ensureCollection(CHAIN, shape(number));
			}
			const more = inbox.ensureCollection(CHAIN, shape(999));
			await expect(more).rejects.toMatchObject({ code: "limit_exceeded" });
			expect(await inbox.ensureCollection(CHAIN, shape(3))).toEqual(shape(3));
		},
	},
	{
		name: "the tail is the longest of the collections'",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const { inbox } = stores.ports;
			for (const name of ["notes", "other"]) {
				await inbox.ensureCollection(CHAIN, { name, model: "m", dimensions: 1 });
			}
			expect(await inbox.tailRows(CHAIN)).toBe(0);
			const puts = ["a", "b", "c"].map((id) => ({
				id,
				collection: id === "c" ? "other" : "notes",
			}));
			await scribe.commit({ puts, vectors: { a: [1], b: [2], c: [3] } });
			expect(await inbox.tailRows(CHAIN)).toBe(2);
		},
	},
];

function submission(entries: Submission["entries"]): Submission {
	return { chainId: CHAIN, entries, idempotency: undefined };
}

function ids(from: number, to: number) {
	return Array.from({ length: to - from + 1 }, (_, index) => stored(operationId(from + index)));
}

function request(key: string, body: string) {
	return { key, bodyHash: Buffer.from(hashOf(body).slice(2), "hex") };
}
