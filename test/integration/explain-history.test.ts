/** What an explanation tells of sources, of what rests on a memory, and of forks, from rows alone. */
import { describe, expect, it } from "vitest";
import { EVERYBODY } from "../../src/domain/caller.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { scopedExplain } from "../../src/service/access/scoped-graph.ts";
import { Explain } from "../../src/service/explaining/explain.ts";
import type { Explanation } from "../../src/service/explaining/explain-service.ts";
import { PostgresExplainStore } from "../../src/store/reading/postgres-explain-store.ts";
import { historyDatabase } from "../support/history-database.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import {
	HISTORY_CHAIN,
	type SourceOf,
	StoredHistory,
	type Written,
} from "../support/stored-history.ts";

const SEED = announcedSeed("test/integration/explain-history.test.ts");
const HISTORIES = 8;
const STEPS = 140;
const READS = 40;
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;

async function explainOf(history: StoredHistory): Promise<Explain> {
	const { database, fill } = await historyDatabase("explain");
	await fill((sql) => history.store(sql));
	return new Explain({ store: new PostgresExplainStore(database), chainId: () => HISTORY_CHAIN });
}

/** An agent's memory in `ours`, or another namespace. */
function said(history: StoredHistory, id: string, n: number, namespace = "ours"): Written {
	const owner = namespace === "chain" ? "handler" : "agent";
	return history.write({ namespace, id, layer: "semantic", owner, content: { n } });
}

function ask(explain: Explain, id: string, more: object = {}): Promise<Explanation> {
	return explain.explain("c", { namespace: "ours", id, at: PENDING, depth: 64, ...more });
}

