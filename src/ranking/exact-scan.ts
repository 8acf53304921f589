/**
 * Exact search over embedded rows in memory, packed in one array: a tail, which LanceDB does not hold yet, or a
 * whole small collection.
 *
 * The similarity of a row is computed here and only here, also for rows that LanceDB found, so an
 * answer does not depend on which rows a flush has moved by now.
 *
 * Invariants
 * 1. Row i of `#rows` has its vector at `#packed[i * dimensions]` and its length in `#norms[i]`.
 * 2. Sums run in float64 in one fixed order: same vectors, same similarity, to the bit.
 */
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";

/** What `accept` sees of a row. */
export type ScannedRow = Omit<VectorRow, "vector" | "text">;

/** Rows for which room is made at first; doubled up to the limit as rows come. */
const FIRST_ROWS = 64;

/**
 * Dot product of `vector` with the values at `packed[offset]`. Four sums, since with one every
 * addition waits for the one before: a tail of 1,024 rows of 384 takes 0.5 instead of 0.9 ms.
 */
function dot(packed: Float32Array, offset: number, vector: Float32Array): number {
	let a = 0;
	let b = 0;
	let c = 0;
	let d = 0;
	const whole = vector.length - (vector.length % 4);
	for (let i = 0; i < whole; i += 4) {
		a += (packed[offset + i] ?? 0) * (vector[i] ?? 0);
		b += (packed[offset + i + 1] ?? 0) * (vector[i + 1] ?? 0);
		c += (packed[offset + i + 2] ?? 0) * (vector[i + 2] ?? 0);
		d += (packed[offset + i + 3] ?? 0) * (vector[i + 3] ?? 0);
	}
	for (let i = whole; i < vector.length; i++) a += (packed[offset + i] ?? 0) * (vector[i] ?? 0);
	return a + b + (c + d);
}

function norm(vector: Float32Array): number {
	return Math.sqrt(dot(vector, 0, vector));
}

function similarityOf(dotProduct: number, normProduct: number): number | undefined {
	const similarity = dotProduct / normProduct;
	return Number.isFinite(similarity) ? Math.min(1, Math.max(-1, similarity)) : undefined;
}

/**
 * Cosine similarity in [-1, 1] of two vectors of one length; undefined when one of them has no
 * direction (all zeros, or a value that is not finite). Such a row is found by no search.
 */
export function cosineSimilarity(left: Float32Array, right: Float32Array): number | undefined {
	return similarityOf(dot(left, 0, right), norm(left) * norm(right));
}

/** Order of every answer: most similar first, and of equals the version that was written first. */
export function compareCandidates(left: VectorCandidate, right: VectorCandidate): number {
	if (left.similarity !== right.similarity) return right.similarity - left.similarity;
	if (left.versionId === right.versionId) return 0;
	return left.versionId < right.versionId ? -1 : 1;
}

/** Puts a candidate in its place among the best k, unless k are better. */
function keepBest(best: VectorCandidate[], candidate: VectorCandidate, k: number): void {
	const last = best.at(-1);
	if (best.length >= k) {
		if (last === undefined || compareCandidates(candidate, last) >= 0) return;
		best.pop();
	}
	let low = 0;
	let high = best.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		const other = best[middle];
		if (other !== undefined && compareCandidates(other, candidate) < 0) low = middle + 1;
		else high = middle;
	}
	best.splice(low, 0, candidate);
}

/** Rows of one collection. Not shared between processes; every call is synchronous. */
export class RowScan {
	readonly #dimensions: number;
	readonly #maxRows: number;
	#rows: ScannedRow[] = [];
	#packed: Float32Array;
	#norms: Float64Array;

	/**
	 * `maxRows` is a hard bound: the writer refuses work before a commit would pass it, so it is
	 * LIMITS.tailRows and what one group may add on top.
	 */
	constructor(options: { readonly dimensions: number; readonly maxRows: number }) {
		this.#dimensions = options.dimensions;
		this.#maxRows = options.maxRows;
		const room = Math.min(FIRST_ROWS, options.maxRows);
		this.#packed = new Float32Array(room * options.dimensions);
		this.#norms = new Float64Array(room);
	}

