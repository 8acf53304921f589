/**
 * A restore against the rows that the writer and the rollback left: random histories of agents' writes,
 * blocks, backfilled groups and forks, each restored from nothing and from snapshots, at every height.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { applyChanges } from "../../src/commitment/leaf-changes.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { FatalError } from "../../src/domain/errors.ts";
import type { Height, OperationId } from "../../src/domain/ids.ts";
import { linkId } from "../../src/domain/link.ts";
import {
	type AnchorSet,
	type JsonObject,
	NO_ANCHORS,
	type Operation,
} from "../../src/domain/operation.ts";
import { LOSS_POLICIES, NO_SOURCES, type Sources } from "../../src/domain/provenance.ts";
import { givenVectorHash } from "../../src/memory/given-vector.ts";
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { unitVector } from "../../src/ranking/unit-vector.ts";
import { leafDifference } from "../../src/restore/leaf-difference.ts";
import { restoreMemories } from "../../src/restore/restore-memories.ts";
import { Restorer } from "../../src/restore/restorer.ts";
import { isThere, shadowRows } from "../../src/restore/shadow-store.ts";
import { MemoryChain } from "../support/memory-chain.ts";
import { MemoryShadows } from "../support/memory-shadows.ts";
import { GIVEN, MemorySnapshots } from "../support/memory-snapshots.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

const HISTORIES = 400;
const STEPS = 30;
/** Histories for what is about one height of each. */
const TAMPERED = 150;
const IDS = ["a", "b", "c"];
const SEED = announcedSeed("test/property/restore.test.ts");

test("a restore gives the rows of the original, whatever the base", {
	timeout: 120_000,
}, async () => {
	const seen = { snapshots: 0, restored: 0 };
	for (let index = 0; index < HISTORIES; index += 1) {
		const seed = SEED + index;
		try {
			await history(new Random(seed), seen);
		} catch (error) {
			throw new Error(`history of seed ${seed}`, { cause: error });
		}
	}
	// A run that never met one of these would show nothing.
	const wanted = [...Object.keys(KINDS), ...IN_GROUPS.map((name) => `${name} in a group`)];
	expect(Object.keys(seen)).toEqual(expect.arrayContaining(wanted));
	console.info(seen);
});

test("no version at a sealed block has a position above the block's own", async () => {
	let ends = 0;
	for (let index = 0; index < HISTORIES; index += 1) {
		const seed = SEED + index;
		const { chain } = await lived(new Random(seed));
		// Block 0 is sealed inside its group too, and is no cut where the group wrote something by then.
		for (let height = 1n; height <= chain.head; height += 1n) {
			const sealed = chain.checkpoint(height);
			if (sealed === undefined) continue;
			const above = chain.visible(height).filter(({ position }) => position > sealed.logPosition);
			expect(above, `at block ${height} of seed ${seed}`).toEqual([]);
			const entry = chain.log.find(({ position }) => position === sealed.logPosition);
			if (entry?.kind === "derived") ends += 1;
		}
	}
	expect(ends).toBeGreaterThan(HISTORIES);
});

test("what was changed in log or snapshot is never taken for the state", async () => {
	let refused = 0;
	for (let index = 0; index < TAMPERED; index += 1) {
		const random = new Random(SEED + index);
		const { chain, snapshots } = await lived(random);
		const height = BigInt(random.between(0, Number(chain.head)));
		const base = snapshots.bases(height).at(-1);
		const expected = chain.visible(height);
		const changed = random.chance(0.5) ? snapshots.tamper(base, random) : chain.tamper(random);
		const restorer = new Restorer({ shadows: new MemoryShadows(), log: chain.reader, snapshots });
		const outcome = await restorer
			.restore({
				...requestAt(chain, height),
				snapshot: base,
				roots: StateTree.build(expected).roots(),
			})
			.then(
				() => "restored",
				(error: unknown) => (error instanceof FatalError ? error.code : error),
			);
		// What was overwritten, taken back or above the height does not matter, and may be anything.
		if (outcome === "restored") continue;
		expect(changed).toBe(true);
		// `history_pruned`: an operation names an entry that is not there any more.
		const refusals = ["verification_failed", "handlers_differ", "history_pruned", "internal"];
		expect(refusals).toContain(outcome);
		refused += 1;
	}
	expect(refused).toBeGreaterThan(TAMPERED / 5);
});

test("some memories are restored as in the whole", async () => {
	for (let index = 0; index < TAMPERED; index += 1) {
		const random = new Random(SEED + index);
		const { chain, snapshots } = await lived(random);
		const height = BigInt(random.between(0, Number(chain.head)));
		const restorer = new Restorer({ shadows: new MemoryShadows(), log: chain.reader, snapshots });
		const expected = chain.visible(height);
		const wanted = new Set(
			expected.map(({ memoryKey }) => memoryKey).filter(() => random.chance(0.5)),
		);
		const state = await restoreMemories(restorer, wanted, {
			...requestAt(chain, height),
			chainId: chain.state.chainId,
			height,
			roots: undefined,
			snapshots: snapshots.bases(height).slice(-1),
			purpose: "repair",
			ownerId: randomUUID(),
		});
		const rows = await state.memoriesOf([...wanted]);
		expect(new Map([...rows].map(([key, { versionId }]) => [key, versionId]))).toEqual(
			new Map(
				expected
					.filter(({ memoryKey }) => wanted.has(memoryKey))
					.map(({ memoryKey, versionId }) => [memoryKey, versionId]),
			),
		);
		await state.drop();
		await expect(state.memoriesOf([...wanted])).rejects.toThrow();
	}
});

