import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are missing, each with `mode` (less the umask); one that is
 * there is left as it is. Node's own `recursive` never returns where the file system answers ENOENT for
 * a folder whose parent is there, as /proc does: here that is an error like any other of `mkdir`.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
	try {
		await mkdirIfMissing(path, mode);
	} catch (error) {
		if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
		await makeFolder(dirname(path), mode);
		await mkdirIfMissing(path, mode);
	}
}

async function mkdirIfMissing(path: string, mode: number): Promise<void> {
	await mkdir(path, mode).catch((error: unknown) => {
		if (!hasCode(error, "EEXIST")) throw error;
	});
}

function hasCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}
