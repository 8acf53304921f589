/** What is wrong with settings that have the right form: schemas, and functions that the chain does not have. */
import type { RequestProblem } from "../../domain/errors.ts";
import { LAYERS } from "../../domain/layer.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";
import type { SchemaProblem } from "../../memory/json-schema.ts";
import { placeOf } from "../graph/place-of.ts";
import type { ContentSchemas } from "../writing/content-schemas.ts";

/** `root` stands before every path. */
export function settingsProblems(
	{ schemas, consolidation }: NamespaceSettings,
	known: {
		readonly schemas: Pick<ContentSchemas, "problemsOfSchema">;
		/** Names of the chain's `consolidations`. */
		readonly functions: readonly string[];
	},
	root: string,
): readonly RequestProblem[] {
	const ofSchemas = LAYERS.flatMap((layer) => {
		const schema = schemas?.[layer];
		if (schema === undefined) return [];
		return known.schemas
			.problemsOfSchema(schema)
			.map((problem) => schemaProblem(problem, ["schemas", layer], root));
	});
	const ofRules = consolidation.flatMap(({ take }, index): readonly RequestProblem[] => {
		if (take.kind !== "function" || known.functions.includes(take.name)) return [];
		const path = placeOf(root, ["consolidation", index, "take", "name"]);
		const there = known.functions.length === 0 ? "none" : known.functions.join(", ");
		const message = `the chain's file has no consolidation "${take.name}"; there are: ${there}`;
		return [{ path, code: "unknown_function", message }];
	});
	return [...ofSchemas, ...ofRules];
}

function schemaProblem(
	{ path, message }: SchemaProblem,
	before: readonly (string | number)[],
	root: string,
): RequestProblem {
	return { path: placeOf(root, [...before, ...path]), code: "schema_invalid", message };
}
