/** Episodes in their order, by height and by time, of random histories with forks and missing headers. */
import { describe, expect, it } from "vitest";
import { Graph } from "../../src/service/graph/graph.ts";
import type { EpisodesQuery, EpisodeView } from "../../src/service/graph/graph-service.ts";
import { PostgresGraphStore } from "../../src/store/reading/postgres-graph-store.ts";
import { historyDatabase } from "../support/history-database.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { HISTORY_CHAIN, StoredHistory, type Written } from "../support/stored-history.ts";

const SEED = announcedSeed("test/integration/episodes.test.ts");
const HISTORIES = 10;
const STEPS = 150;
const READS = 60;
/** Forks stay above it; below it not every header is kept. */
const FINALIZED = 8n;
const NAMESPACES = ["chain", "ours", "theirs"];

const EVERYTHING = {
	namespace: undefined,
	from: undefined,
	to: undefined,
	fromTime: undefined,
	toTime: undefined,
	order: "asc",
	limit: 50,
	cursor: undefined,
} as const;
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;

/** Answers as the node would, and counts how often it was asked. */
async function graphOf(history: StoredHistory) {
	const { database, fill } = await historyDatabase("episodes");
	await fill((sql) => history.store(sql));
	const asked: bigint[] = [];
	const graph = new Graph({
		store: new PostgresGraphStore(database),
		chainId: () => HISTORY_CHAIN,
		timestamp: async (_chainId, height) => {
			asked.push(height);
			return history.header(height).timestamp;
		},
	});
	return { graph, asked, database };
}

