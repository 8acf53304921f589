import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { ShortTermMembers } from "../../src/writer/short-term.ts";

function key(name: string): MemoryKey {
	return name as MemoryKey;
}

function member(name: string, position: bigint, expiresBlock?: bigint) {
	return { memoryKey: key(name), position, expiresBlock };
}

function shown(name: string, position: bigint, layer: Version["layer"] = "short_term"): Version {
	return { ...member(name, position), layer } as unknown as Version;
}

test("the one that was written first goes, in whatever order they come", () => {
	const members = new ShortTermMembers([member("b", 2n), member("c", 3n), member("a", 1n)]);
	expect(members.excess(3, 10n)).toBeUndefined();
	expect(members.excess(2, 10n)).toBe("a");
	members.changed(key("a"), undefined);
	expect(members.excess(2, 10n)).toBeUndefined();
	expect(members.excess(1, 10n)).toBe("b");
});

test("one that is written again is the newest", () => {
	const members = new ShortTermMembers([member("a", 1n), member("b", 2n)]);
	members.changed(key("a"), shown("a", 3n));
	expect(members.first(2)).toEqual(["b", "a"]);
	expect(members.size).toBe(2);
});

test("what has ended by itself is not counted", () => {
	const members = new ShortTermMembers([member("a", 1n, 12n), member("b", 2n), member("c", 3n)]);
	expect(members.excess(2, 11n)).toBe("a");
	expect(members.excess(2, 12n)).toBeUndefined();
	expect(members.excess(1, 12n)).toBe("b");
});

test("a memory that moved to another layer has left", () => {
	const members = new ShortTermMembers([member("a", 1n), member("b", 2n)]);
	members.changed(key("a"), shown("a", 3n, "semantic"));
	expect(members.first(2)).toEqual(["b"]);
});
