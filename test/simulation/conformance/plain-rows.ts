/** Rows and answers in one form, so that those of two stores can be compared. */
import type { Dump, DumpedRow } from "./stores-under-test.ts";

/** Columns that depend on the moment, or on what the fake has no use for. */
const LEFT_OUT = new Set([
	"checksum",
	"created_at",
	"pointer_at",
	"progress",
	"received_at",
	"recorded_at",
	"rows_epoch",
]);
/** Of these it is told only whether they are there. */
const TIMES = new Set([
	"claim_until",
	"finished_at",
	"lease_until",
	"stage_started_at",
	"stored_at",
	"verified_at",
]);
/** Their keys may stand in any order. */
const JSON_COLUMNS = new Set([
	"branch",
	"counts",
	"error",
	"halt",
	"operation_ids",
	"payload",
	"pointers",
	"reason",
	"report",
	"roots",
	"sources",
]);

export function plainDump(
	tables: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>,
): Dump {
	return Object.fromEntries(
		Object.entries(tables).map(([name, rows]) => [name, rows.map(plainRow).sort(byAllColumns)]),
	);
}

function plainRow(row: Readonly<Record<string, unknown>>): DumpedRow {
	const columns = Object.entries(row).filter(([name]) => !LEFT_OUT.has(name));
	const plain = columns.flatMap(([name, value]) => {
		const cell = plainCell(name, value);
		return cell === undefined ? [] : [[name, cell] as const];
	});
	return Object.fromEntries(plain.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Undefined: SQL has null. */
function plainCell(name: string, value: unknown): string | undefined {
	if (value === undefined || value === null) return undefined;
	if (TIMES.has(name)) return "some time";
	if (name === "stage_ms") return JSON.stringify(stagesOf(value));
	if (JSON_COLUMNS.has(name)) return JSON.stringify(sorted(parsed(value)));
	if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
	return String(value);
}

/** A fake gives the stages alone. */
function stagesOf(value: unknown): readonly string[] {
	const stages = parsed(value);
	const names = Array.isArray(stages) ? stages.map(String) : Object.keys(Object(stages));
	return names.sort();
}

function parsed(value: unknown): unknown {
	return typeof value === "string" ? JSON.parse(value) : value;
}

function sorted(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(sorted);
	if (typeof value !== "object" || value === null) return value;
	const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
	return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

function byAllColumns(a: DumpedRow, b: DumpedRow): number {
	const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
	return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * An answer as text and plain data. Times become a word, stages' milliseconds too, and what has no order
 * is sorted.
 */
export function plainAnswer(answer: unknown, isOrdered: boolean): unknown {
	const plain = plainValue(answer);
	return isOrdered ? plain : unordered(plain);
}

/** Lists sorted by what is in them, all the way down. */
function unordered(value: unknown): unknown {
	if (!Array.isArray(value)) return value;
	const items = value.map(unordered);
	return items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function plainValue(value: unknown): unknown {
	if (typeof value === "bigint") return `${value}n`;
	if (value instanceof Date) return "some time";
	if (ArrayBuffer.isView(value)) {
		return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
	}
	if (value instanceof Map) {
		const entries = [...value].map(([key, item]) => [plainValue(key), plainValue(item)]);
		return entries.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
	}
	if (Array.isArray(value)) return value.map(plainValue);
	if (typeof value !== "object" || value === null) return value;
	return plainFields(value);
}

/** A pointer at no version of a table yet: its time is that of the row. */
function isUnmade(value: object): boolean {
	return "tableVersion" in value && value.tableVersion === 0n;
}

function plainFields(value: object): unknown {
	const fields = Object.entries(value).filter(
		([key, item]) => item !== undefined && !(key === "at" && isUnmade(value)),
	);
	return Object.fromEntries(
		fields
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([key, item]) => [key, key === "stageMs" ? stagesOf(item) : plainValue(item)]),
	);
}
