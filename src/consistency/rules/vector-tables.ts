/**
 * The rows of LanceDB, at each collection's pointer, against the vectors in Postgres.
 *
 * A row that was flushed stays in the table, whatever becomes of its version; so a row is right when
 * Postgres has the same, and the table is whole when it has every embedded version up to the pointer
 * that the present generation holds. Vectors of one table are compared in the table's own order; only
 * their ids are kept, eight bytes each, to find what is there twice and what is missing.
 */
import type { VersionId } from "../../domain/ids.ts";
import type { StoredTableRow } from "../../vectors/inspected-tables.ts";
import type { CheckContext } from "../check-context.ts";
import type { FindingClass } from "../finding.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { eachOf, mergeSorted } from "../sorted-merge.ts";
import type { StoredCollection, StoredVector } from "../stored-state.ts";
import { BY_REPAIR, subject } from "../subject.ts";
import { pointerProblem } from "./pointers.ts";

export const vectorTables: ScanRule<CheckContext> = {
	kind: "scan",
	name: "vector-tables",
	level: "full",
	severity: "error",
	compares: "every row of LanceDB at the pointer with its vector in Postgres, byte for byte",
	async *check(context) {
		for (const collection of await context.state.collections()) {
			if (collection.pointer.tableVersion === 0n) continue;
			// Rows cannot be judged by a pointer that is wrong; the rule for pointers says so.
			if ((await pointerProblem(collection, context)) !== undefined) continue;
			yield* tableFindings(collection, context);
		}
	},
};

async function* tableFindings(
	collection: StoredCollection,
	{ state, parts, read }: CheckContext,
): AsyncGenerator<RuleFinding, void> {
	const { name, table, pointer } = collection;
	const seen = new IdList();
	for await (const page of parts.tables.storedRows(table, pointer.tableVersion)) {
		await read(page.length);
		const kept = await state.vectorsOf(
			name,
			page.map((row) => row.versionId),
		);
		const sources = new Map(kept.map((row) => [row.versionId, row]));
		for (const row of page) {
			seen.add(row.versionId);
			const problem = rowProblem(row, sources.get(row.versionId), pointer.versionId);
			if (problem !== undefined) yield finding(collection, row, problem);
		}
	}
	for (const versionId of seen.repeated()) {
		const what = `version ${versionId} is in the table more than once`;
		yield finding(collection, { versionId }, { class: "vector_duplicated", what });
	}
	yield* missing(collection, seen, state.flushedIds(name, pointer.versionId));
}

async function* missing(
	collection: StoredCollection,
	seen: IdList,
	flushed: AsyncIterable<readonly VersionId[]>,
): AsyncGenerator<RuleFinding, void> {
	const order = {
		left: same,
		right: same,
		compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
	};
	for await (const pair of mergeSorted(eachOf(flushed), seen.distinct(), order)) {
		if (pair.type !== "left") continue;
		const what = `version ${pair.left} is below the pointer, and not in the table`;
		yield finding(collection, { versionId: pair.left }, { class: "vector_missing", what });
	}
}

function same(id: bigint): bigint {
	return id;
}

interface Problem {
	readonly class: FindingClass;
	readonly what: string;
}

function rowProblem(
	row: StoredTableRow,
	source: StoredVector | undefined,
	upTo: VersionId,
): Problem | undefined {
	const { versionId } = row;
	if (versionId > upTo) {
		return {
			class: "vector_extra",
			what: `version ${versionId} is in the table, above the pointer ${upTo}`,
		};
	}
	if (source === undefined) {
		return {
			class: "vector_stale",
			what: `version ${versionId} is in the table, and Postgres has no such vector`,
		};
	}
	const columns =
		row.memoryKey === source.memoryKey &&
		row.namespace === source.namespace &&
		row.layer === source.layer &&
		row.fromBlock === source.fromBlock;
	if (columns && Buffer.compare(row.bytes, source.bytes) === 0) return undefined;
	// A damaged source is found by the rule that reads it, and cannot judge the table.
	if (!source.intact) return undefined;
	return {
		class: "vector_corrupt",
		what: `the ${columns ? "vector" : "columns"} of version ${versionId} in the table differ from Postgres`,
	};
}

function finding(
	{ name, table }: StoredCollection,
	row: Pick<StoredTableRow, "versionId"> & Partial<StoredTableRow>,
	{ class: kind, what }: Problem,
): RuleFinding {
	return {
		class: kind,
		subject: subject({
			store: "lancedb",
			table,
			versionId: row.versionId,
			fromBlock: row.fromBlock,
			namespace: row.namespace,
			collection: name,
		}),
		message: `collection ${name}: ${what}`,
		since: row.fromBlock,
		remedy: BY_REPAIR,
	};
}

/** Ids in the order in which they come, sorted when they are asked for. */
class IdList {
	#ids = new BigInt64Array(1_024);
	#length = 0;
	#sorted = true;

	add(id: VersionId): void {
		if (this.#length === this.#ids.length) {
			const larger = new BigInt64Array(2 * this.#length);
			larger.set(this.#ids);
			this.#ids = larger;
		}
		if (this.#length > 0 && id < (this.#ids[this.#length - 1] ?? 0n)) this.#sorted = false;
		this.#ids[this.#length] = id;
		this.#length += 1;
	}

	*repeated(): Generator<VersionId, void> {
		const ids = this.#rising();
		for (let index = 1; index < ids.length; index += 1) {
			const id = ids[index];
			if (id !== undefined && id === ids[index - 1] && id !== ids[index - 2]) yield id;
		}
	}

	async *distinct(): AsyncGenerator<VersionId, void> {
		const ids = this.#rising();
		for (let index = 0; index < ids.length; index += 1) {
			const id = ids[index];
			if (id !== undefined && id !== ids[index - 1]) yield id;
		}
	}

	#rising(): BigInt64Array {
		const ids = this.#ids.subarray(0, this.#length);
		if (!this.#sorted) ids.sort();
		this.#sorted = true;
		return ids;
	}
}
