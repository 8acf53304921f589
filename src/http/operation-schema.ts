/** Agents' operations as they come in over HTTP. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { OperationRequest, PutRequest } from "../service/writing/operation-request.ts";
import {
	boundedText,
	checkCount,
	DEFAULT_NAMESPACE,
	decimalValue,
	layerValue,
	memoryIdValue,
	namespaceValue,
} from "./fields.ts";
import { groundFields, groundOf, requireOneGround } from "./ground-schema.ts";
import { addExcess } from "./invalid-request.ts";
import { causesValue, endOf, linkFields, linkOf } from "./link-schema.ts";

/** Largest magnitude of a 32-bit float, in which vectors are kept. */
const MAX_FLOAT32 = 3.4028234663852886e38;

/**
 * Content is taken as it was parsed and never rebuilt. Whole numbers that JSON cannot carry exactly
 * are refused, since they would be stored as another number.
 */
const contentValue = z
	.custom<JsonObject>(isPlainObject, "must be a JSON object")
	.superRefine((content, context) => {
		const sizeBytes = Buffer.byteLength(JSON.stringify(content));
		if (sizeBytes > LIMITS.contentBytes) {
			const message = `has ${sizeBytes} bytes as JSON, at most ${LIMITS.contentBytes} are taken`;
			addExcess(context, { limit: "contentBytes", value: sizeBytes, message });
			return;
		}
		checkContent(content, [], context);
	})
	.openapi({
		type: "object",
		additionalProperties: true,
		description: `Any JSON object: at most ${LIMITS.contentBytes} bytes, ${LIMITS.contentDepth} levels; whole numbers from 2^53 on as strings.`,
	});

function isPlainObject(value: unknown): boolean {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** May recurse: json-body.ts has bounded the depth. */
function checkContent(
	value: unknown,
	path: readonly (string | number)[],
	context: z.RefinementCtx,
): void {
	if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
		const message = `${value} is beyond 2^53 and not exact; write it as a decimal string`;
		context.addIssue({ code: "custom", path: [...path], message });
	}
	if (typeof value !== "object" || value === null) return;
	if (path.length >= LIMITS.contentDepth) {
		const message = `is nested deeper than ${LIMITS.contentDepth} levels`;
		addExcess(context, { limit: "contentDepth", value: path.length + 1, message });
		return;
	}
	const isList = Array.isArray(value);
	for (const [key, item] of Object.entries(value)) {
		checkContent(item, [...path, isList ? Number(key) : key], context);
	}
}

export const textValue = z
	.string()
	.superRefine((text, context) => {
		const sizeBytes = Buffer.byteLength(text);
		if (sizeBytes <= LIMITS.textBytes) return;
		const message = `has ${sizeBytes} bytes, at most ${LIMITS.textBytes} are taken`;
		addExcess(context, { limit: "textBytes", value: sizeBytes, message });
	})
	.openapi({
		type: "string",
		description: `Text that is embedded and searched, at most ${LIMITS.textBytes} bytes of UTF-8.`,
	});

/** Checked by hand: one problem a vector, not one an element. */
export const vectorValue = z
	.unknown()
	.transform((value, context): readonly number[] => {
		if (!isNumbers(value)) {
			context.addIssue({ code: "custom", message: "must be a list of numbers, at least one" });
			return z.NEVER;
		}
		checkCount(value.length, "vectorDimensions", context);
		const message = problemOfVector(value);
		if (message !== undefined) context.addIssue({ code: "custom", message });
		return value;
	})
	.openapi({
		type: "array",
		items: { type: "number", format: "float" },
		minItems: 1,
		maxItems: LIMITS.vectorDimensions,
		description: "A vector of your own, with as many dimensions as its collection.",
	});

function isNumbers(value: unknown): value is readonly number[] {
	return Array.isArray(value) && value.length > 0 && value.every((x) => typeof x === "number");
}

function problemOfVector(vector: readonly number[]): string | undefined {
	const wrong = vector.findIndex((x) => Math.abs(x) > MAX_FLOAT32);
	if (wrong >= 0) return `holds ${vector[wrong]} at ${wrong}, which does not fit a 32-bit float`;
	return vector.every((x) => x === 0) ? "is zero and so has no direction" : undefined;
}

