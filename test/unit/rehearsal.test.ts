/** What handlers will read is read at once where much is read, and what they make of it is the same. */
import { type Hex, parseAbi } from "viem";
import { expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Version } from "../../src/domain/memory.ts";
import { BackfillGroups } from "../../src/follower/backfill-groups.ts";
import { BlockCalls } from "../../src/follower/block-calls.ts";
import type { HandlerContext } from "../../src/follower/define-chain.ts";
import { HandlerCache } from "../../src/follower/handler-cache.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { DerivedBlock } from "../../src/writer/derived-blocks.ts";
import { type Emitted, LogChain } from "../support/log-chain.ts";

const TOKEN: Hex = `0x${"a".repeat(40)}`;
const abi = parseAbi(["event Moved(uint256 value)"]);
const GROUP = 20n;
const GROUPS = 5n;
const PER_BLOCK = 4;
const NOTHING_ELSE = { suspended: [], times: [] };

type Handler = (context: HandlerContext) => Promise<void>;

function holderOf({ args }: HandlerContext["event"]): string {
	return `holder:${String((args as { readonly value: bigint }).value)}`;
}

/** Each event is of a holder of its own, and adds to what it had. */
const adding: Handler = async ({ event, memory }) => {
	const id = holderOf(event);
	const before = await memory.get(id);
	const n = Number(before?.content["n"] ?? 0);
	await memory.put({ layer: "semantic", id, content: { n: n + 1 } });
};

function blocks(numberOf: (event: number) => number): readonly (readonly Emitted[])[] {
	return Array.from({ length: Number(GROUP * GROUPS) }, (_, block) =>
		Array.from({ length: PER_BLOCK }, (__, index) => {
			const value = BigInt(numberOf(block * PER_BLOCK + index));
			return { at: TOKEN, abi, event: "Moved", args: { value } };
		}),
	);
}

/** Takes the chain in by groups, each begun while the one before is committed; one of a holder in two is known. */
async function backfilled(handler: Handler, chain: LogChain, isStored: (n: number) => boolean) {
	const spec = chainSpec(
		{
			id: 1,
			name: "test",
			rpc: { urls: ["http://127.0.0.1:1"] },
			namespaces: ["ledger"],
			contracts: { Token: { abi, address: TOKEN } },
			handlers: { "Token:Moved": handler },
		},
		{ file: "test.ts", code: new Uint8Array() },
	);
	const stored = new Map<MemoryKey, Version>();
	for (let n = 0; n < 1_000; n += 1) {
		if (!isStored(n)) continue;
		const id = `holder:${n}`;
		const version = { id, layer: "semantic", content: { n: 100 }, fromBlock: 0n };
		stored.set(memoryKey("ledger", id), version as Partial<Version> as Version);
	}
	const asked: number[] = [];
	const store = {
		latestVersions: async (_chain: number, keys: readonly MemoryKey[]) => {
			asked.push(keys.length);
			const found = keys.flatMap((key) => stored.get(key) ?? []);
			return new Map(found.map((each) => [memoryKey("ledger", each.id), [each]]));
		},
	};
	const handlers = new HandlerCache(store, 1);
	const { source } = chain;
	const deriver = { calls: new BlockCalls(source) };
	const groups = new BackfillGroups({ spec, source, deriver, handlers });
	const derived: DerivedBlock[] = [];
	for (let group = 0n; group < GROUPS; group += 1n) {
		const from = group * GROUP;
		const range = { from, to: from + GROUP - 1n, parentHash: derived.at(-1)?.header.hash };
		const here = await groups.derive(range, NOTHING_ELSE);
		const next = { from: from + GROUP, to: from + 2n * GROUP - 1n };
		if (group + 1n < GROUPS) groups.begin(next, here, NOTHING_ELSE);
		await groups.idle();
		handlers.keep(here);
		derived.push(...here);
	}
	const written = derived.flatMap(({ operations }) =>
		operations.map((each) => [each.id, each.kind === "put" ? each.body.content : undefined]),
	);
	return { asked, written };
}

test("what is read much of is read once a group after the first, and gives the same", async () => {
	const isStored = (n: number) => n % 2 === 0;
	const { asked, written } = await backfilled(
		adding,
		new LogChain(blocks((event) => event)),
		isStored,
	);
	const perGroup = Number(GROUP) * PER_BLOCK;
	const one = Array.from({ length: perGroup }, () => 1);
	expect(asked).toEqual([...one, ...Array.from({ length: Number(GROUPS) - 1 }, () => perGroup)]);
	expect(written).toEqual(
		written.map((_, event) => [`holder:${event}`, { n: isStored(event) ? 101 : 1 }]),
	);
});

test("what one group wrote and the next one reads is not read from the store", async () => {
	const holders = Number(GROUP) * PER_BLOCK;
	const chain = new LogChain(blocks((event) => event % holders));
	const { asked, written } = await backfilled(adding, chain, () => true);
	expect(asked).toEqual(Array.from({ length: holders }, () => 1));
	expect(written.at(-1)).toEqual([`holder:${holders - 1}`, { n: 100 + Number(GROUPS) }]);
});

test("handlers that read little are not run twice", async () => {
	let runs = 0;
	const counting: Handler = async (context) => {
		runs += 1;
		await adding(context);
	};
	const few = LIMITS.rehearsedFromReads - 1;
	await backfilled(counting, new LogChain(blocks((event) => event % few)), () => false);
	expect(runs).toBe(Number(GROUP * GROUPS) * PER_BLOCK);
});

test("a handler that fails where nothing is there, or calls a contract, is run when it counts", async () => {
	const chain = new LogChain(blocks((event) => event));
	let calls = 0;
	chain.answer = async () => {
		calls += 1;
		return { type: "ok", data: "0x01" };
	};
	const strict: Handler = async ({ event, memory, client }) => {
		const id = holderOf(event);
		const before = await memory.get(id);
		if (before === undefined) throw new RangeError("it is not there");
		const said = await client.call({ to: TOKEN, data: "0x" });
		await memory.put({ layer: "semantic", id, content: { said } });
	};
	const { asked, written } = await backfilled(strict, chain, () => true);
	expect(written.length).toBe(Number(GROUP * GROUPS) * PER_BLOCK);
	expect(written.every(([, content]) => JSON.stringify(content) === '{"said":"0x01"}')).toBe(true);
	// Of each block the first event's memory is foreseen, and then its handler fails: the others are read one by one.
	expect(asked).toContain(Number(GROUP));
	// One a block, since what is asked of a block is asked once.
	expect(calls).toBe(Number(GROUP * GROUPS));
});
