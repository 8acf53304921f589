/** The table of links against the memories that the links are. */
import type { MemoryKey } from "../../domain/ids.ts";
import { ACYCLIC_TYPES } from "../../domain/link.ts";
import type { CheckContext } from "../check-context.ts";
import { isSameLink, type LinkNameRow, linkNameOf } from "../link-names.ts";
import type { MemoryRule, RuleFinding, ScanRule } from "../rule.ts";
import type { StoredLink, StoredMemory, StoredState } from "../stored-state.ts";
import { BY_REPAIR, byPerson, subject } from "../subject.ts";
import { pendingLeaf } from "../visible-rows.ts";

export const linksOfVersions: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "links-of-versions",
	level: "full",
	severity: "error",
	compares: "what every link's versions join with the table of links",
	open: async ({ state }) => ({
		page: async (memories) => {
			const named = memories.flatMap((memory) => {
				const link = linkNameOf(memory.rows);
				return link === undefined ? [] : [{ memory, link }];
			});
			const stored = await state.linksOf(named.map(({ link }) => link.linkKey));
			const byKey = new Map(stored.map((row) => [row.linkKey, row]));
			return named
				.filter(({ link }) => !isSameLink(byKey.get(link.linkKey), link))
				.map(({ memory, link }) => unnamed(memory, byKey.get(link.linkKey)));
		},
		end: async () => [],
		close: () => undefined,
	}),
};

function unnamed({ memoryKey, rows }: StoredMemory, stored: LinkNameRow | undefined): RuleFinding {
	const [first] = rows;
	const { namespace, id } = first ?? {};
	const what = stored === undefined ? "does not have it" : "says that it joins others";
	return {
		class: "link_orphaned",
		subject: subject({ store: "postgres", table: "links", memoryKey, namespace, id }),
		message: `link ${memoryKey} has versions, and the table of links ${what}`,
		since: first?.fromBlock,
		remedy: BY_REPAIR,
	};
}

/** A row stays when retention takes the last version away: see the rule of names. */
export const links: ScanRule<CheckContext> = {
	kind: "scan",
	name: "links",
	level: "full",
	severity: "warning",
	compares: "every row of the table of links with the versions of the link",
	async *check({ state, read }) {
		for await (const page of state.links()) {
			await read(page.length);
			const bare = page.filter(({ hasVersions }) => !hasVersions);
			if (bare.length === 0 || state.chain.logCutTo > 0n) continue;
			const logged = await state.inLog(bare.map(({ linkKey }) => linkKey));
			yield* bare.filter(({ linkKey }) => !logged.has(linkKey)).map(bareLink);
		}
	},
};

function bareLink({ linkKey, namespace }: StoredLink): RuleFinding {
	return {
		class: "link_orphaned",
		subject: subject({ store: "postgres", table: "links", memoryKey: linkKey, namespace }),
		message: `the table of links has ${linkKey}, and there never was such a link`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}

/** Links are refused that close a circle; so one that stands was let in, or made by damage. */
export const cycles: ScanRule<CheckContext> = {
	kind: "scan",
	name: "cycles",
	level: "comprehensive",
	severity: "error",
	compares: "what the links join of each type that goes one way with an order without circles",
	async *check({ state, at, read }) {
		for (const type of ACYCLIC_TYPES) {
			const edges: LinkNameRow[] = [];
			for await (const page of state.links()) {
				await read(page.length);
				const ofType = page.filter((link) => link.type === type);
				edges.push(...(await standing(ofType, state, at.height + 1n)));
			}
			yield* circling(edges).map((edge) => circle(edge));
		}
	},
};

/** Those that are visible in the pending slot. */
async function standing(
	rows: readonly LinkNameRow[],
	state: StoredState,
	slot: bigint,
): Promise<readonly LinkNameRow[]> {
	const memories = await state.memoriesOf(rows.map(({ linkKey }) => linkKey));
	const there = new Set(
		memories.flatMap((memory) => {
			const leaf = pendingLeaf(memory.rows, slot);
			return leaf !== undefined && leaf.toBlock > slot ? [memory.memoryKey] : [];
		}),
	);
	return rows.filter(({ linkKey }) => there.has(linkKey));
}

/** What is left when the ends that lead nowhere, and that nothing leads to, are taken away. */
export function circling(edges: readonly LinkNameRow[]): readonly LinkNameRow[] {
	const after = withoutEnds(
		edges,
		({ fromKey }) => fromKey,
		({ toKey }) => toKey,
	);
	return withoutEnds(
		after,
		({ toKey }) => toKey,
		({ fromKey }) => fromKey,
	);
}

/** Takes edges away, one by one, that nothing comes into. Each is looked at once. */
function withoutEnds(
	edges: readonly LinkNameRow[],
	tail: (edge: LinkNameRow) => MemoryKey,
	head: (edge: LinkNameRow) => MemoryKey,
): readonly LinkNameRow[] {
	const incoming = new Map<MemoryKey, number>();
	for (const edge of edges) incoming.set(head(edge), (incoming.get(head(edge)) ?? 0) + 1);
	const outgoing = Map.groupBy(edges, tail);
	const ends = [...outgoing.keys()].filter((key) => !incoming.has(key));
	const left = new Set(edges);
	for (let key = ends.pop(); key !== undefined; key = ends.pop()) {
		for (const edge of outgoing.get(key) ?? []) {
			left.delete(edge);
			const count = (incoming.get(head(edge)) ?? 1) - 1;
			incoming.set(head(edge), count);
			if (count === 0) ends.push(head(edge));
		}
	}
	return [...left];
}

function circle({ linkKey, namespace, type }: LinkNameRow): RuleFinding {
	return {
		class: "link_orphaned",
		subject: subject({ store: "postgres", table: "links", memoryKey: linkKey, namespace }),
		message: `link ${linkKey} of type ${type} is part of a circle, or leads from one to another`,
		since: undefined,
		remedy: byPerson("recant links"),
	};
}
