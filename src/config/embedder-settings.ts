/** What embeds texts: EMBEDDER and the variables that it needs. */
import * as z from "zod";
import { LIMITS } from "../domain/limits.ts";
import type { EnvironmentProblem, EnvironmentVariables } from "./environment-problems.ts";

export type EmbedderSettings =
	| { readonly kind: "hashing" }
	| {
			readonly kind: "http";
			/** Base URL of an OpenAI-compatible endpoint. */
			readonly url: string;
			readonly model: string;
			readonly dimensions: number;
			readonly apiKey: string | undefined;
	  }
	| {
			readonly kind: "transformers";
			/** A folder, or a name on the hub. */
			readonly model: string;
			/** Undefined: as the model has it. */
			readonly dimensions: number | undefined;
	  };

const HASHING: readonly string[] = ["hashing", "hash"];
const TRANSFORMERS = "transformers";
const CHOICES = `"hashing", "${TRANSFORMERS}", or the base URL of an OpenAI-compatible endpoint, such as https://host/v1`;

/** Variables of the environment's schema. */
export const embedderVariables = {
	EMBEDDER: z
		.string()
		.refine(
			(value) => HASHING.includes(value) || value === TRANSFORMERS || isEndpoint(value),
			`is not supported; supported: ${CHOICES}`,
		)
		.default("hashing"),
	EMBEDDER_MODEL: z
		.string()
		.max(LIMITS.modelLength, `must have at most ${LIMITS.modelLength} characters`)
		.optional(),
	EMBEDDER_DIMENSIONS: z
		.string()
		.regex(/^[1-9]\d{0,5}$/, `must be a whole number from 1 to ${LIMITS.vectorDimensions}`)
		.transform(Number)
		.refine(
			(value) => value <= LIMITS.vectorDimensions,
			`must be at most ${LIMITS.vectorDimensions}`,
		)
		.optional(),
	EMBEDDER_API_KEY: z
		.string()
		// It travels in a header.
		.regex(/^[\x21-\x7e]+$/, "must consist of visible ASCII characters")
		.optional(),
};

type Values = z.output<z.ZodObject<typeof embedderVariables>>;

/** What EMBEDDER needs and is not set; told apart from the schema, as it concerns several variables. */
export function embedderProblems(set: EnvironmentVariables): readonly EnvironmentProblem[] {
	const { EMBEDDER: embedder = "hashing" } = set;
	const needed = isEndpoint(embedder)
		? ["EMBEDDER_MODEL", "EMBEDDER_DIMENSIONS"]
		: embedder === TRANSFORMERS
			? ["EMBEDDER_MODEL"]
			: [];
	return needed
		.filter((variable) => set[variable] === undefined)
		.map((variable) => ({
			variable,
			shown: undefined,
			what: `is unset, and EMBEDDER=${isEndpoint(embedder) ? "<url>" : embedder} needs it`,
			hint: HINTS[variable],
		}));
}

const HINTS: Readonly<Record<string, string>> = {
	EMBEDDER_MODEL:
		"set EMBEDDER_MODEL to the model's name, or with EMBEDDER=transformers its folder",
	EMBEDDER_DIMENSIONS: "set EMBEDDER_DIMENSIONS to the length of the model's vectors",
};

/** Of values without problems. */
export function embedderSettings(values: Values): EmbedderSettings {
	const { EMBEDDER: embedder, EMBEDDER_MODEL: model, EMBEDDER_DIMENSIONS: dimensions } = values;
	if (isEndpoint(embedder) && model !== undefined && dimensions !== undefined) {
		return { kind: "http", url: embedder, model, dimensions, apiKey: values.EMBEDDER_API_KEY };
	}
	if (embedder === TRANSFORMERS && model !== undefined)
		return { kind: TRANSFORMERS, model, dimensions };
	return { kind: "hashing" };
}

function isEndpoint(value: string): boolean {
	return /^https?:\/\/./i.test(value) && URL.canParse(value);
}
