/** Where snapshots are kept: the archive that the environment names, else a folder of the data directory. */
import { GuardedArchive } from "../archive/guarded-archive.ts";
import { openArchive } from "../archive/open-archive.ts";
import type { DataDirectory } from "../config/data-directory.ts";
import type { Environment } from "../config/environment.ts";
import type { Logger } from "../domain/logger.ts";
import { ArchiveSource } from "../snapshots/archive-source.ts";
import type { Ending } from "./ending.ts";

export async function openSnapshots(
	environment: Environment,
	directory: DataDirectory,
	log: Logger,
	ending: Ending,
): Promise<{ readonly files: GuardedArchive; readonly source: ArchiveSource }> {
	const place = environment.snapshots ?? { kind: "directory", path: directory.snapshots };
	const files = new GuardedArchive(await openArchive(place), log);
	ending.add(() => files.close());
	return { files, source: new ArchiveSource(files) };
}
