/** What an instance holds at one coordinate, in a form that two instances can be compared by. */
import type { AtRequest } from "../../src/domain/coordinate.ts";
import type { MemoryView, RecantService } from "../../src/service/recant-service.ts";
import { CHAIN } from "./recant.ts";

/** As many as a page may have; a small one now and then shows that pages fit together. */
const PAGE = 50;
/** Texts that are near to what tests and handlers write. */
const TEXTS = ["the whale moves its tokens", "transferred 5 of token in block"];
/** LanceDB and the tail's scan round differently. */
const SCORE_DIGITS = 4;

/** A memory without what is an instance's own, the version's number, and what moves with the chain's marks. */
export type HeldMemory = Omit<MemoryView, "versionId" | "finality">;

export interface Held {
	/** By namespace, layer and id. */
	readonly memories: Readonly<Record<string, HeldMemory>>;
	/** Of each search: memory → score. */
	readonly found: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export async function readHeld(service: RecantService, at: AtRequest): Promise<Held> {
	const [memories, found] = [await readMemories(service, at), await readSearches(service, at)];
	return {
		memories: Object.fromEntries(memories.map((each) => [nameOf(each), held(each)])),
		found,
	};
}

/** Every memory, page by page. */
export async function readMemories(
	service: RecantService,
	at: AtRequest,
): Promise<readonly MemoryView[]> {
	const memories: MemoryView[] = [];
	let cursor: string | undefined;
	do {
		const page = await service.memories(CHAIN, {
			at,
			layer: undefined,
			namespace: undefined,
			limit: PAGE,
			cursor,
		});
		memories.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	return memories;
}

export function nameOf({ namespace, layer, id }: MemoryView): string {
	return `${namespace}/${layer}/${id}`;
}

function held({ versionId: _own, finality: _moves, ...memory }: MemoryView): HeldMemory {
	return memory;
}

async function readSearches(service: RecantService, at: AtRequest): Promise<Held["found"]> {
	const found: Record<string, Record<string, number>> = {};
	for (const text of TEXTS) {
		for (const namespace of ["default", "ledger"]) {
			const { results } = await service.search(CHAIN, {
				text,
				vector: undefined,
				collection: undefined,
				namespace,
				layers: undefined,
				where: undefined,
				minImportance: undefined,
				minConfidence: undefined,
				at,
				k: 200,
			});
			found[`${namespace}: ${text}`] = Object.fromEntries(
				results.map(({ memory, score }) => [
					`${nameOf(memory)} ${memory.contentHash}`,
					Number(score.toFixed(SCORE_DIGITS)) + 0,
				]),
			);
		}
	}
	return found;
}
