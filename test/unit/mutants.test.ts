import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MUTANTS } from "../mutants/mutants.ts";

test.each(MUTANTS)("$name changes one place that is there", ({ file, find, plant, caughtBy }) => {
	const source = readFileSync(file, "utf8");
	expect(source.split(find)).toHaveLength(2);
	expect(plant).not.toBe(find);
	for (const suite of caughtBy) expect(existsSync(suite), suite).toBe(true);
});

test("there are enough of them, each under a name of its own", () => {
	expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
	expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});
