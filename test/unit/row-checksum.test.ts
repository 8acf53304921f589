/** Checksums of rows of versions: rows that were written by any version of Recant keep theirs. */
import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import { versionChecksum } from "../../src/store/row-checksum.ts";
import { row } from "../support/versions.ts";

const ROW = row("a", 77n, {
	memoryKey: "6b2f1d3e-0c4a-4b8e-9a51-2f7d8c9e0b11" as MemoryKey,
	fromBlock: 120n,
	fromGen: 3n,
	position: 90n,
});

function hexOf(parts: Partial<Parameters<typeof versionChecksum>[0]>): string {
	return Buffer.from(versionChecksum({ ...ROW, ...parts })).toString("hex");
}

/** Made with another language: a change here makes every stored row a damaged one. */
test("are those of rows that were written before it was kept what a version rests on", () => {
	expect(hexOf({})).toBe("2e215c5f69a7c235");
	expect(hexOf({ owner: "handler", grounds: 120n })).toBe("2e215c5f69a7c235");
});

test("cover what a version rests on where that is not the usual", () => {
	expect(hexOf({ suspect: true })).toBe("d934775ec518f1b2");
	expect(hexOf({ grounds: 119n })).toBe("324f35afd143a8b6");
	const all = [
		hexOf({}),
		hexOf({ grounds: 120n }),
		hexOf({ grounds: 119n }),
		hexOf({ grounds: 0n }),
		hexOf({ suspect: true }),
		hexOf({ suspect: true, grounds: 120n }),
		hexOf({ owner: "handler", grounds: undefined }),
	];
	expect(new Set(all).size).toBe(all.length);
});
