/** Snapshots: making, verifying, carrying away and bringing in. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { SnapshotService } from "../../service/snapshots.ts";
import { SNAPSHOT_KINDS } from "../../snapshots/snapshot-kind.ts";
import { BINARY_TYPE, readBinary } from "../binary-body.ts";
import {
	atRequest,
	atValue,
	chainParam,
	countQuery,
	cursorQuery,
	generationValue,
	hashValue,
	uuidParam,
} from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { chunkAnswer, snapshotAnswer, snapshotsAnswer } from "../snapshot-schema.ts";

const DEFAULT_PAGE = 50;

const snapshotParams = z.object({
	chain: chainParam,
	id: uuidParam("id", "The snapshot's id."),
});
const chunkParams = z.object({
	chain: chainParam,
	hash: hashValue("SHA-256 of the chunk's uncompressed records.").openapi({
		param: { name: "hash", in: "path" },
	}),
});
const bytes = (description: string) => ({
	description,
	content: { [BINARY_TYPE]: { schema: z.string().openapi({ format: "binary" }) } },
});

const createSnapshotRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/snapshots",
	tags: ["snapshots"],
	summary: "Make a snapshot of a sealed coordinate",
	description:
		"Answered at once; follow it by its id. When it is stored it is read back and verified by itself. An increment holds what changed since the newest snapshot below it on the same branch.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z
						.strictObject({
							at: atValue.optional().openapi({
								description:
									"A height, a block hash, `latest` (if left out), `safe` or `finalized`; a tag takes the highest checkpoint at or below it.",
							}),
							generation: generationValue.optional(),
							kind: z.enum(SNAPSHOT_KINDS).optional().openapi({
								description: "Left out: an increment where there is something to continue.",
							}),
						})
						.openapi("SnapshotRequest"),
				},
			},
		},
	},
	responses: {
		202: answer("Wanted; `Location` names it.", snapshotAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			...OF_COORDINATE,
			"snapshot_not_found",
			"snapshot_orphaned",
			"unknown_checkpoint",
		),
	},
});

const listRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/snapshots",
	tags: ["snapshots"],
	summary: "Snapshots, the newest first",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Snapshots on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", snapshotsAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const snapshotRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/snapshots/{id}",
	tags: ["snapshots"],
	summary: "One snapshot with its progress",
	request: { params: snapshotParams },
	responses: {
		200: answer("The snapshot.", snapshotAnswer),
		...problems(...OF_CHAIN, "snapshot_not_found"),
	},
});

const verificationRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/snapshots/{id}/verifications",
	tags: ["snapshots"],
	summary: "Read a snapshot back and compare it with its roots",
	description: "Answered at once; the state becomes `verified` or `damaged`, with what is wrong.",
	request: { params: snapshotParams },
	responses: {
		202: answer("Wanted.", snapshotAnswer),
		...problems(...OF_CHAIN, "forbidden_origin", "snapshot_incomplete", "snapshot_not_found"),
	},
});

const manifestRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/snapshots/{id}/manifest",
	tags: ["snapshots"],
	summary: "A snapshot's manifest",
	description:
		"Canonical JSON; `manifestId` of the snapshot is the SHA-256 of exactly these bytes.",
	request: { params: snapshotParams },
	responses: {
		200: answer("The manifest.", z.looseObject({ format: z.string() })),
		...problems(
			...OF_CHAIN,
			"archive_unavailable",
			"snapshot_damaged",
			"snapshot_incomplete",
			"snapshot_not_found",
		),
	},
});

const readChunkRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/snapshot-chunks/{hash}",
	tags: ["snapshots"],
	summary: "A chunk as it is stored: records compressed by zstd",
	request: { params: chunkParams },
	responses: {
		200: bytes("The chunk."),
		...problems(...OF_CHAIN, "archive_unavailable", "snapshot_damaged", "snapshot_incomplete"),
	},
});

const writeChunkRoute = createRoute({
	method: "put",
	path: "/v1/chains/{chain}/snapshot-chunks/{hash}",
	tags: ["snapshots"],
	summary: "Bring a chunk in",
	description: `At most ${LIMITS.chunkBytes} bytes. The same chunk again changes nothing; one whose records are not those that it is named by is refused.`,
	request: {
		params: chunkParams,
		body: { required: true, content: bytes("zstd of the records.").content },
	},
	responses: {
		200: answer("It is stored.", chunkAnswer),
		...problems(...OF_CHAIN, ...OF_BODY, "archive_unavailable", "snapshot_damaged"),
	},
});

const importRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/snapshots/imports",
	tags: ["snapshots"],
	summary: "Bring a manifest in, when its parent and its chunks are there",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z
						.strictObject({
							manifest: z.looseObject({}).openapi({ description: "As it was given out." }),
							goal: z.enum(["store", "verify", "apply"]).default("verify").openapi({
								description:
									"store: nothing more, for parents. verify: read it back. apply: and make it the chain's state.",
							}),
							replace: z.boolean().default(false).openapi({
								description: "With `apply`: replace state that is there.",
							}),
							dryRun: z.boolean().default(false).openapi({
								description: "With `apply`: only tell what would change.",
							}),
						})
						.openapi("SnapshotImportRequest"),
				},
			},
		},
	},
	responses: {
		202: answer("It is stored, and what comes then is wanted.", snapshotAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"archive_unavailable",
			"height_in_future",
			"rpc_unavailable",
			"snapshot_chain_differs",
			"snapshot_damaged",
			"snapshot_format_newer",
			"snapshot_incomplete",
			"snapshot_orphaned",
		),
	},
});

export function addSnapshotRoutes(app: OpenApiApp, snapshots: Bound<SnapshotService>): void {
	addMaking(app, snapshots);
	addCarrying(app, snapshots);
}

function addMaking(app: OpenApiApp, snapshots: Bound<SnapshotService>): void {
	app.openapi(createSnapshotRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { at = LATEST, generation, kind } = context.req.valid("json");
		const made = await snapshots(context).create(chain, { at: atRequest(at, generation), kind });
		context.header("location", `/v1/chains/${made.chainId}/snapshots/${made.id}`);
		return context.json(toWire(made), 202);
	});
	app.openapi(listRoute, async (context) => {
		const { limit, cursor } = context.req.valid("query");
		const { chain } = context.req.valid("param");
		return context.json(toWire(await snapshots(context).list(chain, { limit, cursor })), 200);
	});
	app.openapi(snapshotRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await snapshots(context).snapshot(chain, id)), 200);
	});
	app.openapi(verificationRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await snapshots(context).verify(chain, id)), 202);
	});
}

function addCarrying(app: OpenApiApp, snapshots: Bound<SnapshotService>): void {
	app.openapi(manifestRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const manifest = await snapshots(context).manifest(chain, id);
		// The very bytes: printing the JSON anew could give others.
		return bytesAnswer(manifest, "application/json") as never;
	});
	app.openapi(readChunkRoute, async (context) => {
		const { chain, hash } = context.req.valid("param");
		return bytesAnswer(await snapshots(context).chunk(chain, hash), BINARY_TYPE);
	});
	app.openapi(writeChunkRoute, async (context) => {
		const { chain, hash } = context.req.valid("param");
		const { raw } = context.req;
		await snapshots(context).addChunk(chain, hash, () => readBinary(raw, "chunkBytes"));
		return context.json({ hash }, 200);
	});
	app.openapi(importRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { manifest, goal, dryRun, replace } = context.req.valid("json");
		const row = await snapshots(context).import(chain, {
			manifest,
			goal,
			options: { dryRun, replace },
		});
		context.header("location", `/v1/chains/${row.chainId}/snapshots/${row.id}`);
		return context.json(toWire(row), 202);
	});
}

const LATEST = { kind: "tag", tag: "latest" } as const;

function bytesAnswer(body: Uint8Array, contentType: string): Response {
	const plain = Uint8Array.from(body);
	return new Response(plain, { status: 200, headers: { "content-type": contentType } });
}