	get size(): number {
		return this.#rows.length;
	}

	/**
	 * Adds rows at the end; all of them or, when it throws, none.
	 * Throws `FatalError("dimension_mismatch")` and `RetryableError("tail_full")`.
	 */
	append(rows: readonly VectorRow[]): void {
		for (const row of rows) this.#checkDimensions(row.vector);
		this.#reserve(this.size + rows.length);
		for (const { vector, text: _, ...row } of rows) {
			this.#packed.set(vector, this.size * this.#dimensions);
			this.#norms[this.size] = norm(vector);
			this.#rows.push(row);
		}
	}

	/** Keeps the first `rows` rows. */
	truncate(rows: number): void {
		this.#rows.length = Math.min(this.size, Math.max(0, rows));
	}

	clear(): void {
		this.truncate(0);
	}

	/** Keeps the rows for which `keep` holds, in their order: what is flushed or orphaned goes. */
	retain(keep: (row: ScannedRow) => boolean): void {
		const kept: ScannedRow[] = [];
		for (const [index, row] of this.#rows.entries()) {
			if (!keep(row)) continue;
			const from = index * this.#dimensions;
			this.#packed.copyWithin(kept.length * this.#dimensions, from, from + this.#dimensions);
			this.#norms[kept.length] = this.#norms[index] ?? 0;
			kept.push(row);
		}
		this.#rows = kept;
	}

	/**
	 * The k most similar rows that `accept` takes, ordered by `compareCandidates`.
	 * Throws `FatalError("dimension_mismatch")`.
	 */
	search(query: {
		readonly vector: Float32Array;
		readonly k: number;
		readonly accept: (row: ScannedRow) => boolean;
	}): readonly VectorCandidate[] {
		this.#checkDimensions(query.vector);
		const length = norm(query.vector);
		const best: VectorCandidate[] = [];
		for (let index = 0; index < this.#rows.length; index++) {
			const row = this.#rows[index];
			if (row === undefined || !query.accept(row)) continue;
			const product = dot(this.#packed, index * this.#dimensions, query.vector);
			const similarity = similarityOf(product, length * (this.#norms[index] ?? 0));
			if (similarity === undefined) continue;
			const { versionId, memoryKey } = row;
			keepBest(best, { versionId, memoryKey, similarity }, query.k);
		}
		return best;
	}

	#checkDimensions(vector: Float32Array): void {
		if (vector.length === this.#dimensions) return;
		throw dimensionMismatch({ expected: this.#dimensions, actual: vector.length });
	}

	#reserve(rows: number): void {
		if (rows > this.#maxRows) {
			throw new RetryableError("tail_full", {
				message: `the tail would hold ${rows} rows, and may hold ${this.#maxRows}`,
				hint: "LanceDB is behind or down: see the state of vectors, and write again later",
				fields: { rows, maxRows: this.#maxRows },
			});
		}
		if (rows <= this.#norms.length) return;
		const room = Math.min(this.#maxRows, Math.max(rows, this.#norms.length * 2));
		const packed = new Float32Array(room * this.#dimensions);
		packed.set(this.#packed);
		const norms = new Float64Array(room);
		norms.set(this.#norms);
		this.#packed = packed;
		this.#norms = norms;
	}
}

/** The one error for a vector whose length is not that of its collection. */
export function dimensionMismatch(lengths: {
	readonly expected: number;
	readonly actual: number;
}): FatalError {
	return new FatalError("dimension_mismatch", {
		message: `a vector has ${lengths.actual} dimensions, its collection takes ${lengths.expected}`,
		hint: "use the model that the collection was made with, or another collection",
		fields: { expected: lengths.expected, actual: lengths.actual },
	});
}
