/**
 * The words of embedded rows in memory: a tail, or a whole small collection. A text is cut into words when it is
 * first asked.
 */
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";
import { compareCandidates } from "./exact-scan.ts";
import { type WordBag, wordBag, wordScorer } from "./word-score.ts";
import { wordsOf } from "./words.ts";

type TextRow = Omit<VectorRow, "vector">;

interface CutRow {
	readonly row: TextRow;
	/** Undefined: nobody asked yet. */
	bag: WordBag | undefined;
}

/** Not shared between processes; every call is synchronous. */
export class RowTexts {
	#rows: CutRow[] = [];

	append(rows: readonly VectorRow[]): void {
		for (const { vector: _, ...row } of rows) {
			if (row.text !== undefined) this.#rows.push({ row, bag: undefined });
		}
	}

	/** Keeps the rows for which `keep` holds. */
	retain(keep: (row: TextRow) => boolean): void {
		this.#rows = this.#rows.filter(({ row }) => keep(row));
	}

	/** All rows that `accept` takes in which one of the words stands, the best first. */
	search(words: readonly string[], accept: (row: TextRow) => boolean): readonly VectorCandidate[] {
		const score = wordScorer(words);
		const found: VectorCandidate[] = [];
		for (const each of this.#rows) {
			const { row } = each;
			if (!accept(row)) continue;
			each.bag ??= wordBag(wordsOf(row.text ?? ""));
			const similarity = score(each.bag);
			if (similarity === undefined) continue;
			found.push({ versionId: row.versionId, memoryKey: row.memoryKey, similarity });
		}
		return found.sort(compareCandidates);
	}
}
