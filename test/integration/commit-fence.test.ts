/** The one commit point: who may write, and against which state (INV-1 to INV-3). */

import postgres from "postgres";
import { expect, test } from "vitest";
import type { Hex, OperationId } from "../../src/domain/ids.ts";
import { NO_ANCHORS, type Operation } from "../../src/domain/operation.ts";
import { NO_SOURCES } from "../../src/domain/provenance.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { Database } from "../../src/store/database.ts";
import { createHashingEmbedder } from "../../src/vectors/hashing-embedder.ts";
import { ChainWriter } from "../../src/writer/chain-writer.ts";
import type { CollectionChecks } from "../../src/writer/collection-checks.ts";
import { NO_CONSOLIDATOR, PLAIN_SETTINGS } from "../support/plain-settings.ts";
import { openRegisteredChain, type RegisteredChain } from "../support/registered-chain.ts";
import { SILENT } from "../support/silent-log.ts";
import { tableDump } from "../support/table-dump.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;

/** `fence`: of a lease that was taken before. */
async function openWriter({ store }: RegisteredChain, holder: string, fence?: bigint) {
	const lease = fence === undefined ? await store.acquireLease(CHAIN, holder, 60_000) : { fence };
	if ("heldBy" in lease) return undefined;
	const lost = { told: 0 };
	const collections: Pick<CollectionChecks, "ensure"> = {
		ensure: async () => ({ takesTexts: true }),
	};
	const writer = await ChainWriter.open({
		chainId: CHAIN,
		fence: lease.fence,
		store,
		embedder: createHashingEmbedder(),
		collections,
		settings: PLAIN_SETTINGS,
		consolidator: NO_CONSOLIDATOR,
		vectors: { room: async () => undefined, added: () => undefined },
		log: SILENT,
		onCommit: () => undefined,
		onLeaseLost: () => {
			lost.told += 1;
		},
	});
	return { writer, lost };
}

function block(number: bigint, parent: bigint) {
	const hash = (of: bigint): Hex => `0x${of.toString(16).padStart(64, "0")}`;
	const header = { number, hash: hash(number + 1n), parentHash: hash(parent + 1n), timestamp: 1n };
	return {
		mode: "window" as const,
		blocks: [{ header, operations: [], anchors: new Map() }],
		from: number,
		finality: { safe: 0n, finalized: 0n },
		handlersHash: "0x00" as Hex,
	};
}

test("only one process gets the lease, until it is given back or its holder is dead", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const first = await openWriter(chain, "alive");
	expect(first).toBeDefined();
	expect(await openWriter(chain, "second")).toBeUndefined();
	await chain.store.releaseLease(CHAIN, first?.writer.state.fence ?? 0n);
	expect(await openWriter(chain, "dead")).toBeDefined();
	expect(await openWriter(chain, "third")).toBeDefined();
});

test("a process that wakes after its lease is another's changes nothing, and hears of it once", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const zombie = await openWriter(chain, "dead");
	await zombie?.writer.commitBlocks(block(0n, -1n));
	const heir = await openWriter(chain, "heir");
	const before = await tableDump(chain.url, CHAIN);

	await expect(zombie?.writer.commitBlocks(block(1n, 0n))).rejects.toMatchObject({
		code: "lease_lost",
	});
	await expect(zombie?.writer.commitBlocks(block(1n, 0n))).rejects.toMatchObject({
		code: "lease_lost",
	});

	expect(await tableDump(chain.url, CHAIN)).toEqual(before);
	expect(zombie?.lost.told).toBe(1);
	await heir?.writer.commitBlocks(block(1n, 0n));
	expect(heir?.writer.state.head?.number).toBe(1n);
});