/** It becomes the name of a directory. */
export const collectionValue = boundedText(
	"collectionNameLength",
	"Collection: letters, digits, `-` and `_`, beginning with a letter or digit.",
).regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "must be letters, digits, - and _");

export function unitValue(description: string) {
	return z
		.number()
		.min(0)
		.max(1)
		.openapi({ description: `${description}, from 0 to 1.` });
}

const target = {
	namespace: namespaceValue.optional(),
	...groundFields,
	ifVersion: decimalValue(
		"Version id that the memory must have, else 409 `version_conflict`; 0: it must not exist.",
	).optional(),
};

/** What a put states. */
export const bodyFields = {
	layer: layerValue,
	content: contentValue,
	text: textValue.optional(),
	vector: vectorValue.optional(),
	collection: collectionValue.optional(),
	importance: unitValue("How much it matters").optional(),
	confidence: unitValue("How sure the writer is").optional(),
	expiresAtBlock: decimalValue("First height at which the memory is gone.").optional(),
	expiresAtTime: decimalValue(
		"Seconds since the epoch: gone from the first block that is not older. Not beside `expiresAtBlock`.",
	).optional(),
};

/** A memory ends in one way. */
export function requireOneEnd(
	body: {
		readonly expiresAtBlock?: bigint | undefined;
		readonly expiresAtTime?: bigint | undefined;
	},
	context: z.RefinementCtx,
): void {
	if (body.expiresAtBlock === undefined || body.expiresAtTime === undefined) return;
	const message = "must not be given beside `expiresAtBlock`";
	context.addIssue({ code: "custom", path: ["expiresAtTime"], message });
}

/** Ids that begin so are made by Recant: links', and what consolidation names. */
const ownIdValue = memoryIdValue.refine(
	(id) => !id.startsWith("@"),
	"must not begin with `@`: such ids are made by Recant",
);

const putSchema = z
	.strictObject({
		op: z.literal("put"),
		id: ownIdValue.optional(),
		...target,
		...bodyFields,
		causedBy: causesValue.optional(),
	})
	.superRefine(requireOneEnd)
	.superRefine((put, context) => {
		if (put.causedBy === undefined || put.layer === "episodic") return;
		const message = "needs `layer` episodic: causes are events";
		context.addIssue({ code: "custom", path: ["causedBy"], message });
	})
	.openapi("PutOperation", {
		description:
			"Writes a memory whole. Without `id` Recant makes one. With `text` it is embedded into `collection` (`default` when left out); with `vector` that vector is kept instead.",
	});

const patchSchema = z
	.strictObject({
		op: z.literal("patch"),
		id: ownIdValue,
		...target,
		content: contentValue,
		text: textValue.optional(),
		importance: unitValue("How much it matters").optional(),
		confidence: unitValue("How sure the writer is").optional(),
	})
	.openapi("PatchOperation", {
		description:
			"Merges `content` into a memory, one level deep; a null removes a field. Other parts replace when given.",
	});

const deleteSchema = z
	.strictObject({ op: z.literal("delete"), id: ownIdValue, ...target })
	.openapi("DeleteOperation", { description: "Forgets a memory from the pending slot on." });

const { layer: _layer, ...actionFields } = bodyFields;
const { onLoss: _onLoss, ...actionTarget } = target;

const actionSchema = z
	.strictObject({
		op: z.literal("action"),
		id: ownIdValue.optional(),
		...actionTarget,
		...actionFields,
		causedBy: causesValue.optional(),
	})
	.superRefine(requireOneEnd)
	.openapi("ActionOperation", {
		description:
			"Records what the agent did, as an episode with `kind: action` in its content. It happened, so no fork takes it back: a rollback's report tells of actions whose `derivedFrom` or anchors no longer hold.",
	});

const linkSchema = z
	.strictObject({
		op: z.literal("link"),
		...target,
		...linkFields,
		weight: z
			.number()
			.positive("must be above 0")
			.max(1e9)
			.optional()
			.openapi({ description: "How strong it is; 1 when left out." }),
		properties: contentValue.optional(),
	})
	.openapi("LinkOperation", {
		description:
			"Links a memory to another, both of which must be there. `isA` and `partOf` join semantic memories and `causedBy` begins at an episode; of these three no circle may be closed. Written again it says what it says now.",
	});

