/** Requests and answers of the routes for recorded results. */
import { z } from "@hono/zod-openapi";
import type { JsonValue } from "../domain/operation.ts";
import { inputHashOf } from "../memory/input-hash.ts";
import { boundedText, DEFAULT_NAMESPACE, hashValue, namespaceValue } from "./fields.ts";

const hash = hashValue("SHA-256 of the input as canonical JSON (RFC 8785).");
const modelName = boundedText(
	"modelLength",
	"What answered: name and revision of a model, or of a prompt with its model.",
);

export const resultQuery = z.strictObject({
	namespace: namespaceValue.default(DEFAULT_NAMESPACE),
	model: modelName,
	inputHash: hash,
});

/** Any value of JSON; that it is plain data was checked before the schema. */
const anyJson = z
	.custom<JsonValue>((value) => value !== undefined, "is missing")
	.openapi({
		type: ["object", "array", "string", "number", "boolean", "null"],
		description: "Any JSON.",
	});

export const resultRequest = z
	.strictObject({
		namespace: namespaceValue.default(DEFAULT_NAMESPACE),
		model: modelName,
		input: anyJson.optional().openapi({ description: "What was asked: any JSON. It is not kept." }),
		inputHash: hash.optional(),
		output: anyJson.openapi({ description: "What was answered: any JSON." }),
		replace: z
			.boolean()
			.default(false)
			.openapi({ description: "Take the place of another output, which is a 409 otherwise." }),
	})
	.transform(({ input, inputHash, ...rest }, context) => {
		if ((input === undefined) !== (inputHash === undefined)) {
			return { ...rest, inputHash: inputHash ?? inputHashOf(input ?? null) };
		}
		const message = "give `input` or `inputHash`, one of the two";
		context.addIssue({ code: "custom", path: ["input"], message });
		return z.NEVER;
	})
	.openapi("ResultRequest");

export const resultAnswer = z
	.object({
		chainId: z.int(),
		namespace: z.string(),
		model: z.string(),
		inputHash: z.string(),
		output: z.unknown().openapi({ description: "Any JSON." }),
		createdAt: z.string().openapi({ format: "date-time" }),
	})
	.openapi("Result");
