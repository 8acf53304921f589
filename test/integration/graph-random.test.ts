/**
 * Reads of the graph at random coordinates of random histories with forks, against a model that looks at
 * plain copies of what was believed there.
 */
import { describe, expect, it } from "vitest";
import { FOREVER, type MemoryKey } from "../../src/domain/ids.ts";
import { ACYCLIC_TYPES } from "../../src/domain/link.ts";
import type { LinkEnd, LinkName } from "../../src/domain/link-name.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Graph } from "../../src/service/graph/graph.ts";
import type { NeighbourView } from "../../src/service/graph/graph-service.ts";
import { PostgresGraphStore } from "../../src/store/reading/postgres-graph-store.ts";
import { historyDatabase } from "../support/history-database.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { HISTORY_CHAIN, StoredHistory, type Written } from "../support/stored-history.ts";

const SEED = announcedSeed("test/integration/graph-random.test.ts");
const HISTORIES = 12;
const STEPS = 120;
const READS = 60;
const TYPES = [...ACYCLIC_TYPES, "knows"];
const NAMESPACES = ["chain", "ours", "theirs"];
const MEMORIES: readonly LinkEnd[] = NAMESPACES.flatMap((namespace) =>
	["a", "b", "c", "d", "e"].map((id) => ({ namespace, id })),
);

/** Links as the model sees them. */
interface ModelLink {
	readonly from: MemoryKey;
	readonly to: MemoryKey;
	readonly type: string;
	readonly weight: number;
	readonly id: string;
	readonly namespace: string;
}

type State = ReturnType<StoredHistory["stateAt"]>;

describe("the graph at random coordinates", () => {
	it("shows the links, and reaches the memories, that a plain model does", async () => {
		const random = new Random(SEED);
		for (let index = 0; index < HISTORIES; index += 1) {
			const history = randomHistory(random);
			const { database, fill } = await historyDatabase("graph random");
			await fill((sql) => history.store(sql));
			const graph = new Graph({
				store: new PostgresGraphStore(database),
				chainId: () => HISTORY_CHAIN,
				timestamp: () => Promise.reject(new Error("no header is missing")),
			});
			for (let read = 0; read < READS; read += 1) await compareOne(graph, history, random);
		}
	});
});

function randomHistory(random: Random): StoredHistory {
	const history = new StoredHistory();
	history.seal();
	for (let step = 0; step < STEPS; step += 1) {
		const chance = random.next();
		if (chance < 0.12) history.seal();
		else if (chance < 0.16 && history.head > 1n) {
			history.rollBack(history.head - BigInt(random.between(1, Math.min(3, Number(history.head)))));
		} else if (chance < 0.55) remember(history, random);
		else if (chance < 0.9) history.link(randomName(random), random.between(1, 4));
		else history.unlink(randomName(random));
	}
	return history;
}

function remember(history: StoredHistory, random: Random): void {
	const end = random.oneOf(MEMORIES);
	const content = random.chance(0.2) ? undefined : { n: random.between(1, 1_000) };
	const owner = end.namespace === "chain" ? "handler" : "agent";
	history.write({ ...end, layer: "semantic", owner, content });
}

function randomName(random: Random): LinkName {
	return { from: random.oneOf(MEMORIES), type: random.oneOf(TYPES), to: random.oneOf(MEMORIES) };
}

async function compareOne(graph: Graph, history: StoredHistory, random: Random): Promise<void> {
	const generation = BigInt(random.between(0, Number(history.generation)));
	const height = BigInt(random.between(0, Number(history.lastOf(generation)) + 1));
	const at = { at: { kind: "height", height }, generation } as const;
	const state = history.stateAt(generation, height);
	const namespaces = random.chance(0.5) ? undefined : ["chain", random.oneOf(["ours", "theirs"])];
	const near = random.oneOf(MEMORIES);
	const minWeight = random.chance(0.3) ? random.between(1, 4) : undefined;
	const query = { ...near, namespaces, minWeight, at };
	const seen = state.has(memoryKey(near.namespace, near.id)) && isSeen(namespaces, near.namespace);
	const links = modelLinks(state).filter(
		(link) =>
			isSeen(namespaces, link.namespace) &&
			isSeen(namespaces, namespaceOf(state, link.from)) &&
			isSeen(namespaces, namespaceOf(state, link.to)) &&
			link.weight >= (minWeight ?? 0),
	);
	if (!seen) {
		const wanted = { ...query, types: undefined, limit: 10 };
		await expect(
			graph.links("c", { ...wanted, direction: "both", cursor: undefined }),
		).rejects.toMatchObject({ code: "memory_not_found" });
		await expect(graph.walk("c", "ancestors", { ...wanted, depth: 3 })).rejects.toMatchObject({
			code: "memory_not_found",
		});
		return;
	}
	const key = memoryKey(near.namespace, near.id);
	await compareLinks(graph, { query, key, links, random });
	await compareWalks(graph, { query, key, links, random });
}