const unlinkSchema = z
	.strictObject({ op: z.literal("unlink"), ...target, ...linkFields })
	.openapi("UnlinkOperation", { description: "Takes a link away." });

const consolidateSchema = z
	.strictObject({
		op: z.literal("consolidate"),
		namespace: namespaceValue.optional(),
		rule: boundedText("idLength", "One rule of the namespace; all when left out.").optional(),
	})
	.openapi("ConsolidateOperation", {
		description: "Runs the namespace's rules of consolidation on what is there now.",
	});

export const operationSchema = z
	.discriminatedUnion(
		"op",
		[
			putSchema,
			patchSchema,
			deleteSchema,
			actionSchema,
			linkSchema,
			unlinkSchema,
			consolidateSchema,
		],
		{
			error:
				"must be an operation with `op` put, patch, delete, action, link, unlink or consolidate",
		},
	)
	.superRefine(requireOneGround)
	.transform(operationRequest)
	.openapi("Operation");

type ParsedOperation =
	| z.output<typeof putSchema>
	| z.output<typeof patchSchema>
	| z.output<typeof deleteSchema>
	| z.output<typeof actionSchema>
	| z.output<typeof linkSchema>
	| z.output<typeof unlinkSchema>
	| z.output<typeof consolidateSchema>;

function operationRequest(parsed: ParsedOperation): OperationRequest {
	const { namespace = DEFAULT_NAMESPACE } = parsed;
	if (parsed.op === "consolidate") {
		const nothing = groundOf({}, namespace);
		return { namespace, ...nothing, ifVersion: undefined, kind: parsed.op, rule: parsed.rule };
	}
	const shared = { namespace, ...groundOf(parsed, namespace), ifVersion: parsed.ifVersion };
	switch (parsed.op) {
		case "delete":
			return { ...shared, kind: parsed.op, id: parsed.id };
		case "link": {
			const { weight = 1, properties } = parsed;
			return { ...shared, kind: parsed.op, link: linkOf(parsed, namespace), weight, properties };
		}
		case "unlink":
			return { ...shared, kind: parsed.op, link: linkOf(parsed, namespace) };
		case "patch": {
			const { id, content, text, importance, confidence } = parsed;
			return { ...shared, kind: parsed.op, id, content, text, importance, confidence };
		}
		case "put":
			return { ...shared, kind: parsed.op, layer: parsed.layer, ...putOf(parsed, namespace) };
		case "action":
			return { ...shared, kind: parsed.op, ...putOf(parsed, namespace) };
	}
}

function putOf(
	parsed: z.output<typeof putSchema> | z.output<typeof actionSchema>,
	namespace: string,
): PutRequest {
	return {
		id: parsed.id,
		content: parsed.content,
		text: parsed.text,
		vector: parsed.vector,
		collection: parsed.collection,
		importance: parsed.importance,
		confidence: parsed.confidence,
		expiresAtBlock: parsed.expiresAtBlock,
		expiresAtTime: parsed.expiresAtTime,
		causedBy: (parsed.causedBy ?? []).map((end) => endOf(end, namespace)),
	};
}

export const batchSchema = z
	.strictObject({
		operations: z
			.array(operationSchema)
			.min(1, "must hold an operation")
			.superRefine((list, context) => checkCount(list.length, "batchOperations", context)),
	})
	.openapi("OperationBatch", {
		description: `1 to ${LIMITS.batchOperations} operations, committed together or not at all.`,
	});

/**
 * One operation or a batch. Which of the two is told by the body itself, so that the problems of one
 * are not reported against the other.
 */
export const operationsBody = z
	.unknown()
	.transform((body, context): readonly OperationRequest[] => {
		const parsed = isBatch(body) ? batchSchema.safeParse(body) : operationSchema.safeParse(body);
		if (parsed.success) {
			return "operations" in parsed.data ? parsed.data.operations : [parsed.data];
		}
		for (const issue of parsed.error.issues) context.addIssue({ ...issue });
		return z.NEVER;
	})
	.openapi("OperationsBody", {
		anyOf: [
			{ $ref: "#/components/schemas/Operation" },
			{ $ref: "#/components/schemas/OperationBatch" },
		],
	});

function isBatch(body: unknown): boolean {
	return typeof body === "object" && body !== null && Object.hasOwn(body, "operations");
}
