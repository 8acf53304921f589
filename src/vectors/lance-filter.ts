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

/** The predicate of all that the filter says, but for `excludeVersions`; undefined: it says nothing. */
export function predicateOf(filter: VectorFilter): string | undefined {
	const terms: string[] = [];
	const { maxFromBlock, minFromBlock, namespaces, layers } = filter;
	if (maxFromBlock !== undefined) terms.push(`from_block <= ${maxFromBlock}`);
	if (minFromBlock !== undefined) terms.push(`from_block >= ${minFromBlock}`);
	if (namespaces !== undefined) terms.push(oneOf("namespace", namespaces));
	if (layers !== undefined) terms.push(oneOf("layer", layers));
	return terms.length === 0 ? undefined : terms.join(" AND ");
}

function oneOf(column: string, values: readonly string[]): string {
	return values.length === 0 ? "false" : `${column} IN (${values.map(literal).join(", ")})`;
}

export function exclusionOf(versions: readonly VersionId[]): string {
	return `version_id NOT IN (${versions.join(",")})`;
}

export function inclusionOf(versions: readonly VersionId[]): string {
	return `version_id IN (${versions.join(",")})`;
}
