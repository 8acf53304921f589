/**
 * The indexes of a table: words from its first version on, the columns that filters name when comparing every
 * row takes longer than looking them up, and vectors when it is large. A version that was made before an index does not have it, and is searched without.
 *
 * Vectors: IVF with RaBitQ codes of one bit a dimension. At 100,000 × 384 it is built in 0.5 to 0.7 s, IVF_PQ
 * in 27 s and HNSW in 38 s (measured, two cores); its rough distances are put right from the whole
 * vectors, which every search does.
 */
import { Index, type Table } from "@lancedb/lancedb";
import { LIMITS } from "../domain/limits.ts";

export const WORDS_INDEX = "words_idx";
export const VECTOR_INDEX = "vector_idx";
const FILTER_INDEXES = [
	{ column: "from_block", name: "from_block_idx", config: () => Index.btree() },
	{ column: "namespace", name: "namespace_idx", config: () => Index.bitmap() },
	{ column: "layer", name: "layer_idx", config: () => Index.bitmap() },
] as const;

/** Vectors of a partition that k-means looks at; more changed nothing that could be measured. */
const SAMPLE_RATE = 64;
const MAX_ITERATIONS = 20;
/** UTF-8 bytes of the longest word, see ranking/words.ts. */
const WORD_BYTES = 320;

/** Words are cut at spaces and taken as they are: what a word is was decided before. */
const words = () =>
	Index.fts({
		withPosition: false,
		baseTokenizer: "whitespace",
		lowercase: false,
		stem: false,
		removeStopWords: false,
		asciiFolding: false,
		maxTokenLength: WORD_BYTES,
	});

/** Of a table without rows; it takes up what is added when it is refreshed, and searches the rest. */
export async function makeWordsIndex(handle: Table): Promise<void> {
	if (await hasIndex(handle, WORDS_INDEX)) return;
	await handle.createIndex("words", { config: words(), name: WORDS_INDEX, train: false });
}

/**
 * Makes the indexes that a table of `rows` rows should have and lacks; `retrain`: that of the vectors anew.
 * Each is a version of its own.
 */
export async function makeIndexes(
	handle: Table,
	want: { readonly rows: number; readonly exactRows: number; readonly retrain: boolean },
): Promise<void> {
	const schema = await handle.schema();
	const there = new Set((await handle.listIndices()).map(({ name }) => name));
	const hasWords = schema.fields.some(({ name }) => name === "words");
	if (hasWords && !there.has(WORDS_INDEX)) {
		await handle.createIndex("words", { config: words(), name: WORDS_INDEX });
	}
	if (want.rows >= Math.min(LIMITS.refreshRows, want.exactRows)) {
		for (const { column, name, config } of FILTER_INDEXES) {
			if (!there.has(name)) await handle.createIndex(column, { config: config(), name });
		}
	}
	if (want.rows < want.exactRows) return;
	if (there.has(VECTOR_INDEX) && !want.retrain) return;
	const config = vectorIndex(dimensionsIn(schema));
	await handle.createIndex("vector", { config, name: VECTOR_INDEX, replace: true });
}

async function hasIndex(handle: Table, name: string): Promise<boolean> {
	return (await handle.listIndices()).some((index) => index.name === name);
}

/** Codes of one bit are packed by eights; other dimensions, which no common model has, keep whole vectors. */
function vectorIndex(dimensions: number): Index {
	const training = {
		distanceType: "cosine",
		sampleRate: SAMPLE_RATE,
		maxIterations: MAX_ITERATIONS,
	} as const;
	return dimensions % 8 === 0 ? Index.ivfRq(training) : Index.ivfFlat(training);
}

function dimensionsIn(schema: {
	readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}): number {
	const type = schema.fields.find(({ name }) => name === "vector")?.type;
	const isList = typeof type === "object" && type !== null && "listSize" in type;
	return isList && typeof type.listSize === "number" ? type.listSize : 0;
}
