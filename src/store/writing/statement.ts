/** One statement of many parts, fed by arrays. */
import { pgArray } from "../pg-array.ts";

type Column = readonly [type: string, values: readonly Parameters<typeof pgArray>[0][number][]];
type Scalar = string | bigint | null;

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

	/** `unnest(…) as rows(names)` over columns of equal length. */
	rows(columns: Readonly<Record<string, Column>>): string {
		const names = Object.keys(columns);
		const arrays = Object.values(columns).map(([type, values]) => {
			this.parameters.push(pgArray(values));
			return `$${this.parameters.length}::${type}[]`;
		});
		return `unnest(${arrays.join(", ")}) as r(${names.join(", ")})`;
	}
}
