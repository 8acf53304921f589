import { expect, test } from "vitest";
import { createAvailability } from "../../src/queue/availability.ts";

test("a backend that is lost and comes back makes one line each, with the first error", () => {
	const lines: unknown[] = [];
	const at = (level: string) => (fields: unknown) => void lines.push([level, fields]);
	const log = { info: at("info"), warn: at("warn"), error: at("error") };
	const availability = createAvailability("redis", log);
	const [first, second] = [new TypeError("first"), new TypeError("second")];

	availability.onSuccess();
	expect(lines).toEqual([]);
	availability.onError(first);
	availability.onError(second);
	expect(availability).toMatchObject({ lost: true, cause: second });
	availability.onSuccess();
	availability.onSuccess();
	expect(availability).toMatchObject({ lost: false, cause: undefined });
	availability.onError(second);

	expect(lines).toEqual([
		["warn", { backend: "redis", reason: first.message }],
		["info", { backend: "redis" }],
		["warn", { backend: "redis", reason: second.message }],
	]);
});
