/**
 * What answers look like, for the OpenAPI document. Routes fail to compile when what they answer
 * does not fit. BigInts are decimal strings, dates ISO 8601, undefined fields are left out.
 */
import { z } from "@hono/zod-openapi";
import { LEVELS } from "../consistency/finding.ts";
import { LAYERS } from "../domain/layer.ts";
import { type JsonObject, OPERATION_STATUSES } from "../domain/operation.ts";
import { FINALITIES, LOSS_POLICIES } from "../domain/provenance.ts";
import { ROLES } from "../domain/role.ts";
import { ROLLBACK_STAGES, ROLLBACK_STRATEGIES } from "../service/rollback-view.ts";
import { evidence } from "./evidence-schema.ts";
import { providerAnswer } from "./provider-schema.ts";
import { indexAnswer, storeAnswer, workingMemoryAnswer } from "./store-schema.ts";

export const height = z
	.string()
	.openapi({ description: "Block number in decimal.", example: "1234" });
export const seconds = z
	.string()
	.openapi({ description: "Seconds since the epoch in decimal.", example: "1767225600" });
export const decimal = z
	.string()
	.openapi({ description: "Whole number in decimal.", example: "7" });
export const hex = z
	.templateLiteral(["0x", z.string()])
	.openapi({ type: "string", example: "0x…" });
export const isoDate = z.string().openapi({ format: "date-time" });
export const layer = z.enum(LAYERS).openapi("Layer");
export const owner = z.enum(["handler", "agent"]).openapi({
	description: "handler: derived from blocks. agent: written from outside.",
});
export const json = z
	.custom<JsonObject>((value) => typeof value === "object" && value !== null)
	.openapi({ type: "object", additionalProperties: true, description: "A JSON object." });

export const generations = z
	.object({ from: decimal, to: decimal.optional() })
	.openapi({ description: "Generations [from, to); without `to` it still holds." });
export const heightAndHash = z.object({ height, hash: hex });
const problem = z.object({ code: z.string(), message: z.string(), hint: z.string() });

export const coordinateAnswer = z
	.object({
		chain: z.int().openapi({ description: "EIP-155 chain id." }),
		height,
		generation: decimal,
		blockHash: z
			.string()
			.optional()
			.openapi({ description: "Absent for the pending slot and where the header is not kept." }),
		logPosition: decimal,
		pending: z.boolean().openapi({ description: "True: the slot over the committed head." }),
		rolledBack: z.boolean().optional().openapi({
			description: "True: a rollback took that height back; what stood there is read as it was.",
		}),
	})
	.openapi("Coordinate", { description: "The coordinate that the answer used." });

const countsAnswer = z.object({
	recanted: z.int().openapi({ description: "Memories no longer believed, or not as they were." }),
	suspended: z.int().openapi({ description: "Agents' operations that wait for their anchor." }),
	reinstated: z.int().openapi({ description: "Agents' operations that came back." }),
	replayed: z.int().openapi({ description: "Agents' operations carried to the new fork." }),
	derivedAnew: z.int().openapi({ description: "Handlers' operations on the new fork." }),
	withdrawn: z
		.int()
		.optional()
		.openapi({ description: "Operations that cannot be applied again." }),
	flagged: z.int().optional().openapi({ description: "Kept without their ground, and suspect." }),
	cleared: z.int().optional().openapi({ description: "Suspect no longer." }),
	actions: z
		.int()
		.optional()
		.openapi({ description: "Actions that were taken on what no longer holds." }),
});

const stage = z.enum(ROLLBACK_STAGES);
const strategy = z.enum(ROLLBACK_STRATEGIES);

export const rollbackAnswer = z
	.object({
		id: z.string(),
		chainId: z.int(),
		cause: z.enum(["reorg", "manual", "handlers"]),
		state: z.enum([
			"recorded",
			"running",
			"prepared",
			"committed",
			"superseded",
			"cancelled",
			"failed",
			"abandoned",
		]),
		stage: stage.optional(),
		paused: z.boolean().openapi({ description: "True: no stage begins before it is resumed." }),
		failedStage: stage.optional().openapi({ description: "Stage at which it failed." }),
		retries: z
			.int()
			.openapi({ description: "How often an operator had it tried again after it failed." }),
		fromGeneration: decimal,
		ancestor: heightAndHash,
		from: heightAndHash.openapi({ description: "Committed head when it was recorded." }),
		to: heightAndHash.openapi({ description: "Head of the new branch; if manual, the ancestor." }),
		attempt: z.int(),
		strategy: strategy.optional().openapi({ description: "How the state at `ancestor` is had." }),
		strategyReason: z.string().optional().openapi({ description: "Why it was taken." }),
		wantedStrategy: strategy.optional().openapi({ description: "The one that was asked for." }),
		evidence: evidence.optional(),
		progress: z.object({
			done: z.int().openapi({ description: "Items of the stage under way." }),
			total: z.int(),
			ratePerSecond: z
				.number()
				.optional()
				.openapi({ description: "Items a second; absent while nobody works on it." }),
			etaMs: z
				.number()
				.optional()
				.openapi({ description: "Milliseconds until the stage is done at that rate." }),
		}),
		counts: countsAnswer,
		stageMs: z.partialRecord(stage, z.number()).openapi({
			description: "Milliseconds of each stage that has ended, and of the one at which it ended.",
		}),
		error: problem
			.optional()
			.openapi({ description: "Why it failed; `hint` names what can be done about it." }),
		supersededBy: z.string().optional(),
		createdAt: isoDate,
		finishedAt: isoDate.optional(),
	})
	.openapi("Rollback");

