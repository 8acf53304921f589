/** The name of a link, as the table of links has it, from the memory that the link is. */
import type { MemoryKey } from "../../domain/ids.ts";
import { isLinkId } from "../../domain/link.ts";
import type { VersionBody } from "../../domain/memory.ts";
import type { JsonValue } from "../../domain/operation.ts";
import { memoryKey } from "../../memory/memory-key.ts";

export interface LinkRow {
	readonly linkKey: MemoryKey;
	readonly namespace: string;
	readonly type: string;
	readonly fromKey: MemoryKey;
	readonly toKey: MemoryKey;
}

/** Undefined: it is no link, or is gone. */
export function linkRow({
	namespace,
	id,
	content,
}: Pick<VersionBody, "content" | "id" | "namespace">): LinkRow | undefined {
	if (content === undefined || !isLinkId(id)) return undefined;
	const { type } = content;
	const [fromKey, toKey] = [endKey(content["from"]), endKey(content["to"])];
	if (typeof type !== "string" || fromKey === undefined || toKey === undefined) return undefined;
	return { linkKey: memoryKey(namespace, id), namespace, type, fromKey, toKey };
}

function endKey(end: JsonValue | undefined): MemoryKey | undefined {
	if (typeof end !== "object" || end === null || !("namespace" in end)) return undefined;
	const { namespace, id } = end;
	return typeof namespace === "string" && typeof id === "string"
		? memoryKey(namespace, id)
		: undefined;
}
