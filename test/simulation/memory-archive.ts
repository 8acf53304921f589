/** Files of snapshots in memory, each written whole or not at all. */
import { FatalError } from "../../src/domain/errors.ts";
import type { SnapshotArchive } from "../../src/snapshots/snapshot-archive.ts";

export class MemoryArchive implements SnapshotArchive {
	readonly place = "memory";
	readonly #files = new Map<string, Uint8Array>();

	async read(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
		const bytes = this.#files.get(name);
		if (bytes === undefined || bytes.length <= maxBytes) return bytes?.slice();
		throw new FatalError("snapshot_damaged", {
			message: `${name} has ${bytes.length} bytes, ${maxBytes} are the most`,
			hint: "it is no file of ours",
		});
	}

	async has(name: string): Promise<boolean> {
		return this.#files.has(name);
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		this.#files.set(name, bytes.slice());
	}

	async remove(name: string): Promise<void> {
		this.#files.delete(name);
	}

	get names(): readonly string[] {
		return [...this.#files.keys()];
	}

	/** A disk loses it. */
	lose(name: string): void {
		this.#files.delete(name);
	}

	async close(): Promise<void> {
		// It is every process's.
	}
}
