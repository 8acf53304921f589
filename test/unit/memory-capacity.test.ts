import { expect, test } from "vitest";
import { evicted } from "../../src/memory/capacity.ts";
import { row } from "../support/versions.ts";

const written = (id: string, position: bigint, versionId = position) =>
	row(id, versionId, { layer: "short_term", position });

test("what was written first goes first, in whatever order it is handed in", () => {
	const visible = [written("c", 9n), written("a", 2n), written("d", 11n), written("b", 10n)];
	expect(evicted(visible, 2).map(({ id }) => id)).toEqual(["a", "c"]);
	expect(evicted(visible.toReversed(), 2).map(({ id }) => id)).toEqual(["a", "c"]);
});

test("nothing goes while there is room", () => {
	expect(evicted([written("a", 1n), written("b", 2n)], 2)).toEqual([]);
	expect(evicted([], 1)).toEqual([]);
});

test("what one operation wrote goes in the order in which it wrote it", () => {
	const visible = [written("b", 5n, 8n), written("a", 5n, 7n), written("c", 6n, 9n)];
	expect(evicted(visible, 1).map(({ id }) => id)).toEqual(["a", "b"]);
});