export const chainAnswer = z
	.object({
		chainId: z.int(),
		name: z.string(),
		state: z
			.enum(["starting", "following", "backfilling", "rolling_back", "waiting", "halted"])
			.openapi({
				description:
					"waiting: the node does not answer, or no process follows the chain. halted: read-only.",
			}),
		problem: problem.optional(),
		followedBy: z.string().optional().openapi({
			description: "Name of the process that holds the chain's lease; absent: none does.",
		}),
		generation: decimal,
		head: z
			.object({ height, hash: hex, timestamp: decimal })
			.optional()
			.openapi({ description: "The committed head; `timestamp` in seconds." }),
		nodeHead: height.optional(),
		safe: height.optional(),
		finalized: height.optional(),
		startBlock: height,
		retainedFrom: height.openapi({ description: "Lowest height that can be read." }),
		logPosition: decimal,
		inbox: z.int().openapi({ description: "Operations that wait for the writer." }),
		rollback: rollbackAnswer.optional(),
		handlersHash: hex,
		consistency: z
			.object({
				runId: z.string(),
				level: z.enum(LEVELS),
				score: z.number().openapi({ description: "In [0, 1]; 1: nothing above info was found." }),
				findings: z.int(),
				finishedAt: isoDate,
			})
			.optional()
			.openapi({ description: "The last consistency check that was done." }),
		collections: z.array(
			z.object({
				name: z.string(),
				model: z.string(),
				dimensions: z.int(),
				tail: z.int().openapi({ description: "Rows above the pointer." }),
				pointer: z.object({ tableVersion: decimal, versionId: decimal }),
				index: indexAnswer.optional(),
			}),
		),
		providers: z.array(providerAnswer),
	})
	.openapi("Chain");

export const statusAnswer = z
	.object({
		version: z.string(),
		roles: z.array(z.enum(ROLES)).openapi({ description: "What this process does." }),
		installationId: z.string(),
		queueBackend: z.enum(["postgres", "redis"]),
		database: z.enum(["embedded", "external"]),
		embedder: z.object({ model: z.string(), dimensions: z.int() }),
		stores: z.array(storeAnswer),
		workingMemory: workingMemoryAnswer,
		chains: z.array(chainAnswer),
	})
	.openapi("Status");

export const readinessAnswer = z
	.object({
		roles: z.array(z.enum(ROLES)).openapi({ description: "What this process does." }),
		ready: z.boolean().openapi({ description: "Every required check is ok." }),
		degraded: z
			.array(z.string())
			.openapi({ description: "Checks that are not ok, without which the service goes on." }),
		checks: z.record(
			z.string(),
			z.object({ ok: z.boolean(), required: z.boolean(), detail: z.string().optional() }),
		),
		stores: z.array(storeAnswer),
	})
	.openapi("Readiness");

const blockAnswer = z
	.object({
		height,
		hash: hex,
		parentHash: hex,
		timestamp: decimal.openapi({ description: "Seconds since the epoch." }),
		canonical: z.boolean(),
		generations,
		finality: z.enum(["finalized", "safe", "latest", "orphaned"]),
	})
	.openapi("Block");

export const memoryAnswer = z
	.object({
		id: z.string(),
		namespace: z.string(),
		layer,
		owner,
		content: json,
		text: z.string().optional(),
		collection: z.string().optional(),
		importance: z.number().optional(),
		confidence: z.number().optional().openapi({ description: "As it was written." }),
		confidenceNow: z
			.number()
			.optional()
			.openapi({ description: "As it has faded at the coordinate; absent in histories." }),
		versionId: decimal,
		vectorHash: hex
			.optional()
			.openapi({ description: "SHA-256 of the vector that the caller gave." }),
		contentHash: hex,
		since: height.openapi({ description: "Height from which this version holds." }),
		expiresAtBlock: height.optional(),
		expiresAtTime: seconds.optional(),
		suspect: z.boolean().openapi({ description: "True: kept although what it rests on is gone." }),
		finality: z.enum(FINALITIES).optional().openapi({
			description:
				"How far what it rests on is out of a fork's reach; `finalized` too where it rests on no block, `pending` where what it rests on is gone.",
		}),
	})
	.openapi("Memory");

