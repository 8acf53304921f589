/** The archive that the settings name. */
import type { SnapshotArchive } from "../snapshots/snapshot-archive.ts";
import { openDirectoryArchive } from "./directory-archive.ts";
import type { S3Settings } from "./s3-archive.ts";

export type ArchivePlace =
	| { readonly kind: "directory"; readonly path: string }
	| ({ readonly kind: "s3" } & S3Settings);

export async function openArchive(place: ArchivePlace): Promise<SnapshotArchive> {
	if (place.kind === "directory") return openDirectoryArchive(place.path);
	// Loaded where it is used: its client is 9 MiB of a service that has none.
	const { openS3Archive } = await import("./s3-archive.ts");
	return openS3Archive(place);
}
