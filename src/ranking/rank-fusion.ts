/** Joins ranked lists of one search, for instance by text and by vector, into one. */

/**
 * Reciprocal rank fusion: an item scores the sum over the lists of 1 / (RANK_OFFSET + rank), ranks
 * from 1. 60 is the constant of the paper, which found results flat around it (Cormack, Clarke and
 * Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual rank learning methods",
 * SIGIR 2009): large enough that the first place of one list does not beat two good places.
 */
export const RANK_OFFSET = 60;

/** `bestRank` is the best place in any list, from 1. */
export interface FusedRank<Id extends bigint | string> {
	readonly id: Id;
	readonly score: number;
	readonly bestRank: number;
}

/** Order of the answer: score, then best place, then the smaller id; so no two items are equal. */
function compareFused<Id extends bigint | string>(left: FusedRank<Id>, right: FusedRank<Id>) {
	if (left.score !== right.score) return right.score - left.score;
	if (left.bestRank !== right.bestRank) return left.bestRank - right.bestRank;
	return left.id < right.id ? -1 : 1;
}

/**
 * Every id of the lists once, best first. Lists hold ids best first; where one list names an id
 * twice, its first place counts. One list comes back in its own order.
 */
export function fuseRanks<Id extends bigint | string>(
	lists: readonly (readonly Id[])[],
): readonly FusedRank<Id>[] {
	const fused = new Map<Id, FusedRank<Id>>();
	for (const list of lists) {
		for (const [index, id] of [...new Set(list)].entries()) {
			const rank = index + 1;
			const before = fused.get(id) ?? { score: 0, bestRank: rank };
			const score = before.score + 1 / (RANK_OFFSET + rank);
			fused.set(id, { id, score, bestRank: Math.min(before.bestRank, rank) });
		}
	}
	return [...fused.values()].sort(compareFused);
}
