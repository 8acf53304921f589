import { describe, expect, test } from "vitest";
import { GuardedArchive } from "../../src/archive/guarded-archive.ts";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { SnapshotArchive } from "../../src/snapshots/snapshot-archive.ts";

class SwitchedArchive implements SnapshotArchive {
	readonly place = "somewhere";
	asked = 0;
	/** Thrown by every request; undefined: it answers. */
	failure: Error | undefined;

	async read(): Promise<undefined> {
		this.#ask();
	}

	async has(): Promise<boolean> {
		this.#ask();
		return true;
	}

	async write(): Promise<void> {
		this.#ask();
	}

	async remove(): Promise<void> {
		this.#ask();
	}

	async close(): Promise<void> {
		// Nothing is held open.
	}

	#ask(): void {
		this.asked += 1;
		if (this.failure !== undefined) throw this.failure;
	}
}

const AWAY = new RetryableError("archive_unavailable", { message: "no route", hint: "wait" });
const REFUSED = new FatalError("configuration_invalid", { message: "no bucket", hint: "make it" });

async function failures(archive: GuardedArchive, count: number): Promise<void> {
	for (let nth = 0; nth < count; nth += 1) {
		await expect(archive.write("a", new Uint8Array())).rejects.toThrow();
	}
}

describe("an archive that does not answer", () => {
	test("is not asked any more after five failures, and says so", async () => {
		const inner = new SwitchedArchive();
		const archive = new GuardedArchive(inner, undefined);
		expect(archive.storeHealth()).toMatchObject({ name: "archive", state: "up", failures: 0 });
		inner.failure = AWAY;
		await failures(archive, 1);
		expect(archive.storeHealth()).toMatchObject({ state: "failing", lastError: "no route" });
		await failures(archive, 4);
		expect(archive.storeHealth()).toMatchObject({ state: "down", breaker: "open", failures: 5 });
		await expect(archive.has("a")).rejects.toMatchObject({ code: "archive_unavailable" });
		await expect(archive.read("a", 1)).rejects.toMatchObject({
			code: "archive_unavailable",
			message: expect.stringContaining("no route"),
		});
		expect(inner.asked).toBe(5);
	});

	test("is used again when a probe finds it", async () => {
		const inner = new SwitchedArchive();
		const archive = new GuardedArchive(inner, undefined);
		inner.failure = AWAY;
		await failures(archive, 5);
		inner.failure = undefined;
		await expect
			.poll(
				async () => {
					await archive.probe();
					return archive.storeHealth();
				},
				{ timeout: 5_000 },
			)
			.toMatchObject({ state: "up", breaker: "closed", lastError: "no route" });
		await archive.write("a", new Uint8Array());
	});
});

test("a refusal is an answer: the breaker stays closed", async () => {
	const inner = new SwitchedArchive();
	const archive = new GuardedArchive(inner, undefined);
	inner.failure = REFUSED;
	await failures(archive, 9);
	expect(archive.storeHealth()).toMatchObject({ state: "up", breaker: "closed" });
	expect(inner.asked).toBe(9);
});
