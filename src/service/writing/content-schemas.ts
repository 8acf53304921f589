/**
 * Checks contents against the JSON Schemas of namespaces, with ajv. Which schemas are taken, and so how long
 * a check may take, memory/json-schema.ts decides; ajv sees none that it refuses.
 *
 * Nothing is filled in, converted or removed: what a content says is what its writer said.
 */
import {
	Ajv2020,
	type AnySchemaObject,
	type ErrorObject,
	type ValidateFunction,
} from "ajv/dist/2020.js";
import { LRUCache } from "lru-cache";
import { FatalError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject, JsonValue } from "../../domain/operation.ts";
import {
	FORMATS,
	type SchemaProblem,
	type StepAllowance,
	schemaProblems,
	subschemaCount,
} from "../../memory/json-schema.ts";

/** What is wrong with a content; `path` is from its root. */
export type ContentProblem = SchemaProblem;

interface Compiled {
	/** Stops at the first problem. */
	readonly first: ValidateFunction;
	/** Goes on to the last; compiled when it is needed. */
	every: ValidateFunction | undefined;
	/** References written out. */
	readonly subschemas: number;
}

/** Values of an `enum` that a message names. */
const NAMED_VALUES = 10;

const TOO_MUCH: ContentProblem = {
	path: [],
	message: `takes, with those before it, more than the ${LIMITS.schemaSteps} steps that a request may take to be checked against schemas; send it in several requests`,
};

const OPTIONS = {
	strict: true,
	strictTypes: false,
	strictTuples: false,
	strictRequired: false,
	allowUnionTypes: true,
	/** The schema is checked once, when it is registered. */
	validateSchema: false,
	addUsedSchema: false,
	formats: { ...FORMATS },
	logger: false,
} as const;

export class ContentSchemas {
	readonly #first = new Ajv2020(OPTIONS);
	readonly #every = new Ajv2020({ ...OPTIONS, allErrors: true });
	/** Settings are kept as objects by whoever holds them, so the object is the key. */
	readonly #compiled = new LRUCache<JsonObject, Compiled>({ max: LIMITS.compiledSchemas });

	/** Everything that is wrong with a schema; empty: it can be registered. */
	problemsOfSchema(schema: JsonObject): readonly SchemaProblem[] {
		const refused = schemaProblems(schema);
		if (refused.length > 0) return refused;
		if (this.#every.validateSchema(schema as AnySchemaObject) !== true) {
			const found = (this.#every.errors ?? []).map((error) => problemOf(error, schema));
			return found.length === 0 ? [{ path: [], message: "is not a JSON Schema" }] : found;
		}
		try {
			this.#compile(schema);
			return [];
		} catch (error) {
			// Strict mode: keywords that are alone without effect.
			return [{ path: [], message: error instanceof Error ? error.message : String(error) }];
		}
	}

	/**
	 * What is wrong with a content, the first problem at least; empty: it meets the schema. One that would take
	 * more than is left of the allowance is not looked at, and has that as its problem.
	 */
	problems(
		schema: JsonObject,
		content: JsonObject,
		allowance: StepAllowance = { steps: LIMITS.schemaSteps },
	): readonly ContentProblem[] {
		const compiled = this.#compiled.get(schema) ?? this.#kept(schema);
		const steps = compiled.subschemas * valuesIn(content);
		if (steps > allowance.steps) return [TOO_MUCH];
		allowance.steps -= steps;
		if (compiled.first(content)) return [];
		if (steps > LIMITS.schemaProblemSteps) {
			return problemsOf(compiled.first, content);
		}
		compiled.every ??= compile(this.#every, schema);
		compiled.every(content);
		return problemsOf(compiled.every, content);
	}

	#kept(schema: JsonObject): Compiled {
		const compiled = this.#compile(schema);
		this.#compiled.set(schema, compiled);
		return compiled;
	}

	/** Throws what ajv throws, and `FatalError("internal")` for a schema that was never checked. */
	#compile(schema: JsonObject): Compiled {
		const [refused] = schemaProblems(schema);
		if (refused !== undefined) throw unchecked(refused);
		const first = compile(this.#first, schema);
		return { first, every: undefined, subschemas: subschemaCount(schema) };
	}
}

/** ajv keeps every schema that it has seen; the function needs it no more. */
function compile(ajv: Ajv2020, schema: JsonObject): ValidateFunction {
	const copy = structuredClone(schema) as AnySchemaObject;
	try {
		return ajv.compile(copy);
	} finally {
		ajv.removeSchema(copy);
	}
}

function problemsOf({ errors }: ValidateFunction, content: JsonObject): readonly ContentProblem[] {
	return (errors ?? []).map((error) => problemOf(error, content));
}

function problemOf(error: ErrorObject, root: JsonValue): ContentProblem {
	const path = pathOf(error.instancePath, root);
	const { missingProperty, additionalProperty, unevaluatedProperty, propertyName } = error.params;
	if (typeof missingProperty === "string") {
		return { path: [...path, missingProperty], message: "must be there" };
	}
	const extra = additionalProperty ?? unevaluatedProperty;
	if (typeof extra === "string") return { path: [...path, extra], message: "no such field" };
	if (typeof propertyName === "string") {
		return { path: [...path, propertyName], message: "is not the name of a field" };
	}
	return { path, message: messageOf(error) };
}

function messageOf({ keyword, params, message = "does not meet the schema" }: ErrorObject): string {
	if (keyword === "false schema") return "must not be there";
	if (keyword === "const") return `must be ${JSON.stringify(params["allowedValue"])}`;
	const { allowedValues } = params;
	if (!Array.isArray(allowedValues)) return message;
	const more = allowedValues.length > NAMED_VALUES ? ", …" : "";
	const named = allowedValues.slice(0, NAMED_VALUES).map((value) => JSON.stringify(value));
	return `must be one of ${named.join(", ")}${more}`;
}

/** `/items/2/a~1b` of a JSON pointer → `["items", 2, "a/b"]`. */
function pathOf(pointer: string, root: JsonValue): (string | number)[] {
	let value: unknown = root;
	return pointer
		.split("/")
		.slice(1)
		.map((part) => {
			const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
			const step = Array.isArray(value) ? Number(name) : name;
			value = (value as Record<string | number, unknown> | undefined)?.[step];
			return step;
		});
}

/** How many values a content holds, itself among them. Contents are LIMITS.contentDepth deep at most. */
function valuesIn(value: JsonValue): number {
	if (typeof value !== "object" || value === null) return 1;
	return Object.values(value).reduce((sum: number, item: JsonValue) => sum + valuesIn(item), 1);
}

function unchecked({ path, message }: SchemaProblem): FatalError {
	return new FatalError("internal", {
		message: `a schema that is not taken is in use: ${path.join(".")} ${message}`,
		hint: "register the namespace's settings again",
	});
}
