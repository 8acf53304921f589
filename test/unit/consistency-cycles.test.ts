/** Which links of a hierarchy form circles. */
import { expect, test } from "vitest";
import { circling } from "../../src/consistency/rules/links.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";

test.each([
	["nothing", "", ""],
	["a chain", "ab bc cd", ""],
	["a diamond", "ab ac bd cd", ""],
	["a link to itself", "aa", "aa"],
	["a circle with ways in and out", "xa ab bc ca cy", "ab bc ca"],
	["two circles and the way between them", "ab ba bc cd dc", "ab ba bc cd dc"],
])("of %s", (_name, drawn, expected) => {
	const found = circling(edges(drawn)).map(({ fromKey, toKey }) => `${fromKey}${toKey}`);
	expect(found.join(" ")).toBe(expected);
});

function edges(drawn: string) {
	return drawn.split(" ").flatMap((edge) => {
		const [from, to] = edge;
		if (from === undefined || to === undefined) return [];
		const ends = { fromKey: from as MemoryKey, toKey: to as MemoryKey };
		return [{ linkKey: edge as MemoryKey, namespace: "n", type: "isA", ...ends }];
	});
}
