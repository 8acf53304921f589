/**
 * An archive in a directory: a file is written beside its place, synced, and renamed into it, so that
 * a kill leaves the whole file or none.
 */
import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { makeFolder } from "../resilience/make-folder.ts";
import type { SnapshotArchive } from "../snapshots/snapshot-archive.ts";
import { chunkDamaged } from "../snapshots/snapshot-errors.ts";

/** Where files are written before they are renamed; on the same file system. */
const DRAFTS = "drafts";
/** A draft that old was left by a process that is gone: writing one takes seconds. */
const DRAFT_MS = 3_600_000;

/** Makes the directory. Throws as the archive's calls do. */
export async function openDirectoryArchive(path: string): Promise<SnapshotArchive> {
	const archive = new DirectoryArchive(path);
	await archive.open();
	return archive;
}

class DirectoryArchive implements SnapshotArchive {
	readonly place: string;

	constructor(place: string) {
		this.place = place;
	}

	async open(): Promise<void> {
		const drafts = join(this.place, DRAFTS);
		await this.#guarded("made", () => makeFolder(drafts, 0o700));
		await this.#guarded("read", async () => {
			for (const name of await readdir(drafts)) {
				const draft = join(drafts, name);
				// Another process's may be renamed into its place meanwhile.
				const found = await stat(draft).catch(absent);
				const isLeft = found !== undefined && Date.now() - found.mtimeMs > DRAFT_MS;
				if (isLeft) await rm(draft, { force: true });
			}
		});
	}

	async read(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
		return this.#guarded("read", async () => {
			const file = await open(join(this.place, name), "r").catch(absent);
			if (file === undefined) return this.#lacking();
			try {
				const { size } = await file.stat();
				if (size > maxBytes) throw chunkDamaged(name, `it has ${size} bytes, at most ${maxBytes}`);
				return await file.readFile();
			} finally {
				await file.close();
			}
		});
	}

	async has(name: string): Promise<boolean> {
		return this.#guarded("read", async () => {
			const found = await stat(join(this.place, name)).catch(absent);
			return (found ?? (await this.#lacking()))?.isFile() ?? false;
		});
	}

	/** A file is lacking only where the archive is: one that is not mounted lacks them all. */
	async #lacking(): Promise<undefined> {
		await stat(join(this.place, DRAFTS));
		return undefined;
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		await this.#guarded("written", async () => {
			const target = join(this.place, name);
			const draft = join(this.place, DRAFTS, randomUUID());
			await makeFolder(dirname(target), 0o700);
			const file = await open(draft, "wx", 0o600);
			try {
				await file.writeFile(bytes);
				await file.sync();
			} finally {
				await file.close();
			}
			await rename(draft, target);
			await syncDirectory(dirname(target));
		});
	}

	async remove(name: string): Promise<void> {
		await this.#guarded("removed", () => rm(join(this.place, name), { force: true }));
	}

	async close(): Promise<void> {
		// Nothing is held open.
	}

	async #guarded<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
		try {
			return await work();
		} catch (error) {
			if (isCode(error)) throw failed(this.place, what, error);
			throw error;
		}
	}
}

/** Makes the rename durable. */
async function syncDirectory(path: string): Promise<void> {
	if (process.platform === "win32") return;
	const directory = await open(path, "r");
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}

function absent(error: unknown): undefined {
	if (isCode(error) && error.code === "ENOENT") return undefined;
	throw error;
}

function isCode(error: unknown): error is Error & { readonly code: string } {
	return (
		error instanceof Error && "code" in error && typeof error.code === "string" && "errno" in error
	);
}

const REFUSED: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR"]);

function failed(place: string, what: string, cause: Error & { readonly code: string }) {
	const message = `the archive ${place} could not be ${what}: ${cause.message}`;
	const fields = { place, reason: cause.code };
	// A folder that cannot be made for want of it: the file system takes none, as /proc.
	if (REFUSED.has(cause.code) || (what === "made" && cause.code === "ENOENT")) {
		const hint = "name a directory in RECANT_SNAPSHOTS that the service's user may write";
		return new FatalError("configuration_invalid", { message, hint, fields, cause });
	}
	const hint = "check the disk and its free space; it is tried again";
	return new RetryableError("archive_unavailable", { message, hint, fields, cause });
}
