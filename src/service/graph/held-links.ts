/** Which links hold at a coordinate, and what they say. */
import type { MemoryKey } from "../../domain/ids.ts";
import type { LinkEnd } from "../../domain/link-name.ts";
import type { Version } from "../../domain/memory.ts";
import type { JsonObject, JsonValue } from "../../domain/operation.ts";
import type { LinkView } from "./graph-service.ts";
import type { GraphView, LinkRow } from "./graph-store.ts";

/** What of the graph may be seen. */
export interface LinkFilter {
	/** Undefined: all. */
	readonly namespaces?: readonly string[] | undefined;
	readonly minWeight: number | undefined;
}

export interface HeldLink {
	readonly row: LinkRow;
	readonly link: LinkView;
	/** The other end. */
	readonly far: Version;
}

/** Those of the rows that hold, in their order. The near ends are taken to be visible. */
export async function heldLinks(
	view: GraphView,
	rows: readonly LinkRow[],
	filter: LinkFilter,
): Promise<readonly HeldLink[]> {
	const keys = new Set<MemoryKey>(rows.flatMap(({ linkKey, farKey }) => [linkKey, farKey]));
	const versions = await view.memories([...keys]);
	return rows.flatMap((row) => {
		const version = versions.get(row.linkKey);
		const far = versions.get(row.farKey);
		if (version === undefined || far === undefined) return [];
		if (!isSeen(filter, version.namespace) || !isSeen(filter, far.namespace)) return [];
		const link = linkView(version);
		return link.weight < (filter.minWeight ?? 0) ? [] : [{ row, link, far }];
	});
}

export function isSeen({ namespaces }: Pick<LinkFilter, "namespaces">, namespace: string): boolean {
	return namespaces === undefined || namespaces.includes(namespace);
}

/** Of content that domain/link.ts made. */
function linkView(version: Version): LinkView {
	const { from, type, to, weight, properties } = version.content ?? {};
	return {
		id: version.id,
		from: endOf(from),
		type: typeof type === "string" ? type : "",
		to: endOf(to),
		weight: typeof weight === "number" ? weight : 0,
		properties: isObject(properties) ? properties : undefined,
		since: version.fromBlock,
	};
}

function endOf(value: JsonValue | undefined): LinkEnd {
	const { namespace, id } = isObject(value) ? value : {};
	return {
		namespace: typeof namespace === "string" ? namespace : "",
		id: typeof id === "string" ? id : "",
	};
}

function isObject(value: JsonValue | undefined): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
