/**
 * Which JSON Schemas (2020-12) a namespace may register. A schema is somebody's input and is run against
 * somebody else's, so what is taken is what takes a bounded time:
 *
 * 1. Only the keywords of KEYWORDS: a misspelt one is an error, not a rule that never applies.
 * 2. No `pattern` nor `patternProperties`: expressions of one's own can take exponential time. Instead
 *    `format` takes the formats of FORMATS, each a linear expression of ours.
 * 3. `$ref` leads into the schema's own `$defs` alone, never in a circle: nothing is fetched, and the schema
 *    has LIMITS.schemaNodes subschemas at most with every reference written out. Each meets each value of
 *    the content once, so the work of one check is bounded by their product.
 * 4. `uniqueItems` needs `maxItems` of at most LIMITS.uniqueItems, since it compares each with each.
 * 5. Nothing is filled in or converted: `default` says something to people only.
 */
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject, JsonValue } from "../domain/operation.ts";

export interface SchemaProblem {
	/** From the schema's root. */
	readonly path: readonly (string | number)[];
	readonly message: string;
}

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** What the checks of one request may still take of LIMITS.schemaSteps; a check takes its part of it. */
export interface StepAllowance {
	steps: number;
}

/** Names of `format`, and what they mean; each runs in one pass. */
export const FORMATS: Readonly<Record<string, RegExp>> = {
	address: /^0x[0-9a-fA-F]{40}$/,
	date: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/,
	"date-time":
		/^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/,
	decimal: /^-?(?:0|[1-9][0-9]*)$/,
	hash: /^0x[0-9a-fA-F]{64}$/,
	hex: /^0x[0-9a-fA-F]*$/,
	uuid: /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/,
};

/** plain: no schema inside. one, list, map: a schema, a list of them, an object of them. */
type Inside = "plain" | "one" | "list" | "map";

const KEYWORDS: ReadonlyMap<string, Inside> = new Map<string, Inside>([
	...namesOf(
		"plain",
		"$schema $ref $comment title description default examples deprecated readOnly writeOnly type enum const format",
	),
	...namesOf("plain", "minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum"),
	...namesOf("plain", "multipleOf required dependentRequired minProperties maxProperties"),
	...namesOf("plain", "minItems maxItems uniqueItems minContains maxContains"),
	...namesOf("one", "items contains additionalProperties propertyNames not if then else"),
	...namesOf("one", "unevaluatedItems unevaluatedProperties"),
	...namesOf("list", "allOf anyOf oneOf prefixItems"),
	...namesOf("map", "$defs properties dependentSchemas"),
]);

function namesOf(inside: Inside, names: string): readonly (readonly [string, Inside])[] {
	return names.split(" ").map((name) => [name, inside] as const);
}

type Path = readonly (string | number)[];

/** What is wrong with a schema; empty: it may be compiled. The content of a memory is an object. */
export function schemaProblems(schema: JsonObject): readonly SchemaProblem[] {
	const sizeBytes = Buffer.byteLength(JSON.stringify(schema));
	if (sizeBytes > LIMITS.schemaBytes) {
		const message = `has ${sizeBytes} bytes as JSON, at most ${LIMITS.schemaBytes} are taken`;
		return [{ path: [], message }];
	}
	const walk = new SchemaWalk(schema);
	walk.look(schema, [], 0);
	if (walk.problems.length === 0) walk.countExpanded();
	return walk.problems;
}

/** Subschemas with every reference written out; of a schema without problems. */
export function subschemaCount(schema: JsonObject): number {
	return new SchemaWalk(schema).countExpanded();
}

class SchemaWalk {
	readonly problems: SchemaProblem[] = [];
	readonly #root: JsonObject;

	constructor(root: JsonObject) {
		this.#root = root;
	}

	/** Bounded by the schema's size and LIMITS.schemaDepth. */
	look(schema: JsonValue | undefined, path: Path, depth: number): void {
		if (typeof schema === "boolean") return;
		if (!isObject(schema)) {
			this.#add(path, "must be a schema: an object, true or false");
			return;
		}
		if (depth > LIMITS.schemaDepth) {
			this.#add(path, `is nested deeper than ${LIMITS.schemaDepth} levels`);
			return;
		}
		for (const [keyword, value] of Object.entries(schema)) {
			this.#keyword(schema, keyword, value, path);
			for (const [step, inner] of subschemasOf(keyword, value)) {
				this.look(inner, [...path, ...step], depth + 1);
			}
		}
	}

