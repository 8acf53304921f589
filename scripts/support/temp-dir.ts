import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Tries to remove a directory at the exit: a second, several times what a server takes to end. */
const EXIT_ATTEMPTS = 20;
const EXIT_PAUSE_MS = 50;

export interface TempDir {
	readonly path: string;
	/** Removes it with everything inside; does nothing the second time. */
	remove(): void;
}

/** A new empty directory under the system's temporary one, named `recant-<name>-` and six letters. */
export function makeTempDir(name: string): TempDir {
	const path = mkdtempSync(join(tmpdir(), `recant-${name}-`));
	return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** The same, removed at the latest when this process exits: for servers that an interrupt ends too. */
export function makeServerDir(name: string): TempDir {
	const dir = makeTempDir(name);
	const removeAtExit = () => removeWhileInUse(dir);
	process.on("exit", removeAtExit);
	const remove = () => {
		process.off("exit", removeAtExit);
		dir.remove();
	};
	return { path: dir.path, remove };
}

/**
 * A server that was told to end at this very exit still writes for a moment, and nothing can be
 * awaited. A file that vanishes meanwhile makes `rmSync` give up without an error, so look again.
 */
function removeWhileInUse(dir: TempDir): void {
	for (let attempt = 1; attempt <= EXIT_ATTEMPTS && existsSync(dir.path); attempt += 1) {
		try {
			dir.remove();
		} catch (error) {
			if (attempt === EXIT_ATTEMPTS) console.error(`${dir.path} stays behind: ${error}`);
		}
		if (existsSync(dir.path)) sleep(EXIT_PAUSE_MS);
	}
}

function sleep(durationMs: number): void {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
