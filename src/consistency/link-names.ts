/** What the table of links has to say of a memory that is a link: it follows from the id's own content. */
import type { MemoryKey } from "../domain/ids.ts";
import { isLinkId, linkId, linkInContent } from "../domain/link.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredLink, StoredVersion } from "./stored-state.ts";

export type LinkNameRow = Omit<StoredLink, "hasVersions">;

/** Undefined: none of the rows says what the link joins, or the memory is none. All say the same. */
export function linkNameOf(rows: readonly StoredVersion[]): LinkNameRow | undefined {
	for (const { memoryKey: key, namespace, id, body } of rows) {
		if (!isLinkId(id) || body?.content === undefined) continue;
		const link = linkInContent(body.content);
		// A damaged row says something else than its id; the rule that reads it says so.
		if (link === undefined || linkId(link) !== id || memoryKey(namespace, id) !== key) continue;
		const { from, type, to } = link;
		const [fromKey, toKey] = [keyOf(from), keyOf(to)];
		return { linkKey: key, namespace, type, fromKey, toKey };
	}
	return undefined;
}

export function isSameLink(a: LinkNameRow | undefined, b: LinkNameRow): boolean {
	return (
		a !== undefined &&
		a.linkKey === b.linkKey &&
		a.namespace === b.namespace &&
		a.type === b.type &&
		a.fromKey === b.fromKey &&
		a.toKey === b.toKey
	);
}

function keyOf({ namespace, id }: { readonly namespace: string; readonly id: string }): MemoryKey {
	return memoryKey(namespace, id);
}