	#keyword(schema: JsonObject, keyword: string, value: JsonValue, path: Path): void {
		const at = [...path, keyword];
		const message = problemOfKeyword(keyword, value) ?? problemOfUnique(schema, keyword, value);
		if (message !== undefined) this.#add(at, message);
		else if (keyword === "$ref" && this.#target(value) === undefined) {
			this.#add(at, "must lead to one of the schema's own definitions: #/$defs/<name>");
		}
	}

	/** How many subschemas there are with every reference written out; problems where that has no end. */
	countExpanded(): number {
		const count = this.#expanded(this.#root, [], new Set());
		if (this.problems.length === 0 && count > LIMITS.schemaNodes) {
			const message = `has more than ${LIMITS.schemaNodes} subschemas with all references written out`;
			this.#add([], message);
		}
		return count;
	}

	/** Stops counting past the limit, so that references to references cannot make it long. */
	#expanded(schema: JsonValue | undefined, path: Path, open: ReadonlySet<string>): number {
		if (!isObject(schema)) return 1;
		let count = 1;
		for (const [keyword, value] of Object.entries(schema)) {
			if (keyword === "$defs") continue;
			for (const [step, inner] of subschemasOf(keyword, value)) {
				count += this.#expanded(inner, [...path, ...step], open);
				if (count > LIMITS.schemaNodes) return count;
			}
		}
		const { $ref } = schema;
		if (typeof $ref !== "string") return count;
		if (open.has($ref)) {
			this.#add([...path, "$ref"], "leads back to itself; a schema may not be recursive");
			return count;
		}
		return count + this.#expanded(this.#target($ref), path, new Set([...open, $ref]));
	}

	/** `#/$defs/<name>` alone, so that a reference cannot lead into what is no schema. */
	#target($ref: JsonValue): JsonValue | undefined {
		const { $defs } = this.#root;
		const name =
			typeof $ref === "string" ? /^#\/\$defs\/([A-Za-z0-9_-]+)$/.exec($ref)?.[1] : undefined;
		if (name === undefined || !isObject($defs) || !Object.hasOwn($defs, name)) return undefined;
		return $defs[name];
	}

	#add(path: Path, message: string): void {
		this.problems.push({ path, message });
	}
}

/** Schemas that stand in a keyword's value, each with the way to it. */
function subschemasOf(keyword: string, value: JsonValue): readonly (readonly [Path, JsonValue])[] {
	switch (KEYWORDS.get(keyword)) {
		case "one":
			return [[[keyword], value]];
		case "list":
			return isList(value) ? value.map((item, index) => [[keyword, index], item] as const) : [];
		case "map":
			return isObject(value)
				? Object.entries(value).map(([name, item]) => [[keyword, name], item] as const)
				: [];
		default:
			return [];
	}
}

function problemOfKeyword(keyword: string, value: JsonValue): string | undefined {
	const inside = KEYWORDS.get(keyword);
	if (inside === undefined) return refusalOf(keyword);
	if (inside === "list" && !isList(value)) return "must be a list of schemas";
	if (inside === "map" && !isObject(value)) return "must be an object of schemas";
	if (keyword === "$schema" && value !== DIALECT) return `must be ${DIALECT}`;
	if (keyword === "format" && (typeof value !== "string" || !Object.hasOwn(FORMATS, value))) {
		return `must be one of ${Object.keys(FORMATS).join(", ")}`;
	}
	return undefined;
}

function refusalOf(keyword: string): string {
	if (keyword === "pattern" || keyword === "patternProperties") {
		return "is not taken, since an expression can take exponential time; use format, enum or maxLength";
	}
	return "is no keyword that is taken";
}

function problemOfUnique(
	schema: JsonObject,
	keyword: string,
	value: JsonValue,
): string | undefined {
	if (keyword !== "uniqueItems" || value !== true) return undefined;
	const { maxItems } = schema;
	if (typeof maxItems === "number" && maxItems <= LIMITS.uniqueItems) return undefined;
	return `needs maxItems of at most ${LIMITS.uniqueItems} beside it`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `Array.isArray` does not narrow readonly arrays. */
function isList(value: JsonValue): value is readonly JsonValue[] {
	return Array.isArray(value);
}
