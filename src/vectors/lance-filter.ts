/** A search's filter as LanceDB's SQL. Pure; values from outside become literals and nothing else. */
import type { VersionId } from "../domain/ids.ts";
import type { VectorFilter } from "./vector-tables.ts";

/**
 * A string literal of standard SQL: a quote is doubled, and no other character means anything
 * inside, the backslash neither (seen with LanceDB 0.39, which the tests repeat).
 */
function literal(text: string): string {
	return `'${text.replaceAll("'", "''")}'`;
}

/** The predicate of all that the filter says, but for `excludeVersions`. */
export function predicateOf(filter: VectorFilter): string {
	const terms = [`from_block <= ${filter.maxFromBlock}`];
	if (filter.namespace !== undefined) terms.push(`namespace = ${literal(filter.namespace)}`);
	if (filter.layers !== undefined) {
		const layers = filter.layers.map(literal).join(", ");
		terms.push(filter.layers.length === 0 ? "false" : `layer IN (${layers})`);
	}
	return terms.join(" AND ");
}

export function exclusionOf(versions: readonly VersionId[]): string {
	return `version_id NOT IN (${versions.join(",")})`;
}

export function inclusionOf(versions: readonly VersionId[]): string {
	return `version_id IN (${versions.join(",")})`;
}