async function allPages(
	graph: Graph,
	query: EpisodesQuery,
	limit: () => number,
): Promise<readonly EpisodeView[]> {
	const found: EpisodeView[] = [];
	let cursor: string | undefined;
	do {
		const page = await graph.episodes("c", { ...query, limit: limit(), cursor });
		found.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	return found;
}

describe("episodes", () => {
	it("come in the order in which they happened, at random coordinates and windows", async () => {
		const random = new Random(SEED);
		for (let index = 0; index < HISTORIES; index += 1) {
			const history = randomHistory(random);
			const { graph } = await graphOf(history);
			for (let read = 0; read < READS; read += 1) await compareOne(graph, history, random);
		}
	});

	it("of a block's slot are the handlers' first, and agents' by position", async () => {
		const history = new StoredHistory();
		history.seal();
		episode(history, "agent one", "agent");
		episode(history, "event one", "handler");
		episode(history, "agent two", "agent");
		episode(history, "event two", "handler");
		history.seal();
		episode(history, "later", "handler");
		const { graph } = await graphOf(history);
		const { items } = await graph.episodes("c", { ...EVERYTHING, at: PENDING });
		expect(items.map(({ memory }) => memory.id)).toEqual([
			"event one",
			"event two",
			"agent one",
			"agent two",
			"later",
		]);
		expect(items.at(0)?.block).toMatchObject({ hash: history.header(1n).hash });
		expect(items.at(-1)?.block).toBeUndefined();
	});

	it("of a window by time ask the node only where an episode stands in a gap of headers", async () => {
		const history = new StoredHistory();
		history.seal();
		for (let height = 1; height <= 40; height += 1) {
			if (height === 30) episode(history, "in the gap", "agent");
			history.seal({ kept: height === 20 || height === 40 });
		}
		const { graph, asked } = await graphOf(history);
		const query = { ...EVERYTHING, at: PENDING };
		const early = {
			fromTime: history.header(10n).timestamp,
			toTime: history.header(15n).timestamp,
		};
		expect((await graph.episodes("c", { ...query, ...early })).items).toEqual([]);
		expect(asked).toEqual([]);
		const exact = history.header(30n).timestamp;
		const at = await graph.episodes("c", { ...query, fromTime: exact, toTime: exact });
		expect(at.items.map(({ memory }) => memory.id)).toEqual(["in the gap"]);
		expect(asked.length).toBeGreaterThan(0);
		const after = await graph.episodes("c", { ...query, fromTime: exact + 1n });
		expect(after.items).toEqual([]);
	});

	it("of the pending slot are later than every block", async () => {
		const history = new StoredHistory();
		history.seal();
		episode(history, "waiting", "agent");
		const { graph } = await graphOf(history);
		const query = { ...EVERYTHING, at: PENDING };
		const far = history.header(0n).timestamp + 1_000n;
		expect((await graph.episodes("c", { ...query, fromTime: far })).items).toHaveLength(1);
		expect((await graph.episodes("c", { ...query, toTime: far })).items).toHaveLength(0);
	});

	it("go on from a cursor in the generation that gave it, and with the same query alone", async () => {
		const history = new StoredHistory();
		history.seal();
		for (const id of ["a", "b", "c"]) episode(history, id, "agent");
		history.seal();
		const { graph, database } = await graphOf(history);
		const query = { ...EVERYTHING, at: PENDING, limit: 1 };
		const { cursor } = await graph.episodes("c", query);
		await database.run(
			(sql) => sql`update versions set to_gen = 1 where chain_id = ${HISTORY_CHAIN}`,
		);
		await database.run(
			(sql) => sql`update generations set last_height = 1 where chain_id = ${HISTORY_CHAIN}`,
		);
		await database.run(
			(sql) => sql`insert into generations (chain_id, generation, ancestor_height)
				values (${HISTORY_CHAIN}, 1, 0)`,
		);
		await database.run((sql) => sql`update chains set generation = 1, head_height = 0`);
		const next = await graph.episodes("c", { ...query, cursor });
		expect(next.items.map(({ memory }) => memory.id)).toEqual(["b"]);
		expect(next.at).toMatchObject({ generation: 0n, rolledBack: true });
		for (const other of [{ namespace: "ours" }, { order: "desc" as const }, { reader: "other" }]) {
			await expect(graph.episodes("c", { ...query, ...other, cursor })).rejects.toMatchObject({
				code: "cursor_invalid",
			});
		}
	});
});

function episode(history: StoredHistory, id: string, owner: Written["owner"]): Written {
	const namespace = owner === "handler" ? "chain" : "ours";
	return history.write({ namespace, id, layer: "episodic", owner, content: { id } });
}

function randomHistory(random: Random): StoredHistory {
	const history = new StoredHistory();
	history.seal();
	for (let step = 0; step < STEPS; step += 1) {
		const chance = random.next();
		if (chance < 0.3) {
			const kept = history.head >= FINALIZED || random.chance(0.4);
			history.seal({ kept, seconds: BigInt(random.between(1, 20)) });
		} else if (chance < 0.36 && history.head > FINALIZED + 1n) {
			history.rollBack(FINALIZED + BigInt(random.between(1, Number(history.head - FINALIZED) - 1)));
		} else writeOne(history, random);
	}
	// What is searched by halves ends at a header, as the window does.
	history.seal();
	if (random.chance(0.5)) writeOne(history, random);
	return history;
}

function writeOne(history: StoredHistory, random: Random): void {
	const namespace = random.oneOf(NAMESPACES);
	const owner = namespace === "chain" ? "handler" : "agent";
	const id = `e${random.between(1, 60)}`;
	const layer = random.chance(0.8) ? "episodic" : "semantic";
	const content = random.chance(0.15) ? undefined : { n: random.between(1, 1_000) };
	history.write({ namespace, id: `${layer} ${id}`, layer, owner, content });
}

async function compareOne(graph: Graph, history: StoredHistory, random: Random): Promise<void> {
	const generation = BigInt(random.between(0, Number(history.generation)));
	const last = history.lastOf(generation);
	const height = BigInt(random.between(0, Number(last) + 1));
	const query: EpisodesQuery = {
		namespace: random.chance(0.3) ? random.oneOf(NAMESPACES) : undefined,
		namespaces: random.chance(0.3) ? ["chain", "ours"] : undefined,
		from: random.chance(0.3) ? BigInt(random.between(0, Number(height))) : undefined,
		to: random.chance(0.3) ? BigInt(random.between(0, Number(height) + 2)) : undefined,
		fromTime: random.chance(0.5) ? timeNear(history, random) : undefined,
		toTime: random.chance(0.5) ? timeNear(history, random) : undefined,
		order: random.oneOf(["asc", "desc"] as const),
		at: { at: { kind: "height", height }, generation },
		limit: 0,
		cursor: undefined,
	};
	const found = await allPages(graph, query, () => random.between(1, 6));
	const state = [...history.stateAt(generation, height).values()];
	const expected = state
		.filter((each) => each.layer === "episodic" && isWanted(each, query))
		.filter((each) => isInTime(each, query, { history, generation, last }))
		.sort(happenedBefore);
	if (query.order === "desc") expected.reverse();
	expect(found.map(({ memory }) => `${memory.namespace}/${memory.id} ${memory.since}`)).toEqual(
		expected.map(({ namespace, id, fromBlock }) => `${namespace}/${id} ${fromBlock}`),
	);
}

/** A timestamp of a block, or one beside it. */
function timeNear(history: StoredHistory, random: Random): bigint {
	const height = BigInt(random.between(0, Number(history.head)));
	return history.header(height).timestamp + BigInt(random.between(-1, 1));
}

function isWanted({ namespace, fromBlock }: Written, query: EpisodesQuery): boolean {
	return (
		(query.namespace === undefined || namespace === query.namespace) &&
		(query.namespaces?.includes(namespace) ?? true) &&
		(query.from === undefined || fromBlock >= query.from) &&
		(query.to === undefined || fromBlock <= query.to)
	);
}

function isInTime(
	{ fromBlock }: Written,
	{ fromTime, toTime }: EpisodesQuery,
	of: { readonly history: StoredHistory; readonly generation: bigint; readonly last: bigint },
): boolean {
	if (fromBlock > of.last) return toTime === undefined;
	const { timestamp } = of.history.header(fromBlock, of.generation);
	return timestamp >= (fromTime ?? timestamp) && timestamp <= (toTime ?? timestamp);
}

function happenedBefore(a: Written, b: Written): number {
	const place = ({ fromBlock, owner, versionId, position }: Written) => [
		fromBlock,
		owner === "handler" ? 0n : 1n,
		owner === "handler" ? versionId : position,
	];
	const [one, other] = [place(a), place(b)];
	const at = one.findIndex((part, index) => part !== other[index]);
	return Number((one[at] ?? 0n) - (other[at] ?? 0n));
}
