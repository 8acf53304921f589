import { describe, expect, test } from "vitest";
import { givenVectorHash } from "../../src/memory/given-vector.ts";
import { unitVector } from "../../src/ranking/unit-vector.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

describe("a vector at unit length", () => {
	test("comes back bit by bit when it is given again, so that its hash stays", () => {
		const random = new Random(announcedSeed("test/unit/unit-vector.test.ts"));
		for (let run = 0; run < 500; run += 1) {
			const size = random.oneOf([1, 2, 3, 8, 384, 4_096]);
			const scale = 10 ** random.between(-30, 30);
			const vector = Array.from({ length: size }, () => (random.next() - 0.5) * scale);
			const once = unitVector(vector);
			expect(unitVector([...once])).toEqual(once);
			expect(givenVectorHash([...once])).toBe(givenVectorHash(vector));
		}
	});

	test("is still made of what is only nearly so", () => {
		expect([...unitVector([0.6, 0.8])]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
		expect([...unitVector([1.5, 0])]).toEqual([1, 0]);
		const nearly = Math.fround(1 + 2 ** -20);
		expect([...unitVector([nearly, 0])]).toEqual([1, 0]);
	});
});
