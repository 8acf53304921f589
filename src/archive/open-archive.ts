/** The archive that the settings name. */
import type { SnapshotArchive } from "../snapshots/snapshot-archive.ts";
import { openDirectoryArchive } from "./directory-archive.ts";
import { openS3Archive, type S3Settings } from "./s3-archive.ts";

export type ArchivePlace =
	| { readonly kind: "directory"; readonly path: string }
	| ({ readonly kind: "s3" } & S3Settings);

export async function openArchive(place: ArchivePlace): Promise<SnapshotArchive> {
	return place.kind === "s3" ? openS3Archive(place) : openDirectoryArchive(place.path);
}
