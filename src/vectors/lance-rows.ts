/**
 * Rows of a collection as Arrow columns, which is how LanceDB takes and gives them.
 *
 * Encoding fills the columns directly: building them from row objects costs several times as much.
 * Decoding checks every value, since a table may have been written by something else.
 */
import {
	Field,
	FixedSizeList,
	Float32,
	Int64,
	makeData,
	RecordBatch,
	Schema,
	Struct,
	Table,
	Utf8,
	vectorFromArray,
} from "apache-arrow";
import { FatalError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/ids.ts";
import { isLayer } from "../domain/layer.ts";
import type { VectorRow } from "../domain/vector.ts";
import { dimensionMismatch } from "../ranking/exact-scan.ts";
import { wordsOf } from "../ranking/words.ts";

/** Columns of a whole row. */
export const ROW_COLUMNS = [
	"version_id",
	"memory_key",
	"namespace",
	"layer",
	"from_block",
	"vector",
] as const;

/** The columns of a table for vectors of that many dimensions. */
export function schemaOf(dimensions: number): Schema {
	return new Schema([
		new Field("version_id", new Int64(), false),
		new Field("memory_key", new Utf8(), false),
		new Field("namespace", new Utf8(), false),
		new Field("layer", new Utf8(), false),
		new Field("from_block", new Int64(), false),
		new Field("vector", vectorType(dimensions), false),
		// Taken from the text, with spaces between; empty for a version without one.
		new Field("words", new Utf8(), true),
	]);
}

function vectorType(dimensions: number): FixedSizeList<Float32> {
	return new FixedSizeList(dimensions, new Field("item", new Float32(), true));
}

function bigints(values: readonly bigint[]) {
	const data = BigInt64Array.from(values);
	return makeData({ type: new Int64(), data, length: data.length, nullCount: 0 });
}

function strings(values: readonly string[]) {
	return vectorFromArray(values, new Utf8()).data.slice(0, 1);
}

function vectors(rows: readonly VectorRow[], dimensions: number) {
	const data = new Float32Array(rows.length * dimensions);
	for (const [index, { vector }] of rows.entries()) {
		if (vector.length !== dimensions) {
			throw dimensionMismatch({ expected: dimensions, actual: vector.length });
		}
		data.set(vector, index * dimensions);
	}
	const child = makeData({ type: new Float32(), data, length: data.length, nullCount: 0 });
	return makeData({ type: vectorType(dimensions), child, length: rows.length, nullCount: 0 });
}

/** The shape of a table; one that was made before words were kept has none. */
export interface TableShape {
	readonly dimensions: number;
	readonly hasWords: boolean;
}

/** At least one row. Throws `FatalError("dimension_mismatch")`. */
export function encodeRows(
	rows: readonly VectorRow[],
	{ dimensions, hasWords }: TableShape,
): Table {
	const fields = schemaOf(dimensions).fields.filter(({ name }) => hasWords || name !== "words");
	const schema = new Schema(fields);
	const children = [
		bigints(rows.map((row) => row.versionId)),
		...strings(rows.map((row) => row.memoryKey)),
		...strings(rows.map((row) => row.namespace)),
		...strings(rows.map((row) => row.layer)),
		bigints(rows.map((row) => row.fromBlock)),
		vectors(rows, dimensions),
		...(hasWords ? strings(rows.map((row) => wordsOf(row.text ?? "").join(" "))) : []),
	];
	const type = new Struct(schema.fields);
	const data = makeData({ type, children, length: rows.length, nullCount: 0 });
	return new Table(schema, new RecordBatch(schema, data));
}

/** What is read of Arrow's columns, whichever copy of the library made them. */
interface Columns {
	readonly numRows: number;
	getChild(name: string): { get(index: number): unknown } | null;
}

function foreignValue(column: string): FatalError {
	return new FatalError("data_directory_corrupt", {
		message: `column ${column} of a vector table holds what Recant never writes`,
		hint: "restore the vectors' store from a backup, or rebuild the collection from Postgres",
		fields: { column },
	});
}

/** Cells of one row, each checked. Throws `FatalError("data_directory_corrupt")`. */
export class RowReader {
	readonly #columns: Columns;
	/** A column is looked up by its name once, not for every cell. */
	readonly #children = new Map<string, ReturnType<Columns["getChild"]>>();

	constructor(columns: Columns) {
		this.#columns = columns;
	}

	bigint(column: string, index: number): bigint {
		const value = this.#cell(column, index);
		if (typeof value !== "bigint") throw foreignValue(column);
		return value;
	}

	string(column: string, index: number): string {
		const value = this.#cell(column, index);
		if (typeof value !== "string") throw foreignValue(column);
		return value;
	}

	number(column: string, index: number): number {
		const value = this.#cell(column, index);
		if (typeof value !== "number") throw foreignValue(column);
		return value;
	}

	memoryKey(index: number): MemoryKey {
		return this.string("memory_key", index) as MemoryKey;
	}

	/** A view into the batch: copy it before it is kept. */
	vector(index: number): Float32Array {
		const value = this.#cell("vector", index);
		if (typeof value !== "object" || value === null) throw foreignValue("vector");
		const values = "toArray" in value && typeof value.toArray === "function" && value.toArray();
		if (!(values instanceof Float32Array)) throw foreignValue("vector");
		return values;
	}

	row(index: number): VectorRow {
		const layer = this.string("layer", index);
		if (!isLayer(layer)) throw foreignValue("layer");
		return {
			versionId: this.bigint("version_id", index),
			memoryKey: this.memoryKey(index),
			namespace: this.string("namespace", index),
			layer,
			fromBlock: this.bigint("from_block", index),
			vector: this.vector(index).slice(),
		};
	}

	#cell(column: string, index: number): unknown {
		let child = this.#children.get(column);
		if (child === undefined) {
			child = this.#columns.getChild(column);
			this.#children.set(column, child);
		}
		return child?.get(index);
	}
}

/** Every row of a batch, with vectors of its own. */
export function decodeRows(batch: Columns): readonly VectorRow[] {
	const reader = new RowReader(batch);
	return Array.from({ length: batch.numRows }, (_, index) => reader.row(index));
}

/** Throws `FatalError("data_directory_corrupt")`. */
export function shapeOf(schema: Parameters<typeof dimensionsOf>[0]): TableShape {
	const hasWords = schema.fields.some(({ name }) => name === "words");
	return { dimensions: dimensionsOf(schema), hasWords };
}

/** Dimensions of a table's vectors. Throws `FatalError("data_directory_corrupt")`. */
export function dimensionsOf(schema: {
	readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}): number {
	const type = schema.fields.find((field) => field.name === "vector")?.type;
	if (typeof type === "object" && type !== null && "listSize" in type) {
		if (typeof type.listSize === "number") return type.listSize;
	}
	throw foreignValue("vector");
}
