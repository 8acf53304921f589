/** Differences between heights, generations, and an orphaned block and now, each with its cause. */
import { describe, expect, it } from "vitest";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { diffPage } from "../../src/service/reading/diff.ts";
import type { DiffEntry } from "../../src/service/recant-service.ts";
import { PostgresStateStore } from "../../src/store/reading/postgres-state-store.ts";
import { historyDatabase } from "../support/history-database.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { HISTORY_CHAIN, StoredHistory } from "../support/stored-history.ts";

const SEED = announcedSeed("test/integration/diff-history.test.ts");
const HISTORIES = 8;
const STEPS = 120;
const READS = 50;

async function stateOf(history: StoredHistory): Promise<PostgresStateStore> {
	const { database, fill } = await historyDatabase("diff");
	await fill((sql) => history.store(sql));
	return new PostgresStateStore(database);
}

async function differences(
	state: PostgresStateStore,
	ends: { readonly from: AtRequest; readonly to: AtRequest },
	limit = 100,
): Promise<readonly DiffEntry[]> {
	const found: DiffEntry[] = [];
	let cursor: string | undefined;
	do {
		const query = { ...ends, namespace: undefined, limit, cursor };
		const page = await diffPage(state, HISTORY_CHAIN, query);
		found.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	return found;
}

function at(height: bigint, generation?: bigint): AtRequest {
	return { at: { kind: "height", height }, generation };
}

function atHash(hash: Hex): AtRequest {
	return { at: { kind: "hash", hash }, generation: undefined };
}

function note(history: StoredHistory, id: string, n: number | undefined): void {
	const content = n === undefined ? undefined : { n };
	history.write({ namespace: "ours", id, layer: "semantic", owner: "agent", content });
}

function named(entries: readonly DiffEntry[]) {
	return Object.fromEntries(entries.map(({ id, change, cause }) => [id, [change, cause]]));
}

describe("a difference", () => {
	it("between an orphaned block and now names the rollback, and not for what came after it", async () => {
		const history = new StoredHistory();
		history.seal();
		for (const id of ["overwritten", "deleted", "later"]) note(history, id, 1);
		history.seal();
		note(history, "overwritten", 2);
		note(history, "deleted", undefined);
		note(history, "orphan", 1);
		const orphaned = history.seal();
		history.rollBack(1n);
		note(history, "later", 2);
		note(history, "fresh", 1);
		history.seal();
		const state = await stateOf(history);
		const rollback = history.rollbackOf(1n);
		const ends = { from: atHash(orphaned.hash), to: at(2n) };
		expect(named(await differences(state, ends))).toEqual({
			overwritten: ["changed", rollback],
			deleted: ["added", rollback],
			orphan: ["removed", rollback],
			later: ["changed", undefined],
			fresh: ["added", undefined],
		});
		const turned = await differences(state, { from: ends.to, to: ends.from });
		expect(named(turned)).toMatchObject({
			deleted: ["removed", rollback],
			fresh: ["removed", undefined],
		});
	});

	it("between two heights of one generation has no cause", async () => {
		const history = new StoredHistory();
		history.seal();
		note(history, "a", 1);
		history.seal();
		note(history, "a", 2);
		note(history, "b", 1);
		history.seal();
		const state = await stateOf(history);
		expect(named(await differences(state, { from: at(1n), to: at(2n) }))).toEqual({
			a: ["changed", undefined],
			b: ["added", undefined],
		});
	});

	it("over several generations names the rollback that took it, not a later one", async () => {
		const history = new StoredHistory();
		history.seal();
		for (let height = 1; height <= 4; height += 1) {
			note(history, `of ${height}`, 1);
			history.seal();
		}
		for (const ancestor of [3n, 2n, 3n, 1n]) {
			if (history.head < ancestor) history.seal();
			history.rollBack(ancestor);
		}
		const state = await stateOf(history);
		expect(named(await differences(state, { from: at(4n, 0n), to: at(1n) }))).toEqual({
			"of 4": ["removed", history.rollbackOf(1n)],
			"of 3": ["removed", history.rollbackOf(2n)],
			"of 2": ["removed", history.rollbackOf(4n)],
		});
	});

	it("is that of plain copies of both states, at random coordinates", async () => {
		const random = new Random(SEED);
		for (let index = 0; index < HISTORIES; index += 1) {
			const history = randomHistory(random);
			const state = await stateOf(history);
			for (let read = 0; read < READS; read += 1) await compareOne(state, history, random);
		}
	});
});

function randomHistory(random: Random): StoredHistory {
	const history = new StoredHistory();
	history.seal();
	for (let step = 0; step < STEPS; step += 1) {
		const chance = random.next();
		if (chance < 0.2) history.seal();
		else if (chance < 0.26 && history.head > 1n) {
			history.rollBack(history.head - BigInt(random.between(1, Math.min(4, Number(history.head)))));
		} else
			note(
				history,
				`m${random.between(1, 12)}`,
				random.chance(0.2) ? undefined : random.between(1, 4),
			);
	}
	return history;
}

function place(history: StoredHistory, random: Random) {
	const generation = BigInt(random.between(0, Number(history.generation)));
	const height = BigInt(random.between(0, Number(history.lastOf(generation)) + 1));
	return { height, generation };
}

async function compareOne(
	state: PostgresStateStore,
	history: StoredHistory,
	random: Random,
): Promise<void> {
	const [one, other] = [place(history, random), place(history, random)];
	const ends = { from: at(one.height, one.generation), to: at(other.height, other.generation) };
	const found = await differences(state, ends, random.between(1, 5));
	const before = history.stateAt(one.generation, one.height);
	const after = history.stateAt(other.generation, other.height);
	const keys = [...new Set([...before.keys(), ...after.keys()])];
	const expected = keys.filter(
		(key) => before.get(key)?.contentHash !== after.get(key)?.contentHash,
	);
	const name = (key: (typeof keys)[number]) => (before.get(key) ?? after.get(key))?.id;
	expect(found.map(({ id }) => id).sort()).toEqual(expected.map(name).sort());
	const older = one.generation < other.generation ? one : other;
	const newest = one.generation < other.generation ? other : one;
	for (const { id, cause } of found) expect(cause).toBe(modelCause(history, id, older, newest));
}

/** The first generation after the older one, up to the newer, that began below the last thing said. */
function modelCause(
	history: StoredHistory,
	id: string,
	older: { readonly height: bigint; readonly generation: bigint },
	newer: { readonly generation: bigint },
): string | undefined {
	const since = history.lastSaidAt(id, older);
	if (since === undefined) return undefined;
	for (let each = older.generation + 1n; each <= newer.generation; each += 1n) {
		if ((history.ancestorOf(each) ?? since) < since) return history.rollbackOf(each);
	}
	return undefined;
}
