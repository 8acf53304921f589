/** An archive behind a breaker, with what is known of its health. */
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";
import type { SnapshotArchive } from "../snapshots/snapshot-archive.ts";

/** An archive that takes longer to say that it has no such file is as good as away. */
const PROBE_MS = 1_000;
/** No chunk or manifest has this name. */
const PROBE_NAME = "manifests/probe";

/**
 * Every request is sent once: the object store's library repeats its own, and whoever makes a snapshot
 * goes on behind the chunk that failed.
 */
export class GuardedArchive implements SnapshotArchive {
	readonly #archive: SnapshotArchive;
	readonly #guard: StoreGuard;

	constructor(archive: SnapshotArchive, log: GuardLog | undefined) {
		this.#archive = archive;
		const { place } = archive;
		this.#guard = new StoreGuard({
			name: "archive",
			isAway,
			refusal: (lastError) => notAsked(place, lastError),
			log,
		});
	}

	get place(): string {
		return this.#archive.place;
	}

	async read(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
		return this.#guard.run(() => this.#archive.read(name, maxBytes));
	}

	async has(name: string): Promise<boolean> {
		return this.#guard.run(() => this.#archive.has(name));
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		await this.#guard.run(() => this.#archive.write(name, bytes));
	}

	async remove(name: string): Promise<void> {
		await this.#guard.run(() => this.#archive.remove(name));
	}

	async close(): Promise<void> {
		await this.#archive.close();
	}

	storeHealth(): StoreHealth {
		return this.#guard.health();
	}

	/** Looks whether the archive answers, so that `storeHealth` is as of now; never fails. */
	async probe(): Promise<void> {
		const look = () =>
			withinTime(
				PROBE_MS,
				() => this.#archive.read(PROBE_NAME, 1),
				() => tooLate(this.place),
			);
		// The guard keeps what it came to.
		await this.#guard.run(look).catch(() => undefined);
	}
}

function isAway(error: unknown): boolean {
	return error instanceof RecantError && error.code === "archive_unavailable";
}

function notAsked(place: string, lastError: string): RetryableError {
	return new RetryableError("archive_unavailable", {
		message: `the archive ${place} is not asked now, since it did not answer: ${lastError}`,
		hint: "check the disk or the object store; it is tried again",
		fields: { place },
	});
}

function tooLate(place: string): RetryableError {
	return new RetryableError("archive_unavailable", {
		message: `the archive ${place} did not answer within ${PROBE_MS} ms`,
		hint: "check the disk or the object store; it is tried again",
		fields: { place },
	});
}
