/** The words of a tail: texts that LanceDB does not hold yet. A text is cut into words when it is first asked. */
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";
import { compareCandidates } from "./exact-scan.ts";
import { type WordBag, wordBag, wordScore } from "./word-score.ts";
import { wordsOf } from "./words.ts";

type TextRow = Omit<VectorRow, "vector">;

/** Not shared between processes; every call is synchronous. */
export class TailTexts {
	#rows: TextRow[] = [];
	readonly #bags = new WeakMap<TextRow, WordBag>();

	append(rows: readonly VectorRow[]): void {
		for (const { vector: _, ...row } of rows) {
			if (row.text !== undefined) this.#rows.push(row);
		}
	}

	/** Keeps the rows for which `keep` holds. */
	retain(keep: (row: TextRow) => boolean): void {
		this.#rows = this.#rows.filter(keep);
	}

	/** All rows that `accept` takes in which one of the words stands, the best first. */
	search(words: readonly string[], accept: (row: TextRow) => boolean): readonly VectorCandidate[] {
		const found: VectorCandidate[] = [];
		for (const row of this.#rows) {
			if (!accept(row)) continue;
			const similarity = wordScore(words, this.#bag(row));
			if (similarity === undefined) continue;
			found.push({ versionId: row.versionId, memoryKey: row.memoryKey, similarity });
		}
		return found.sort(compareCandidates);
	}

	#bag(row: TextRow): WordBag {
		const known = this.#bags.get(row);
		if (known !== undefined) return known;
		const bag = wordBag(wordsOf(row.text ?? ""));
		this.#bags.set(row, bag);
		return bag;
	}
}