test("a tree becomes a shadow's by their difference", async () => {
	for (let index = 0; index < TAMPERED; index += 1) {
		const random = new Random(SEED + index);
		const { chain } = await lived(random);
		const shadows = new MemoryShadows();
		const restorer = new Restorer({ shadows, log: chain.reader, snapshots: undefined });
		const height = BigInt(random.between(0, Number(chain.head)));
		const request = requestAt(chain, height);
		const { roots } = await restorer.restore(request);
		const tree = StateTree.build(chain.visible(chain.head + 1n));
		applyChanges(tree, await leafDifference(tree, shadows, request.shadow));
		expect(tree.roots()).toEqual(roots);
		expect(await leafDifference(tree, shadows, request.shadow)).toEqual([]);
	}
});

/** Everything from the log, and no roots to compare with. */
function requestAt(chain: MemoryChain, height: Height) {
	const { generation, logPosition, chainId } = chain.state;
	const shadow = {
		shadowId: "s",
		chainId,
		purpose: "check",
		ownerId: randomUUID(),
		height,
	} as const;
	return {
		shadow,
		generation,
		fromGen: generation,
		logPosition,
		snapshot: undefined,
		roots: undefined,
		only: undefined,
		deriver: chain.deriver,
		onProgress: () => undefined,
	};
}

async function history(random: Random, seen: Record<string, number>): Promise<void> {
	const { chain, snapshots } = await lived(random);
	for (let height = 0n; height <= chain.head; height += 1n) {
		await expectRestored(chain, height, undefined);
		for (const id of snapshots.bases(height)) {
			await expectRestored(chain, height, { id, snapshots });
			seen["snapshots"] = (seen["snapshots"] ?? 0) + 1;
		}
		seen["restored"] = (seen["restored"] ?? 0) + 1;
	}
	count(chain, seen);
}

/** A chain that has gone through some steps, with snapshots of some of them. */
async function lived(random: Random) {
	const chain = new MemoryChain(random);
	const snapshots = new MemorySnapshots(chain);
	await chain.backfill(random.between(1, 4));
	for (let step = 0; step < STEPS; step += 1) {
		const draw = random.next();
		if (draw < 0.45) await chain.write([operation(chain, random)]);
		else if (draw < 0.66) await chain.extend();
		else if (draw < 0.75) await chain.backfill(random.between(1, 4));
		else if (draw < 0.83) snapshots.take(random);
		else if (chain.head > chain.finalized) {
			const depth = BigInt(random.between(1, Number(chain.head - chain.finalized)));
			await chain.fork(chain.head - depth, random.between(0, 3));
		}
	}
	return { chain, snapshots };
}

/** What a history has to meet, and how it shows in the log. */
const KINDS: Readonly<Record<string, (kind: string, body: JsonObject) => boolean>> = {
	forks: (kind) => kind === "rollback",
	groups: (kind) => kind === "derived",
	verdicts: (kind) => kind === "verdict",
	reinstated: (_kind, body) => body["verdict"] === "reinstated",
	cleared: (_kind, body) => body["verdict"] === "cleared",
	suspect: (kind, body) => kind === "verdict" && body["suspect"] === true,
	"over before its slot": (_kind, body) => body["ended"] === true,
	"ended by time": (_kind, body) => body["reason"] === "time",
	"ended by capacity": (_kind, body) => body["reason"] === "capacity",
	consolidated: (_kind, body) => body["owner"] === "system" && body["kind"] === "put",
	"consolidations asked for": (kind, body) =>
		kind === "operation" && body["owner"] === "agent" && body["kind"] === "consolidate",
	links: (kind, body) => kind === "operation" && body["kind"] === "link",
};
/** The same, inside groups. */
const IN_GROUPS = ["verdicts", "cleared", "ended by time", "consolidated"];

function count({ log }: MemoryChain, seen: Record<string, number>): void {
	const groups = log.flatMap(({ kind, position, body }) =>
		kind === "derived" ? [{ above: BigInt(JSON.parse(body).base.position), to: position }] : [],
	);
	const note = (name: string) => {
		seen[name] = (seen[name] ?? 0) + 1;
	};
	for (const { kind, body, position } of log) {
		const inGroup = groups.some(({ above, to }) => position > above && position < to);
		for (const [name, is] of Object.entries(KINDS)) {
			if (!is(kind, JSON.parse(body))) continue;
			note(name);
			if (inGroup && IN_GROUPS.includes(name)) note(`${name} in a group`);
		}
	}
}