export const historyEntryAnswer = z
	.object({
		memory: memoryAnswer.optional().openapi({ description: "Absent: deleted from here on." }),
		versionId: decimal,
		heights: z
			.object({ from: height, to: height.optional() })
			.openapi({ description: "Heights [from, to)." }),
		generations,
		present: z.boolean().openapi({ description: "Believed in the present generation." }),
	})
	.openapi("HistoryEntry");

const anchorAnswer = z
	.object({
		transaction: hex.optional(),
		effectsHash: hex.optional(),
		block: hex.optional(),
		height: height.optional(),
	})
	.openapi("AnchorState", {
		description: "Without `height` it is not on the chain now, or has other effects.",
	});

const sourceAnswer = z
	.object({ namespace: z.string(), id: z.string(), contentHash: hex })
	.openapi("SourceState");

export const operationAnswer = z
	.object({
		operationId: z.string(),
		kind: z.enum(["put", "action", "patch", "delete", "link", "unlink", "consolidate"]),
		namespace: z.string(),
		id: z.string(),
		status: z.enum(OPERATION_STATUSES),
		reason: z.object({ code: z.string(), message: z.string() }).optional(),
		position: decimal.optional(),
		originalSlot: height.optional(),
		effectiveSlot: height.optional(),
		versionId: decimal.optional(),
		anchor: anchorAnswer.optional().openapi({ description: "The only anchor, if there is one." }),
		anchors: z.object({ mode: z.enum(["all", "any"]), anchors: z.array(anchorAnswer) }).optional(),
		derivedFrom: z
			.array(z.array(sourceAnswer))
			.optional()
			.openapi({ description: "Alternatives of sets." }),
		onLoss: z.enum(LOSS_POLICIES),
		suspect: z
			.boolean()
			.openapi({ description: "It takes effect although what it rests on is gone." }),
		final: z.boolean().openapi({ description: "No fork can change its status any more." }),
	})
	.openapi("OperationState");

export const writeAnswer = z
	.object({
		committed: z.boolean(),
		repeated: z.boolean().openapi({ description: "The key was seen before; nothing applied." }),
		operations: z.array(operationAnswer),
		at: coordinateAnswer.optional(),
		hint: z.string().optional().openapi({
			description: "Why it is not committed, where that is known, and what helps.",
		}),
	})
	.openapi("WriteAnswer");

const diffEntryAnswer = z
	.object({
		namespace: z.string(),
		id: z.string(),
		change: z.enum(["added", "removed", "changed"]),
		before: memoryAnswer.optional(),
		after: memoryAnswer.optional(),
		cause: z.string().optional().openapi({
			description:
				"The rollback that took back what the older generation said last; absent: none did.",
		}),
	})
	.openapi("DiffEntry");

export const checkpointAnswer = z
	.object({
		height,
		blockHash: hex,
		generations,
		logPosition: decimal,
		versionId: decimal,
		roots: z
			.object({ short_term: hex, long_term: hex, episodic: hex, semantic: hex, state: hex })
			.openapi({
				description:
					"Root of each layer's state tree; `state` binds them to chain, height and block.",
			}),
		pointers: z
			.record(z.string(), z.object({ tableVersion: decimal, versionId: decimal }))
			.openapi({ description: "Where each collection's vectors stood." }),
	})
	.openapi("Checkpoint");

/** A page: items, and the cursor of the next page if there is one. */
export function pageOf<Item extends z.ZodType>(item: Item) {
	return z.object({
		items: z.array(item),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	});
}

export const blocksAnswer = pageOf(blockAnswer).openapi("Blocks");
export const memoriesAnswer = pageOf(memoryAnswer)
	.extend({ at: coordinateAnswer })
	.openapi("Memories");
export const oneMemoryAnswer = z
	.object({ at: coordinateAnswer, memory: memoryAnswer })
	.openapi("OneMemory");
export const historyAnswer = pageOf(historyEntryAnswer).openapi("History");
export const diffAnswer = pageOf(diffEntryAnswer)
	.extend({ from: coordinateAnswer, to: coordinateAnswer })
	.openapi("Diff");
export const checkpointsAnswer = pageOf(checkpointAnswer).openapi("Checkpoints");
export const rollbacksAnswer = pageOf(rollbackAnswer).openapi("Rollbacks");
