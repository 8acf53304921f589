import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { withDeadline } from "../../src/queue/deadline.ts";

function late(): RetryableError {
	return new RetryableError("queue_unavailable", { message: "late", hint: "wait" });
}

test("work that ends in time gives its result, or its own error", async () => {
	await expect(withDeadline(pause(1, "done"), 5_000, late)).resolves.toBe("done");
	await expect(withDeadline(Promise.reject(late()), 5_000, late)).rejects.toThrow("late");
});

test("work that takes too long is left behind, and may fail unheard", async () => {
	const failing = pause(50).then(() => Promise.reject(new TypeError("nobody waits")));
	await expect(withDeadline(failing, 10, late)).rejects.toMatchObject({
		code: "queue_unavailable",
	});
	await pause(100);
});
