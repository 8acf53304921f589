/**
 * A link is a memory of its own: layer `semantic`, an id that follows from its ends and its type, and
 * content of a fixed shape. So it has versions, spans, a leaf and a proof like any other, and comes back
 * with a fork like any other.
 *
 * It holds while its version is visible and both of its ends are.
 */
import { hash } from "node:crypto";
import type { LinkEnd, LinkName } from "./link-name.ts";
import type { JsonObject, JsonValue } from "./operation.ts";

/** Ids that begin so are links'; a put, patch or delete of such an id is refused. */
export const LINK_ID_PREFIX = "@link:";

/** isA, partOf: between semantic memories, without cycles. causedBy: from an episode, without cycles. */
export const HIERARCHY_TYPES: readonly string[] = ["isA", "partOf"];
export const CAUSE_TYPE = "causedBy";
/** Types of which a link that closes a circle is refused. */
export const ACYCLIC_TYPES: readonly string[] = [...HIERARCHY_TYPES, CAUSE_TYPE];

/** Id of the memory that the link is, in the namespace of `from`. */
export function linkId({ from, type, to }: LinkName): string {
	const name = JSON.stringify([from.id, type, to.namespace, to.id]);
	return `${LINK_ID_PREFIX}${hash("sha256", name)}`;
}

export function isLinkId(id: string): boolean {
	return id.startsWith(LINK_ID_PREFIX);
}

/** What a link's memory joins; undefined: the content is no link's. */
export function linkInContent({ from, type, to }: JsonObject): LinkName | undefined {
	const [fromEnd, toEnd] = [endIn(from), endIn(to)];
	if (typeof type !== "string" || fromEnd === undefined || toEnd === undefined) return undefined;
	return { from: fromEnd, type, to: toEnd };
}

function endIn(end: JsonValue | undefined): LinkEnd | undefined {
	if (typeof end !== "object" || end === null || !("namespace" in end)) return undefined;
	const { namespace, id } = end;
	return typeof namespace === "string" && typeof id === "string" ? { namespace, id } : undefined;
}

/** Content of the memory that the link is. `weight` is above 0. */
export function linkContent(
	{ from, type, to }: LinkName,
	weight: number,
	properties: JsonObject | undefined,
): JsonObject {
	return {
		from: { namespace: from.namespace, id: from.id },
		type,
		to: { namespace: to.namespace, id: to.id },
		weight,
		...(properties === undefined ? {} : { properties }),
	};
}