test("a batch made against a log that has moved is refused whole; the writer reads its state again", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const late = await openWriter(chain, "dead");
	await late?.writer.commitBlocks(block(0n, -1n));
	const state = late?.writer.state;
	// The same fence, another position: as after a commit whose answer was lost.
	const { database } = { database: await Database.open(chain.url) };
	atTestEnd(() => database.close());
	await database.run(
		(sql) => sql`update chains set log_position = log_position + 1 where chain_id = ${CHAIN}`,
	);

	await expect(late?.writer.commitBlocks(block(1n, 0n))).rejects.toMatchObject({
		code: "lease_lost",
	});

	expect(late?.lost.told).toBe(0);
	expect(late?.writer.state.logPosition).toBe((state?.logPosition ?? 0n) + 1n);
	await late?.writer.commitBlocks(block(1n, 0n));
	expect(late?.writer.state.head?.number).toBe(1n);
});

test("requests are admitted in their order, each whole or not at all", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const owner = await openWriter(chain, "alive");
	await owner?.writer.commitBlocks(block(0n, -1n));
	const submit = async (...operations: readonly (readonly [number, Operation])[]) => {
		await chain.inbox.submit({
			chainId: CHAIN,
			entries: [operations.map(([number, operation]) => stored(number, operation))],
			idempotency: undefined,
		});
	};
	await submit([1, put("one")], [2, put("two")]);
	await submit([3, put("three")], [4, remove("missing")]);
	await submit([5, remove("one")]);

	await owner?.writer.drained();

	const ids = [1, 2, 3, 4, 5].map(idOf);
	const states = await chain.inbox.operations(CHAIN, ids);
	expect(states.map(({ status, position }) => [status, position])).toEqual([
		["applied", 2n],
		["applied", 3n],
		["refused", 4n],
		["refused", 5n],
		["applied", 6n],
	]);
	expect(states[2]?.reason?.message).toContain("operation 1 of the same request failed");
	expect(states[3]).toMatchObject({ reason: { code: "memory_not_found" }, final: true });
	const keys = ["one", "two", "three"].map((id) => memoryKey("default", id));
	const rows = await chain.store.latestVersions(CHAIN, keys);
	const believed = keys.map((key) => rows.get(key)?.at(0)?.content !== undefined);
	expect(believed).toEqual([false, true, false]);
	expect(await chain.store.inbox(CHAIN, 10)).toEqual([]);
});

function request(number: number, operation: Operation) {
	const entries = [[stored(number, operation)]];
	return { chainId: CHAIN, entries, idempotency: undefined };
}

function stored(number: number, operation: Operation): StoredOperation {
	const rests = { anchors: NO_ANCHORS, sources: NO_SOURCES, policy: "recant" } as const;
	return { operationId: idOf(number), operation, ...rests };
}

function idOf(number: number): OperationId {
	return `00000000-0000-4000-8000-00000000000${number}` as string as OperationId;
}

function put(id: string): Operation {
	const none = { text: undefined, vector: undefined, collection: undefined };
	const body = { layer: "semantic", content: { id }, ...none, ...UNWEIGHED } as const;
	return { kind: "put", namespace: "default", id, ifVersion: undefined, body };
}

function remove(id: string): Operation {
	return { kind: "delete", namespace: "default", id, ifVersion: undefined };
}

const UNWEIGHED = {
	importance: undefined,
	confidence: undefined,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
};

test("a writer that opens when its lease is another's already does not go on with that one's", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const slow = await chain.store.acquireLease(CHAIN, "dead", 60_000);
	const heir = await openWriter(chain, "heir");
	await expect(openWriter(chain, "late", "fence" in slow ? slow.fence : 0n)).rejects.toMatchObject({
		code: "lease_lost",
	});
	await heir?.writer.commitBlocks(block(0n, -1n));
	expect(heir?.writer.state.head?.number).toBe(0n);
});

test("a lease that was renewed behind a long commit lasts from that commit's end", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const lease = await chain.store.acquireLease(CHAIN, "alive", 60_000);
	const fence = "fence" in lease ? lease.fence : 0n;
	const ttlMs = 1_000;
	const sql = postgres(chain.url, { max: 1 });
	atTestEnd(() => sql.end());
	const renewed = await sql.begin(async (tx) => {
		await tx`update recant.chains set version_seq = version_seq`;
		const waiting = chain.store.renewLease({ chainId: CHAIN, fence, ttlMs });
		await tx`select pg_sleep(1.2)`;
		return { waiting };
	});
	expect(await renewed.waiting).toBe(true);
	const [row] = await sql`select lease_until > now() as live from recant.chains`;
	expect(row).toEqual({ live: true });
});