async function expectRestored(
	chain: MemoryChain,
	height: Height,
	base: { readonly id: `0x${string}`; readonly snapshots: MemorySnapshots } | undefined,
): Promise<void> {
	const shadows = new MemoryShadows();
	const restorer = new Restorer({ shadows, log: chain.reader, snapshots: base?.snapshots });
	const expected = chain.visible(height);
	// Roots are compared here: what differs says more than that something does.
	const { roots } = await restorer.restore({ ...requestAt(chain, height), snapshot: base?.id });
	const rows = [];
	for await (const page of shadowRows(shadows, "s")) {
		rows.push(...page.filter((row) => isThere(row, height)));
	}
	const plain = rows.map(({ fromGen: _gen, vector: _vector, ...row }) => row);
	const original = expected
		.map(({ fromGen: _gen, toGen: _to, toBlock: _end, ...row }) => row)
		.sort((a, b) => (a.memoryKey < b.memoryKey ? -1 : 1));
	expect(plain, `state at ${height}`).toEqual(original);
	expect(roots).toEqual(StateTree.build(expected).roots());
}

function operation(chain: MemoryChain, random: Random): StoredOperation {
	const id = random.oneOf(IDS);
	const target = { namespace: "agent", id, ifVersion: condition(chain, id, random) };
	return {
		operationId: randomUUID() as string as OperationId,
		operation: { ...target, ...kind(chain, random) } as Operation,
		anchors: random.chance(0.6) ? anchors(chain, random) : NO_ANCHORS,
		sources: random.chance(0.4) ? sources(chain, random) : NO_SOURCES,
		policy: random.oneOf(LOSS_POLICIES),
	};
}

function anchors(chain: MemoryChain, random: Random): AnchorSet {
	const mode = random.chance(0.7) ? "all" : "any";
	const found = Array.from({ length: random.between(1, 2) }, () => chain.transaction());
	return {
		mode,
		anchors: found.flatMap((transaction) => {
			if (transaction === undefined) return [];
			const { hash, block } = transaction;
			const place = { blockHash: block.hash, height: block.number };
			return random.chance(0.9)
				? { kind: "transaction", transactionHash: hash, effectsHash: hash, place }
				: { kind: "block", blockHash: block.hash, place };
		}),
	};
}

/** Alternatives of what is visible now. */
function sources(chain: MemoryChain, random: Random): Sources {
	const visible = chain.visible(chain.head + 1n);
	if (visible.length === 0) return NO_SOURCES;
	return Array.from({ length: random.between(1, 2) }, () => {
		const { namespace, id, contentHash } = random.oneOf(visible);
		return [{ namespace, id, contentHash }];
	});
}

function kind(chain: MemoryChain, random: Random) {
	const content = { [`k${random.between(0, 3)}`]: random.between(0, 99) };
	const draw = random.next();
	if (draw < 0.05) {
		return { kind: "consolidate", id: "@consolidate", rule: undefined, ifVersion: undefined };
	}
	if (draw < 0.12) return link(chain, random);
	if (draw < 0.2) return { kind: "delete" };
	if (draw < 0.35) {
		const text = random.chance(0.2) ? "patched" : undefined;
		return { kind: "patch", content, text, importance: undefined, confidence: 0.5 };
	}
	const vector = random.chance(0.3) ? [1, random.next(), random.next()] : undefined;
	if (vector !== undefined) GIVEN.set(givenVectorHash(vector), unitVector(vector));
	const text = random.chance(0.5) ? `text ${random.between(0, 9)}` : undefined;
	const collection = vector === undefined && text === undefined ? undefined : "notes";
	const layer = random.chance(0.8) ? "short_term" : "long_term";
	const height = chain.head + 1n + BigInt(random.between(1, 4));
	const time = (chain.state.head?.timestamp ?? 0n) + BigInt(random.between(1, 8));
	const expiresAtBlock = random.chance(0.3) ? height : undefined;
	const expiresAtTime = expiresAtBlock === undefined && random.chance(0.4) ? time : undefined;
	const ends = { expiresAtBlock, expiresAtTime };
	const weights = { importance: random.next(), confidence: undefined };
	return { kind: "put", body: { layer, content, vector, text, collection, ...ends, ...weights } };
}

function link(chain: MemoryChain, random: Random) {
	const visible = chain.visible(chain.head + 1n).filter(({ id }) => IDS.includes(id));
	const end = () => ({
		namespace: "agent",
		id: visible.length === 0 ? random.oneOf(IDS) : random.oneOf(visible).id,
	});
	const link = { from: end(), type: "relates", to: end() };
	const named = { id: linkId(link), link, ifVersion: undefined };
	if (random.chance(0.25)) return { kind: "unlink", ...named };
	return { kind: "link", ...named, weight: random.between(1, 3), properties: undefined };
}

function condition(chain: MemoryChain, id: string, random: Random): bigint | undefined {
	if (random.chance(0.7)) return undefined;
	const present = chain
		.visible(chain.head + 1n)
		.find((version) => version.id === id && version.namespace === "agent");
	return present?.versionId ?? 0n;
}
