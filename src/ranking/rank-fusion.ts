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
	return fusePlaces(
		lists.map((list) => [...new Set(list)].map((id, index) => ({ id, rank: index + 1 }))),
	);
}

/**
 * The same of lists with scores: what scored the same shares the place of the first of them, so that the
 * answer does not hang on which of two equals happens to have the smaller id.
 */
export function fuseScores<Id extends bigint | string>(
	lists: readonly (readonly { readonly id: Id; readonly score: number }[])[],
): readonly FusedRank<Id>[] {
	return fusePlaces(
		lists.map((list) => {
			let first = { score: Number.NaN, rank: 0 };
			return list.map(({ id, score }, index) => {
				if (score !== first.score) first = { score, rank: index + 1 };
				return { id, rank: first.rank };
			});
		}),
	);
}

function fusePlaces<Id extends bigint | string>(
	lists: readonly (readonly { readonly id: Id; readonly rank: number }[])[],
): readonly FusedRank<Id>[] {
	const fused = new Map<Id, FusedRank<Id>>();
	for (const { id, rank } of lists.flat()) {
		const before = fused.get(id) ?? { score: 0, bestRank: rank };
		const score = before.score + 1 / (RANK_OFFSET + rank);
		fused.set(id, { id, score, bestRank: Math.min(before.bestRank, rank) });
	}
	return [...fused.values()].sort(compareFused);
}
