import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { PatchAllowance } from "../../src/memory/patch-allowance.ts";

test("patches may leave so much behind, together, and no more", () => {
	const allowance = new PatchAllowance();
	const half = { text: "x".repeat(LIMITS.patchedBytes / 2 - '{"text":""}'.length) };
	expect(allowance.take(half)).toBeUndefined();
	expect(allowance.take(half)).toBeUndefined();
	expect(allowance.isSpent).toBe(false);
	expect(allowance.take({})).toMatchObject({ code: "limit_exceeded" });
	expect(allowance.isSpent).toBe(true);
});