describe("an explanation", () => {
	it("follows ten derivations down to the chain, and back up again", async () => {
		const history = new StoredHistory();
		history.seal();
		let before = said(history, "event", 0, "chain");
		for (let depth = 1; depth <= 10; depth += 1) {
			const next = said(history, `step ${depth}`, depth);
			history.derive(next, [[before]], depth);
			before = next;
		}
		const explain = await explainOf(history);
		const down = await ask(explain, "step 10");
		expect(down.sources.map(({ id, depth, state }) => [id, depth, state])).toEqual([
			...[9, 8, 7, 6, 5, 4, 3, 2, 1].map((step) => [`step ${step}`, 10 - step, "holds"]),
			["event", 10, "holds"],
		]);
		expect(down.derivedFrom).toEqual([[0]]);
		expect(down.sources.map(({ derivedFrom }) => derivedFrom)).toEqual([
			...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((place) => [[place]]),
			[],
		]);
		const up = await explain.explain("c", {
			namespace: "chain",
			id: "event",
			at: PENDING,
			depth: 64,
		});
		expect(up.dependents.map(({ id, depth, restsOn }) => [id, depth, restsOn])).toEqual(
			[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((step) => [
				`step ${step}`,
				step,
				step === 1 ? undefined : step - 2,
			]),
		);
		const cut = await ask(explain, "step 10", { depth: 4 });
		expect(cut.sources).toHaveLength(4);
		expect(cut.truncated).toEqual(["sources"]);
		expect((await ask(explain, "step 10", { depth: 10 })).truncated).toEqual([]);
	});

	it("tells alternatives apart, and a source once that several conclusions share", async () => {
		const history = new StoredHistory();
		history.seal();
		const [a, b, c] = ["a", "b", "c"].map((id) => said(history, id, 1)) as [
			Written,
			Written,
			Written,
		];
		const middle = said(history, "middle", 2);
		history.derive(middle, [[a]]);
		const top = said(history, "top", 3);
		history.derive(
			top,
			[
				[a, middle],
				[b, c],
			],
			2,
		);
		const told = await ask(await explainOf(history), "top");
		expect(told.sources.map(({ id }) => id)).toEqual(["a", "middle", "b", "c"]);
		expect(told.derivedFrom).toEqual([
			[0, 1],
			[2, 3],
		]);
		expect(told.sources[1]?.derivedFrom).toEqual([[0]]);
	});

	it("says which source a fork took, what it had said, and that it still holds at the orphaned block", async () => {
		const history = new StoredHistory();
		history.seal();
		const kept = said(history, "kept", 1);
		history.seal();
		const lost = said(history, "lost", 1);
		const top = said(history, "top", 1);
		history.derive(top, [[kept, lost]]);
		const orphaned = history.seal();
		history.rollBack(1n);
		history.seal();
		const again = said(history, "top", 1);
		history.derive(again, [[kept, lost]]);
		const explain = await explainOf(history);
		const now = await ask(explain, "top");
		expect(now.sources.map(({ id, state, memory }) => [id, state, memory?.content])).toEqual([
			["kept", "holds", { n: 1 }],
			["lost", "lost", { n: 1 }],
		]);
		const at = { at: { kind: "hash", hash: orphaned.hash }, generation: undefined } as const;
		const then = await ask(explain, "top", { at });
		expect(then.sources.map(({ state }) => state)).toEqual(["holds", "holds"]);
		expect(then.at.rolledBack).toBe(true);
		expect(now.blocks.filter(({ canonical }) => !canonical).map(({ hash }) => hash)).toEqual([
			orphaned.hash,
		]);
	});

	it("holds a source that was overwritten since, as a conclusion does", async () => {
		const history = new StoredHistory();
		history.seal();
		const source = said(history, "source", 1);
		history.seal();
		const top = said(history, "top", 1);
		history.derive(top, [[source]]);
		history.seal();
		said(history, "source", 2);
		const explain = await explainOf(history);
		expect((await ask(explain, "top")).sources).toMatchObject([
			{ state: "holds", memory: { content: { n: 1 }, since: 1n } },
		]);
		expect((await ask(explain, "source")).dependents).toEqual([]);
		const at = { at: { kind: "height", height: 2n }, generation: undefined } as const;
		expect((await ask(explain, "source", { at })).dependents).toMatchObject([{ id: "top" }]);
	});

	it("tells what each rollback did, also to what is gone", async () => {
		const history = new StoredHistory();
		history.seal();
		said(history, "overwritten", 1);
		const deleted = said(history, "deleted", 1);
		history.seal();
		said(history, "overwritten", 2);
		history.write({ ...deleted, content: undefined });
		said(history, "orphan", 1);
		history.seal();
		history.rollBack(1n);
		const explain = await explainOf(history);
		const effects = async (id: string) =>
			(await ask(explain, id)).rollbacks.map(({ effect, rollbackId }) => [effect, rollbackId]);
		const rollbackId = history.rollbackOf(1n);
		expect(await effects("overwritten")).toEqual([["changed", rollbackId]]);
		expect(await effects("deleted")).toEqual([["back", rollbackId]]);
		expect(await effects("orphan")).toEqual([["gone", rollbackId]]);
		const orphan = await ask(explain, "orphan");
		expect(orphan.memory).toBeUndefined();
		expect(orphan.history).toMatchObject([{ present: false, generations: { from: 0n, to: 1n } }]);
		await expect(ask(explain, "never")).rejects.toMatchObject({ code: "memory_not_found" });
	});

	it("does not take an ordinary overwrite in a later generation for a rollback's doing", async () => {
		const history = new StoredHistory();
		history.seal();
		said(history, "note", 1);
		history.seal();
		history.seal();
		history.rollBack(1n);
		said(history, "note", 2);
		history.seal();
		const told = await ask(await explainOf(history), "note");
		expect(told.history.map(({ generations }) => generations.from)).toContain(1n);
		expect(told.rollbacks).toEqual([]);
	});

	it("tells every operation with what forks decided of it, and what it carried on", async () => {
		const history = new StoredHistory();
		history.seal();
		history.seal();
		const kept = said(history, "kept", 1);
		const id = history.operate(kept);
		const gone = said(history, "gone", 1);
		history.operate(gone, "suspended");
		const rests = said(history, "rests", 1);
		history.derive(rests, [[gone]]);
		history.operate(rests, "suspended");
		history.seal();
		history.rollBack(1n);
		history.carry(kept);
		history.verdict(gone, "suspended", undefined);
		history.verdict(rests, "suspended", undefined);
		const explain = await explainOf(history);
		const carried = await ask(explain, "kept");
		expect(carried.operations).toMatchObject([
			{
				operation: { operationId: id, status: "applied", originalSlot: 2n },
				verdicts: [{ verdict: "replayed", generation: 1n, slot: 2n, reason: undefined }],
			},
		]);
		expect(carried.rollbacks).toMatchObject([
			{ effect: "kept", before: kept.contentHash, after: kept.contentHash },
		]);
		const lost = await ask(explain, "gone");
		expect(lost.memory).toBeUndefined();
		expect(lost.operations).toMatchObject([
			{
				operation: { status: "suspended", reason: { code: "anchor_absent" } },
				verdicts: [{ verdict: "suspended", slot: undefined, reason: { message: "gone" } }],
			},
		]);
		expect(lost.rollbacks).toMatchObject([{ effect: "gone" }]);
		expect(lost.dependents).toMatchObject([{ id: "rests", state: "suspended", memory: undefined }]);
		expect((await ask(explain, "rests")).sources).toMatchObject([
			{ id: "gone", state: "lost", memory: { content: { n: 1 } } },
		]);
	});

	it("does not take what a later block brought back for the rollback's doing", async () => {
		const history = new StoredHistory();
		history.seal();
		history.seal();
		const back = said(history, "back", 1);
		history.operate(back);
		const late = said(history, "late", 1);
		history.operate(late);
		history.seal();
		history.rollBack(1n);
		history.verdict(back, "suspended", undefined);
		history.verdict(late, "suspended", undefined);
		// The pending slot above the rollback's head: the next block's.
		history.carry(back, true);
		const explain = await explainOf(history);
		const told = await ask(explain, "back");
		expect(told.memory?.content).toEqual({ n: 1 });
		expect(told.operations[0]?.verdicts.map(({ verdict }) => verdict)).toEqual([
			"reinstated",
			"suspended",
		]);
		expect(told.rollbacks).toMatchObject([{ effect: "gone", before: back.contentHash }]);
		expect((await ask(explain, "late")).rollbacks).toMatchObject([{ effect: "gone" }]);
	});

	it("says nothing of namespaces that the caller may not see", async () => {
		const history = new StoredHistory();
		history.seal();
		const shared = said(history, "shared", 1, "chain");
		const mine = said(history, "mine", 1, "ours");
		history.derive(mine, [[shared]]);
		const others = said(history, "others", 1, "theirs");
		history.derive(others, [[shared]]);
		const explain = await explainOf(history);
		const as = (...namespaces: string[]) => scopedExplain(explain, { ...EVERYBODY, namespaces });
		const query = { at: PENDING, depth: 16 } as const;
		const seen = await as("chain", "ours").explain("c", {
			...query,
			namespace: "chain",
			id: "shared",
		});
		expect(seen.dependents.map(({ id }) => id)).toEqual(["mine"]);
		const own = await as("ours").explain("c", { ...query, namespace: "ours", id: "mine" });
		expect(own.sources).toMatchObject([{ state: "hidden", memory: undefined, derivedFrom: [] }]);
		expect(JSON.stringify(own.sources)).not.toContain('"n"');
		await expect(
			as("ours").explain("c", { ...query, namespace: "theirs", id: "others" }),
		).rejects.toMatchObject({ code: "forbidden_namespace" });
	});

	it("leaves out what is past its limits, and says so", async () => {
		const history = new StoredHistory();
		history.seal();
		const source = said(history, "source", 1);
		for (let index = 0; index <= LIMITS.explainNodes; index += 1) {
			history.derive(said(history, `n${index}`, 1), [[source]]);
		}
		const wide = said(history, "wide", 1);
		const all = Array.from({ length: LIMITS.explainNodes + 1 }, (_, index) => ({
			...{ namespace: "ours", id: `n${index}` },
			contentHash: `0x${index.toString(16).padStart(64, "0")}` as const,
		}));
		history.derive(wide, [all]);
		const explain = await explainOf(history);
		const told = await ask(explain, "source");
		expect(told.dependents).toHaveLength(LIMITS.explainNodes);
		expect(told.truncated).toEqual(["dependents"]);
		const below = await ask(explain, "wide");
		expect(below.sources).toHaveLength(LIMITS.explainNodes);
		expect(below.truncated).toEqual(["sources"]);
	});

	it("agrees with a plain model at random coordinates of random histories", async () => {
		const random = new Random(SEED);
		for (let index = 0; index < HISTORIES; index += 1) {
			const model = randomModel(random);
			const explain = await explainOf(model.history);
			for (let read = 0; read < READS; read += 1) await compareOne(explain, model, random);
		}
	});
});

interface Model {
	readonly history: StoredHistory;
	/** By position: what was concluded from what. */
	readonly derived: ReadonlyMap<bigint, readonly (readonly SourceOf[])[]>;
	readonly written: readonly Written[];
}

function randomModel(random: Random): Model {
	const history = new StoredHistory();
	const derived = new Map<bigint, readonly (readonly SourceOf[])[]>();
	const written: Written[] = [];
	history.seal();
	for (let step = 0; step < STEPS; step += 1) {
		const chance = random.next();
		if (chance < 0.15) history.seal();
		else if (chance < 0.2 && history.head > 1n) {
			history.rollBack(history.head - BigInt(random.between(1, Math.min(3, Number(history.head)))));
		} else {
			const id = `m${random.between(1, 14)}`;
			const one = random.chance(0.15)
				? history.write({
						namespace: "ours",
						id,
						layer: "semantic",
						owner: "agent",
						content: undefined,
					})
				: said(history, id, random.between(1, 3));
			if (one.content !== undefined && written.length > 0 && random.chance(0.7)) {
				const sets = Array.from({ length: random.between(1, 2) }, () =>
					Array.from({ length: random.between(1, 2) }, () => random.oneOf(written)),
				);
				history.derive(one, sets);
				derived.set(one.position, sets);
			}
			if (one.content !== undefined) written.push(one);
		}
	}
	return { history, derived, written };
}

async function compareOne(explain: Explain, model: Model, random: Random): Promise<void> {
	const { history } = model;
	const generation = BigInt(random.between(0, Number(history.generation)));
	const height = BigInt(random.between(0, Number(history.lastOf(generation)) + 1));
	const state = [...history.stateAt(generation, height).values()];
	if (state.length === 0) return;
	const of = random.oneOf(state);
	const at = { at: { kind: "height", height }, generation } as const;
	const told = await ask(explain, of.id, { at });
	expect(told.memory?.contentHash).toBe(of.contentHash);
	const seen = seenUpTo(history, generation, height);
	const expected = modelSources(model, of, seen);
	expect(
		told.sources
			.map(({ id, contentHash, depth, state: is }) => `${id} ${contentHash} ${depth} ${is}`)
			.sort(),
	).toEqual(
		[...expected]
			.map(([name, { depth, holds }]) => `${name} ${depth} ${holds ? "holds" : "lost"}`)
			.sort(),
	);
	const dependents = modelDependents(model, of, seen);
	expect(told.dependents.map(({ id, depth }) => `${id} ${depth}`).sort()).toEqual(
		dependents.sort(),
	);
	for (const { restsOn, depth } of told.dependents) {
		const below = restsOn === undefined ? 0 : told.dependents[restsOn]?.depth;
		expect(below).toBe(depth - 1);
	}
}

/** Every version that was visible at some height up to there, the lowest first. */
function seenUpTo(history: StoredHistory, generation: bigint, height: bigint): readonly Written[] {
	const found = new Map<bigint, Written>();
	for (let at = 0n; at <= height; at += 1n) {
		for (const each of history.stateAt(generation, at).values()) found.set(each.position, each);
	}
	return [...found.values()].sort((a, b) => Number(a.fromBlock - b.fromBlock));
}

function modelSources(model: Model, of: Written, seen: readonly Written[]) {
	const found = new Map<string, { readonly depth: number; readonly holds: boolean }>();
	let edge: readonly bigint[] = [of.position];
	for (let depth = 1; edge.length > 0; depth += 1) {
		const next: bigint[] = [];
		for (const source of edge.flatMap((position) => model.derived.get(position) ?? []).flat()) {
			const name = `${source.id} ${source.contentHash}`;
			if (found.has(name)) continue;
			const said = seen.find(({ id, contentHash }) => `${id} ${contentHash}` === name);
			found.set(name, { depth, holds: said !== undefined });
			const anywhere = said ?? lastSaid(model, name);
			if (anywhere !== undefined) next.push(anywhere.position);
		}
		edge = next;
	}
	return found;
}

/** Of what does not hold there, the row that ended last, and of those the one that began highest. */
function lastSaid({ history }: Model, name: string): Written | undefined {
	return history.newestRow((row) => `${row.id} ${row.contentHash}` === name);
}

function modelDependents(model: Model, of: Written, seen: readonly Written[]): string[] {
	const found = new Map<bigint, string>();
	let edge = new Set([`${memoryKey(of.namespace, of.id)} ${of.contentHash}`]);
	for (let depth = 1; edge.size > 0; depth += 1) {
		const next = new Set<string>();
		for (const each of seen) {
			const sets = model.derived.get(each.position) ?? [];
			const rests = sets
				.flat()
				.some((source) =>
					edge.has(`${memoryKey(source.namespace, source.id)} ${source.contentHash}`),
				);
			if (!rests || found.has(each.position)) continue;
			found.set(each.position, `${each.id} ${depth}`);
			next.add(`${each.key} ${each.contentHash}`);
		}
		edge = next;
	}
	return [...found.values()];
}
