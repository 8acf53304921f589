/** What answers about snapshots look like, for the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { SNAPSHOT_KINDS } from "../snapshots/snapshot-kind.ts";
import { SNAPSHOT_CAUSES, SNAPSHOT_STATES } from "../snapshots/snapshot-row.ts";

const decimal = z.string().openapi({ description: "Whole number in decimal.", example: "7" });
const height = z.string().openapi({ description: "Block number in decimal.", example: "1234" });
const hex = z.templateLiteral(["0x", z.string()]).openapi({ type: "string", example: "0x…" });
const isoDate = z.string().openapi({ format: "date-time" });

export const snapshotAnswer = z
	.object({
		id: z.string(),
		chainId: z.int(),
		state: z.enum(SNAPSHOT_STATES).openapi({
			description:
				"stored: the manifest is in the archive. verified: everything was read back and gives the roots. damaged: it was, and does not.",
		}),
		kind: z.enum(SNAPSHOT_KINDS),
		parentId: z.string().optional().openapi({ description: "Snapshot that it continues." }),
		cause: z.enum(SNAPSHOT_CAUSES),
		height,
		blockHash: hex,
		generation: decimal,
		logPosition: decimal,
		versionId: decimal,
		roots: z
			.object({ short_term: hex, long_term: hex, episodic: hex, semantic: hex, state: hex })
			.openapi({ description: "One root a layer, and `state` over all." }),
		manifestId: hex.optional().openapi({ description: "SHA-256 of the manifest." }),
		memories: z.int().openapi({ description: "Visible at the coordinate; 0 until it is stored." }),
		chunks: z.int(),
		rawBytes: z.int().openapi({ description: "Of its own records, uncompressed." }),
		storedBytes: z.int(),
		progress: z
			.object({
				phase: z.enum(["write", "verify"]),
				done: z.int().openapi({ description: "Memories written, or bytes verified." }),
				total: z.int(),
				storedBytes: z.int(),
				ratePerS: z.number().optional(),
				etaMs: z.number().optional().openapi({ description: "Milliseconds until it is done." }),
			})
			.optional()
			.openapi({ description: "Absent: nothing is under way." }),
		error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).optional(),
		createdAt: isoDate,
		storedAt: isoDate.optional(),
		verifiedAt: isoDate.optional(),
	})
	.openapi("Snapshot");

export const snapshotsAnswer = z
	.object({
		items: z.array(snapshotAnswer),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("Snapshots");

export const chunkAnswer = z.object({ hash: hex }).openapi("SnapshotChunk");
