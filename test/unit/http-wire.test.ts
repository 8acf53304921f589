import { describe, expect, it } from "vitest";
import { coordinateView, toWire } from "../../src/domain/wire.ts";
import { AT, HASH_A } from "./http-fixture.ts";

describe("toWire", () => {
	it("makes strings of bigints and dates, at any depth, and leaves undefined out", () => {
		const value = {
			height: 0n,
			list: [1n, { at: new Date(0), none: undefined }],
			none: undefined,
			kept: [null, false, 0, ""],
		};
		const wire = toWire(value);
		expect(wire).toStrictEqual({
			height: "0",
			list: ["1", { at: "1970-01-01T00:00:00.000Z" }],
			kept: [null, false, 0, ""],
		});
	});

	it("changes no JSON, whatever its keys are", () => {
		const text = '{"__proto__":{"a":[1,null]},"constructor":"x","":{}}';
		const wire = toWire(JSON.parse(text));
		expect(JSON.stringify(wire)).toBe(text);
		expect(Object.getPrototypeOf(wire)).toBe(Object.prototype);
	});
});

describe("coordinateView", () => {
	it("names the block where there is one", () => {
		expect(coordinateView(AT)).not.toHaveProperty("blockHash");
		expect(coordinateView({ ...AT, blockHash: HASH_A, pending: false })).toMatchObject({
			chain: 31_337,
			blockHash: HASH_A,
			pending: false,
		});
	});
});
