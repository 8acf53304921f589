/**
 * Makes a failing run smaller: leaves events and faults out, first many at once, then one at a time, as long
 * as it goes on failing. What is left is printed as a seed with what is left out.
 */
import type { RunResult } from "./simulation.ts";

/** Runs of the shrinking at most; each takes some ten milliseconds. */
const MOST_RUNS = 400;

export interface Shrunk {
	readonly result: RunResult;
	/** Events and faults that are left out. */
	readonly without: readonly string[];
	/** Events and faults that are left. */
	readonly left: readonly string[];
	readonly runs: number;
}

/** `run`: with these left out. `parts`: everything that can be. */
export async function shrink(
	failing: RunResult,
	parts: readonly string[],
	run: (without: ReadonlySet<string>) => Promise<RunResult>,
): Promise<Shrunk> {
	let result = failing;
	let left = [...parts];
	const without = new Set<string>();
	let runs = 0;
	for (let size = Math.ceil(left.length / 2); size >= 1 && runs < MOST_RUNS; ) {
		const before = left.length;
		for (let begin = 0; begin < left.length && runs < MOST_RUNS; ) {
			const taken = left.slice(begin, begin + size);
			runs += 1;
			const tried = await run(new Set([...without, ...taken]));
			if (tried.failure !== undefined && isSame(tried.failure, failing.failure)) {
				for (const part of taken) without.add(part);
				left = left.filter((part) => !without.has(part));
				// A fault of a call that now is another one's is not there to be left out any more.
				result = tried;
			} else {
				begin += size;
			}
		}
		if (size === 1 && left.length === before) break;
		size = size === 1 ? 1 : Math.ceil(size / 2);
	}
	return { result, without: [...without], left, runs };
}

/** The first line says what went wrong; numbers in it may differ. */
function isSame(left: string, right: string | undefined): boolean {
	return kind(left) === kind(right ?? "");
}

function kind(failure: string): string {
	return (failure.split("\n")[0] ?? "")
		.replaceAll(/0x[0-9a-f]+|[0-9a-f-]{36}|\d+/g, "#")
		.slice(0, 60);
}
