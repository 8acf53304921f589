/**
 * A file system of a few megabytes, to be full: a tmpfs of a test's own. Linux mounts one for root, or for
 * whoever may become root without being asked.
 *
 * Where it cannot be had, a test is skipped with the reason; in a CI run, which must not lose a test in
 * silence, it fails.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testDir } from "./temp-dir.ts";
import { atTestEnd } from "./test-end.ts";

const MIB = 1_048_576;
const BALLAST = "ballast-";
/** Others give space back now and then while it is taken. */
const MOST_BALLASTS = 8;

export interface SmallDisk {
	/** Empty, and everybody's to write in. */
	readonly path: string;
	/** Takes all that is free. */
	fill(): void;
	/** Gives back what `fill` took. */
	free(): void;
	freeBytes(): number;
}

/** Undefined: none can be had here, for the reason that was printed. */
export function mountSmallDisk(sizeMib: number): SmallDisk | undefined {
	const path = testDir("small-disk");
	const mount = mountedBy(path, sizeMib);
	if (mount === undefined) return undefined;
	// Before the folder is removed: what is registered last runs first.
	atTestEnd(() => {
		const reason = run([...mount.slice(0, -1), "umount", "--lazy", path]);
		if (reason !== undefined) throw new Error(`${path} stays mounted: ${reason}`);
	});
	let ballasts = 0;
	const freeBytes = () => {
		const { bavail, bsize } = statfsSync(path);
		return bavail * bsize;
	};
	return {
		path,
		freeBytes,
		fill() {
			for (let attempt = 0; attempt < MOST_BALLASTS && freeBytes() > 0; attempt += 1) {
				ballasts += 1;
				writeAsMuchAsFits(join(path, `${BALLAST}${ballasts}`), freeBytes());
			}
		},
		free() {
			for (const name of readdirSync(path)) if (name.startsWith(BALLAST)) rmSync(join(path, name));
		},
	};
}

/** Whoever else writes there may have taken part of the space meanwhile: then there is none left. */
function writeAsMuchAsFits(file: string, bytes: number): void {
	try {
		writeFileSync(file, new Uint8Array(bytes));
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
	}
}

/** The command that mounted it, `mount` last. */
function mountedBy(path: string, sizeMib: number): readonly string[] | undefined {
	const size = `size=${sizeMib * MIB},mode=1777`;
	const reasons: string[] = [];
	for (const command of [["mount"], ["sudo", "-n", "mount"]]) {
		const reason = run([...command, "-t", "tmpfs", "-o", size, "tmpfs", path]);
		if (reason === undefined) return command;
		reasons.push(`${command.join(" ")}: ${reason}`);
	}
	const why = `no small file system can be mounted here (${reasons.join("; ")})`;
	if (process.env["CI"] !== undefined) throw new Error(`${why}; run the tests as root`);
	console.warn(`skipped: ${why}`);
	return undefined;
}

/** Why it failed; undefined: it did not. */
function run([command = "", ...args]: readonly string[]): string | undefined {
	try {
		execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"] });
		return undefined;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}
