/** One statement of many parts, fed by arrays. */
import { pgArray } from "../pg-array.ts";

type Value = Parameters<typeof pgArray>[0][number];
type Column = readonly [type: string, values: readonly Value[]];
type Scalar = string | bigint | null;

const NO_ROWS = "{}";

/** Builds `with a as (…), b as (…)` and its parameters; parts without rows are left out. */
export class Statement {
	readonly parameters: (string | null)[] = [];
	readonly #parts: string[] = [];

	get text(): string {
		return `with ${this.#parts.join(",\n")}`;
	}

	with(name: string, body: string): void {
		this.#parts.push(`${name} as (${body})`);
	}

	scalar(type: string, value: Scalar): string {
		this.parameters.push(value === null ? null : value.toString());
		return `$${this.parameters.length}::${type}`;
	}

	/**
	 * Rows `r` of columns of equal length. A column that says the same in all rows is given as one value: most
	 * of a version's columns do, and each array has to be printed here and parsed there. `unnest` fills an empty
	 * array up with nulls, in whose place the value comes; so the text of the statement is the same either way,
	 * and one prepared statement serves all. The first column is always given whole, and says how many rows.
	 */
	rows(columns: Readonly<Record<string, Column>>): string {
		const names = Object.keys(columns);
		const arrays: string[] = [];
		const values: string[] = [];
		for (const [index, [type, column]] of Object.values(columns).entries()) {
			const same = index === 0 ? undefined : sameOf(column);
			this.parameters.push(same === undefined ? pgArray(column) : NO_ROWS);
			arrays.push(`$${this.parameters.length}::${type}[]`);
			const name = names[index];
			values.push(
				index === 0 || !HAS_SCALARS.has(type)
					? `c.${name}`
					: `coalesce(c.${name}, ${this.scalar(type, same ?? null)}) as ${name}`,
			);
		}
		return `(select ${values.join(", ")} from unnest(${arrays.join(", ")}) as c(${names.join(", ")})) as r`;
	}
}

/** Types whose values mean the same by themselves as in an array, as text. */
const HAS_SCALARS: ReadonlySet<string> = new Set([
	"bigint",
	"smallint",
	"double precision",
	"text",
	"uuid",
]);

/** What all rows say: null where none says anything; undefined: they differ, or it is of another type. */
function sameOf(values: readonly Value[]): Scalar | undefined {
	const first = values[0] ?? null;
	for (const value of values) if ((value ?? null) !== first) return undefined;
	if (first === null || typeof first === "string" || typeof first === "bigint") return first;
	return typeof first === "number" ? String(first) : undefined;
}
