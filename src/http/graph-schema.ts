/** What is asked of the graph and the episodes, and what is answered, for the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { WALK_BOUNDS } from "../service/graph/graph-service.ts";
import { LINK_DIRECTIONS } from "../service/graph/graph-store.ts";
import {
	coordinateAnswer,
	decimal,
	height,
	hex,
	json,
	memoryAnswer,
	pageOf,
} from "./answer-schema.ts";
import {
	atQuery,
	checkCount,
	countQuery,
	cursorQuery,
	DEFAULT_NAMESPACE,
	decimalText,
	generationQuery,
	namespaceFilter,
	namespaceValue,
} from "./fields.ts";

const LINK_TYPE = /^[A-Za-z0-9_-]{1,64}$/;
const DEFAULT_PAGE = 50;
const DEFAULT_DEPTH = 16;

const typesQuery = z
	.string()
	.transform((text, context): readonly string[] => {
		const types = text.split(",");
		checkCount(types.length, "graphTypes", context);
		if (types.every((type) => LINK_TYPE.test(type))) return types;
		context.addIssue({
			code: "custom",
			message: "must be types of letters, digits, `_` and `-`, with commas between them",
		});
		return z.NEVER;
	})
	.openapi({
		type: "string",
		description: `Types of links, with commas between them, at most ${LIMITS.graphTypes}.`,
		example: "isA,partOf",
	});

const weightQuery = z
	.string()
	.transform((text, context) => {
		const weight = Number(text);
		if (text.trim() !== "" && Number.isFinite(weight) && weight >= 0) return weight;
		context.addIssue({ code: "custom", message: "must be a number from 0" });
		return z.NEVER;
	})
	.openapi({ type: "number", minimum: 0, description: "Least weight of a link." });

const place = {
	namespace: namespaceValue.default(DEFAULT_NAMESPACE),
	at: atQuery.optional(),
	generation: generationQuery.optional(),
};

const PINS = { path: ["cursor"], message: "pins its coordinate: leave out `at` and `generation`" };

function pinsAlone(query: {
	readonly at?: unknown;
	readonly generation?: unknown;
	readonly cursor?: string | undefined;
}): boolean {
	return query.cursor === undefined || (query.at === undefined && query.generation === undefined);
}

export const linksQuery = z
	.strictObject({
		...place,
		direction: z
			.enum([...LINK_DIRECTIONS, "both"])
			.default("both")
			.openapi({
				description: "out: from the memory to others. in: from others to it.",
			}),
		type: typesQuery.optional(),
		minWeight: weightQuery.optional(),
		limit: countQuery({
			limit: "pageSize",
			default: DEFAULT_PAGE,
			min: 1,
			description: `Links on a page, 1 to ${LIMITS.pageSize}.`,
		}),
		cursor: cursorQuery.optional(),
	})
	.refine(pinsAlone, PINS);

const bounds = {
	minWeight: weightQuery.optional(),
	depth: countQuery({
		limit: "graphDepth",
		default: DEFAULT_DEPTH,
		min: 1,
		description: `Links that are followed one after another, 1 to ${LIMITS.graphDepth}.`,
	}),
	limit: countQuery({
		limit: "graphNodes",
		default: LIMITS.graphNodes,
		min: 1,
		description: `Memories, 1 to ${LIMITS.graphNodes}.`,
	}),
};

/** Along isA and partOf, or the types that are named. */
export const hierarchyQuery = z.strictObject({
	...place,
	type: typesQuery.optional().openapi({ default: "isA,partOf" }),
	...bounds,
});

/** Along causedBy. */
export const causesQuery = z.strictObject({ ...place, ...bounds });

const secondsText = (description: string) =>
	decimalText(`${description} Seconds since the epoch, inclusive.`);

export const episodesQuery = z
	.strictObject({
		namespace: namespaceFilter.optional(),
		from: decimalText("Lowest height, inclusive.").optional(),
		to: decimalText("Highest height, inclusive.").optional(),
		fromTime: secondsText("Timestamp of the earliest block.").optional(),
		toTime: secondsText(
			"Timestamp of the latest block; the pending slot is later than any.",
		).optional(),
		order: z.enum(["asc", "desc"]).default("asc"),
		at: atQuery.optional(),
		generation: generationQuery.optional(),
		limit: countQuery({
			limit: "pageSize",
			default: DEFAULT_PAGE,
			min: 1,
			description: `Episodes on a page, 1 to ${LIMITS.pageSize}.`,
		}),
		cursor: cursorQuery.optional(),
	})
	.refine(pinsAlone, PINS);

const end = z.object({ namespace: z.string(), id: z.string() });

const link = z
	.object({
		id: z.string().openapi({ description: "Of the memory that the link is, beside `from`." }),
		from: end,
		type: z.string(),
		to: end,
		weight: z.number(),
		properties: json.optional(),
		since: height.openapi({ description: "Height from which this version of the link holds." }),
	})
	.openapi("Link");

const neighbour = z
	.object({
		direction: z.enum(LINK_DIRECTIONS),
		link,
		memory: memoryAnswer.openapi({ description: "The other end." }),
	})
	.openapi("Neighbour");

export const linksAnswer = pageOf(neighbour).extend({ at: coordinateAnswer }).openapi("Links");

const reached = z
	.object({
		memory: memoryAnswer,
		depth: z.int().openapi({ description: "Links from the memory that was asked for." }),
		path: z
			.array(end.extend({ type: z.string(), weight: z.number() }))
			.openapi({ description: "A shortest way to it; it ends with this memory." }),
	})
	.openapi("Reached");

export const walkAnswer = z
	.object({
		at: coordinateAnswer,
		items: z.array(reached),
		truncated: z.boolean().openapi({ description: "True: there is more than `items`." }),
		truncatedBy: z
			.enum(WALK_BOUNDS)
			.optional()
			.openapi({
				description: `The bound that was met: \`depth\`, \`nodes\` (\`limit\`), or \`links\` (${LIMITS.graphLinks} at one depth).`,
			}),
	})
	.openapi("Walk");

const episode = z
	.object({
		memory: memoryAnswer,
		block: z
			.object({ hash: hex, timestamp: decimal })
			.optional()
			.openapi({ description: "Absent: pending, or its header is not kept." }),
	})
	.openapi("Episode");

export const episodesAnswer = pageOf(episode)
	.extend({ at: coordinateAnswer })
	.openapi("Episodes", { description: "In the order in which they happened." });