test("nothing is committed on rows that are not what was committed", async () => {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const writer = (await openWriter(chain, "dead"))?.writer;
	await writer?.commitBlocks(block(0n, -1n));
	await chain.inbox.submit(request(1, put("kept")));
	await writer?.drained();
	const sql = postgres(chain.url, { max: 1 });
	atTestEnd(() => sql.end());
	await sql`update recant.versions set content_hash = decode(repeat('22', 32), 'hex')`;

	const heir = (await openWriter(chain, "heir"))?.writer;
	expect(heir?.halted?.code).toBe("verification_failed");
	await chain.inbox.submit(request(2, put("waits")));
	const before = await tableDump(chain.url, CHAIN);
	await expect(heir?.commitBlocks(block(1n, 0n))).rejects.toMatchObject({ code: "not_ready" });
	await expect(heir?.drained()).rejects.toMatchObject({ code: "not_ready" });
	expect(await tableDump(chain.url, CHAIN)).toEqual(before);
});

/** A chain that stands still, since one of its rows is not what was committed. */
async function damaged() {
	const chain = await openRegisteredChain("commit_fence", CHAIN);
	const writer = (await openWriter(chain, "dead"))?.writer;
	await writer?.commitBlocks(block(0n, -1n));
	await chain.inbox.submit(request(1, put("kept")));
	await writer?.drained();
	const sql = postgres(chain.url, { max: 1 });
	atTestEnd(() => sql.end());
	const [row] = await sql`select content_hash from recant.versions`;
	const set = (hash: Buffer) => sql`update recant.versions set content_hash = ${hash}`;
	await set(Buffer.alloc(32, 0x22));
	const heir = (await openWriter(chain, "dead"))?.writer;
	expect(heir?.halted?.code).toBe("verification_failed");
	const haltOf = async () => (await sql`select halt from recant.chains`)[0]?.["halt"];
	return { chain, sql, heir, heal: () => set(row?.["content_hash"]), haltOf };
}

test("a chain goes on when its rows are what was committed again, and not before", async () => {
	const { chain, heir, heal, haltOf } = await damaged();
	await heir?.exclusive(async () => undefined);
	expect(heir?.halted?.code).toBe("verification_failed");
	expect(await haltOf()).toContain("verification_failed");

	await heir?.exclusive(async () => void (await heal()));
	expect([heir?.halted, await haltOf()]).toEqual([undefined, null]);
	await heir?.commitBlocks(block(1n, 0n));
	await chain.inbox.submit(request(2, put("waits")));
	await heir?.drained();
	expect(heir?.state.head?.number).toBe(1n);
});

test("rows that were mended while no process ran let the chain go on at the start", async () => {
	const { chain, heal, haltOf } = await damaged();
	await heal();
	const next = (await openWriter(chain, "next"))?.writer;
	expect([next?.halted, await haltOf()]).toEqual([undefined, null]);
	await next?.commitBlocks(block(1n, 0n));
});

test("recorded roots that come to be those of damaged rows' tree are not taken for their mending", async () => {
	const { sql, heir, heal, haltOf } = await damaged();
	// Rows and roots move past each other: the tree in memory has the roots, the rows do not.
	await heal();
	await sql`update recant.chains set roots = ${JSON.stringify(heir?.states.roots)}`;
	await heir?.exclusive(async () => undefined);
	expect(heir?.halted?.code).toBe("verification_failed");
	expect(await haltOf()).toContain("verification_failed");
});

test("sound rows end no other halt", async () => {
	const { chain, sql, heir, heal } = await damaged();
	await heal();
	const halt = { code: "fork_below_finality", message: "forked", hint: "look" };
	await heir?.halt(halt);
	await heir?.exclusive(async () => undefined);
	expect(heir?.halted).toEqual(halt);
	expect((await openWriter(chain, "next"))?.writer.halted).toEqual(halt);
	expect((await sql`select halt from recant.chains`)[0]?.["halt"]).toContain("forked");
});
