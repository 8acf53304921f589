/** A test file that a script runs at a length and by a seed that its arguments say. */
import { parseCLI, startVitest } from "vitest/node";
import { ToolError } from "./tool-error.ts";

/** Runs the file; what failed in it, or could not be run. */
export async function failuresIn(file: string): Promise<number> {
	const { options } = parseCLI(["vitest", "run", "--project", "integration"]);
	const vitest = await startVitest([file], { ...options, run: true, watch: false });
	let failed = vitest.state.getUnhandledErrors().length;
	for (const module of vitest.state.getTestModules()) {
		failed += module.errors().length;
		for (const test of module.children.allTests())
			if (test.result().state !== "passed") failed += 1;
	}
	if (vitest.state.getTestModules().length === 0) failed += 1;
	await vitest.close();
	return failed;
}

/** Any whole number from 1 that a seed may be. */
export function anySeed(): string {
	return `${1 + Math.floor(Math.random() * 2 ** 31)}`;
}

/** Throws ToolError `arguments_invalid`. */
export function wholeNumber(option: string, text: string): number {
	if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
	throw new ToolError("arguments_invalid", {
		message: `${option} is "${text}"`,
		hint: `${option} takes a whole number from 1`,
	});
}
