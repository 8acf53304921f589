import { expect, test } from "vitest";
import { memoryKey } from "../../src/memory/memory-key.ts";

/** Made with another language from the documented bytes: a change here orphans every stored memory. */
test("is a lower-case UUID of the documented bytes", () => {
	expect(memoryKey("ledger", "holder:0x\u00e9")).toBe("7ad9ee2b-708f-04df-99d0-88005338b12a");
});

test("is the same each time, and another for every other name", () => {
	const names = [
		["a", "bc"],
		["ab", "c"],
		["abc", ""],
		["", "abc"],
		["a", "bC"],
	] as const;
	const keys = names.map(([namespace, id]) => memoryKey(namespace, id));
	expect(new Set(keys).size).toBe(names.length);
	expect(names.map(([namespace, id]) => memoryKey(namespace, id))).toEqual(keys);
});

test("refuses names without UTF-8, which would share a key", () => {
	expect(() => memoryKey("a", "\ud800")).toThrow(
		expect.objectContaining({ code: "invalid_request" }),
	);
});
