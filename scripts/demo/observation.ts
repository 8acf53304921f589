/** Everything that an instance answers about its present state, the pending slot included. */
import type {
	CheckpointAnswer,
	MemoriesAnswer,
	MemoryAnswer,
	SearchAnswer,
} from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { CHAIN } from "./instance.ts";

export interface Observation {
	readonly memories: readonly MemoryAnswer[];
	/** Of the canonical branch. */
	readonly checkpoints: readonly CheckpointAnswer[];
	readonly searches: readonly Search[];
}

export interface Search {
	readonly question: string;
	readonly results: SearchAnswer["results"];
}

const PAGE = 200;
const RESULTS = 20;

export async function observe(
	client: RecantClient,
	questions: readonly string[],
): Promise<Observation> {
	const [memories, checkpoints, searches] = await Promise.all([
		allMemories(client),
		client.checkpoints(CHAIN, { limit: PAGE }),
		Promise.all(questions.map((question) => searchFor(client, question))),
	]);
	return {
		memories,
		checkpoints: checkpoints.items.filter(({ generations }) => generations.to === undefined),
		searches,
	};
}

async function allMemories(client: RecantClient): Promise<readonly MemoryAnswer[]> {
	const memories: MemoryAnswer[] = [];
	let page: MemoriesAnswer = await client.memories(CHAIN, { at: "pending", limit: PAGE });
	memories.push(...page.items);
	while (page.cursor !== undefined) {
		page = await client.memories(CHAIN, { cursor: page.cursor, limit: PAGE });
		memories.push(...page.items);
	}
	return memories;
}

async function searchFor(client: RecantClient, question: string): Promise<Search> {
	const { results } = await client.search(CHAIN, { text: question, at: "pending", k: RESULTS });
	return { question, results };
}
