/**
 * The operations that bring a memory from what it says in the pending slot to what it is to say. Pure.
 *
 * 1. Every operation names the version that was compared, so one that was written meanwhile is not lost:
 *    the operation fails instead.
 * 2. Applied in their order to that version they give exactly what is wanted, in content and meaning.
 * 3. They have no anchor: who brings a memory back says so now, whatever it once rested on.
 */
import type { Height, Hex } from "../domain/ids.ts";
import type { Owner } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { MemoryBody, Operation } from "../domain/operation.ts";
import { contentHash } from "./canonical.ts";
import { givenVectorHash } from "./given-vector.ts";

export type Change = "add" | "change" | "remove";

export type Compensation =
	| { readonly type: "nothing" }
	/** It would have ended at that height already, which is not above the slot. */
	| { readonly type: "expired"; readonly expiresAtBlock: Height }
	| {
			readonly type: "write";
			readonly change: Change;
			/** One, or a delete and a put where the layer changes; they hold together or not at all. */
			readonly operations: readonly Operation[];
	  };

export interface MemoryNameAndSlot {
	readonly namespace: string;
	readonly id: string;
	/** The pending slot. */
	readonly slot: Height;
}

/** `present`: the version visible in the slot. `wanted` undefined: the memory is to be gone. */
export function compensate(
	present: Version | undefined,
	wanted: MemoryBody | undefined,
	{ namespace, id, slot }: MemoryNameAndSlot,
): Compensation {
	const target = { namespace, id, ifVersion: present?.versionId ?? 0n };
	if (wanted === undefined) {
		if (present === undefined) return { type: "nothing" };
		return write("remove", { kind: "delete", ...target });
	}
	if (present?.contentHash === bodyHash({ namespace, id }, wanted)) return { type: "nothing" };
	const { expiresAtBlock } = wanted;
	if (expiresAtBlock !== undefined && expiresAtBlock <= slot) {
		return { type: "expired", expiresAtBlock };
	}
	if (present === undefined) return write("add", { kind: "put", ...target, body: wanted });
	if (present.layer === wanted.layer) {
		return write("change", { kind: "put", ...target, body: wanted });
	}
	const again = { ...target, ifVersion: 0n };
	return write("change", { kind: "delete", ...target }, { kind: "put", ...again, body: wanted });
}

/** What a version says, as a put states it. `vector`: the one that was given with it, if one was. */
export function bodyOf(
	version: Version & { readonly content: MemoryBody["content"] },
	vector: readonly number[] | undefined,
): MemoryBody {
	return {
		layer: version.layer,
		content: version.content,
		text: version.text,
		vector,
		collection: version.collection,
		importance: version.importance,
		confidence: version.confidence,
		expiresAtBlock: version.expiresBlock,
		expiresAtTime: version.expiresTime,
	};
}

/** Hash of the version that a put of this body makes. */
export function bodyHash(
	name: { readonly namespace: string; readonly id: string },
	body: MemoryBody,
	owner: Owner = "agent",
): Hex {
	return contentHash({
		...name,
		layer: body.layer,
		owner,
		content: body.content,
		text: body.text,
		collection: body.collection,
		importance: body.importance,
		confidence: body.confidence,
		vectorHash: body.vector === undefined ? undefined : givenVectorHash(body.vector),
		expiresBlock: body.expiresAtBlock,
		expiresTime: body.expiresAtTime,
	});
}

function write(change: Change, ...operations: readonly Operation[]): Compensation {
	return { type: "write", change, operations };
}