interface Case {
	readonly query: Pick<
		Parameters<Graph["links"]>[1],
		"namespace" | "id" | "namespaces" | "minWeight" | "at"
	>;
	readonly key: MemoryKey;
	readonly links: readonly ModelLink[];
	readonly random: Random;
}

async function compareLinks(graph: Graph, { query, key, links, random }: Case): Promise<void> {
	const types = random.chance(0.5) ? undefined : [random.oneOf(TYPES), random.oneOf(TYPES)];
	const direction = random.oneOf(["out", "in", "both"] as const);
	const found: NeighbourView[] = [];
	let cursor: string | undefined;
	do {
		const limit = random.between(1, 4);
		const page = await graph.links("c", { ...query, types, direction, limit, cursor });
		expect(page.items.length).toBeLessThanOrEqual(limit);
		found.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	const expected = links.filter((link) => types?.includes(link.type) ?? true);
	const out = expected.filter(({ from }) => direction !== "in" && from === key);
	const into = expected.filter(
		({ from, to }) => direction !== "out" && to === key && (direction === "in" || from !== key),
	);
	expect(
		found
			.filter((each) => each.direction === "out")
			.map(nameOf)
			.sort(),
	).toEqual(out.map(({ id }) => id).sort());
	expect(
		found
			.filter((each) => each.direction === "in")
			.map(nameOf)
			.sort(),
	).toEqual(into.map(({ id }) => id).sort());
}

function nameOf({ link }: NeighbourView): string {
	return link.id;
}

async function compareWalks(graph: Graph, { query, key, links, random }: Case): Promise<void> {
	const up = random.chance(0.5);
	const types = [...new Set([random.oneOf(TYPES), random.oneOf(TYPES)])];
	const depth = random.between(1, 4);
	const walk = up ? "ancestors" : "descendants";
	const wanted = { ...query, types, depth, limit: 500 };
	const found = await graph.walk("c", walk, wanted);
	const distances = distancesFrom(
		key,
		up,
		links.filter((link) => types.includes(link.type)),
	);
	const within = [...distances].filter(([, far]) => far <= depth);
	expect(
		found.items
			.map(({ memory, depth: far }) => `${memoryKey(memory.namespace, memory.id)} ${far}`)
			.sort(),
	).toEqual(within.map(([reached, far]) => `${reached} ${far}`).sort());
	expect(found.truncatedBy).toBe(within.length < distances.size ? "depth" : undefined);
	for (const { path, depth: far, memory } of found.items) {
		expect(path).toHaveLength(far);
		expect(path.at(-1)).toMatchObject({ namespace: memory.namespace, id: memory.id });
		requireWay(key, path, { up, links });
	}
	const some = await graph.walk("c", walk, { ...wanted, limit: 2 });
	expect(some.items).toEqual(found.items.slice(0, 2));
	if (found.items.length > 2) expect(some.truncatedBy).toBe("nodes");
}

/** Every step of the way is a link that holds. */
function requireWay(
	key: MemoryKey,
	path: readonly (LinkEnd & { readonly type: string })[],
	{ up, links }: { readonly up: boolean; readonly links: readonly ModelLink[] },
): void {
	let at = key;
	for (const { namespace, id, type } of path) {
		const next = memoryKey(namespace, id);
		const [from, to] = up ? [at, next] : [next, at];
		expect(links).toContainEqual(expect.objectContaining({ from, to, type }));
		at = next;
	}
}

function distancesFrom(
	key: MemoryKey,
	up: boolean,
	links: readonly ModelLink[],
): ReadonlyMap<MemoryKey, number> {
	const distances = new Map<MemoryKey, number>();
	let changed = true;
	while (changed) {
		changed = false;
		for (const { from, to } of links) {
			const [near, far] = up ? [from, to] : [to, from];
			const before = near === key ? 0 : distances.get(near);
			if (far === key || before === undefined) continue;
			if ((distances.get(far) ?? Number(FOREVER)) <= before + 1) continue;
			distances.set(far, before + 1);
			changed = true;
		}
	}
	return distances;
}

/** Links of which the version and both ends are there. */
function modelLinks(state: State): readonly ModelLink[] {
	return [...state.values()].filter(isLink).flatMap((written) => {
		const { from, to, type, weight } = written.content as unknown as LinkName & { weight: number };
		const link = {
			from: memoryKey(from.namespace, from.id),
			to: memoryKey(to.namespace, to.id),
			...{ type, weight, id: written.id, namespace: written.namespace },
		};
		return state.has(link.from) && state.has(link.to) ? [link] : [];
	});
}

function isLink({ id }: Written): boolean {
	return id.startsWith("@link:");
}

function namespaceOf(state: State, key: MemoryKey): string {
	return state.get(key)?.namespace ?? "";
}

function isSeen(namespaces: readonly string[] | undefined, namespace: string): boolean {
	return namespaces?.includes(namespace) ?? true;
}
