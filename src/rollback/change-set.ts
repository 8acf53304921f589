/**
 * A prepared change set as text: what the commit merges is read back from Postgres, whoever prepared
 * it. Bigints carry an `n`, vectors an `f` and base64 of little-endian float32.
 */

import type { LeafChange } from "../commitment/leaf-changes.ts";
import { FatalError } from "../domain/errors.ts";
import type { Shadow } from "../restore/shadow-store.ts";
import type { Checkpoint, UnrootedBatch, VectorPointers } from "../writer/commit-batch.ts";
import type { Part } from "./rollback-store.ts";

/** Characters of one part: far below what one Postgres value may hold, and few rows all the same. */
const PART_CHARACTERS = 4_000_000;

export interface ChangeSet {
	readonly batch: UnrootedBatch;
	/**
	 * How the state tree goes back to the ancestor, and the roots that it must have there. `changes`
	 * undefined: it becomes the shadow's.
	 */
	readonly back: {
		readonly checkpoint: Pick<Checkpoint, "height" | "roots">;
		readonly changes: readonly LeafChange[] | undefined;
	};
	/** The ancestor's state where it was restored; undefined: it was rewound to. */
	readonly shadow: Pick<Shadow, "shadowId" | "height"> | undefined;
	/** Where each collection goes back to. */
	readonly pointers: VectorPointers;
	/** JSON. */
	readonly report: string;
}

export function encodeChangeSet(changes: ChangeSet): readonly Part[] {
	const text = JSON.stringify(changes, (_key, value: unknown) => encodeValue(value));
	const parts: Part[] = [];
	for (let start = 0; start < text.length; start += PART_CHARACTERS) {
		parts.push({
			part: "changes",
			seq: parts.length,
			body: text.slice(start, start + PART_CHARACTERS),
		});
	}
	return parts;
}

/** Reads what `encodeChangeSet` wrote. Throws `FatalError("rollback_failed")` when parts are missing. */
export function decodeChangeSet(parts: readonly Part[]): ChangeSet {
	const ordered = parts.toSorted((a, b) => a.seq - b.seq);
	const whole = ordered.every((part, index) => part.seq === index);
	try {
		if (!whole || ordered.length === 0) throw new SyntaxError("a part is missing");
		// A walk of our own: JSON.parse with a reviver takes four times as long.
		return decodeValue(JSON.parse(ordered.map((part) => part.body).join(""))) as ChangeSet;
	} catch (error) {
		throw new FatalError("rollback_failed", {
			message: `the prepared change set cannot be read (${parts.length} parts)`,
			hint: "the rollback is prepared again; if this goes on, check the database for damage",
			cause: error,
		});
	}
}

/** n: a bigint. f: a vector. j: JSON of an object that only looks like one of these. */
interface Wrapped {
	readonly $: "n" | "f" | "j";
	readonly v: string;
}

function encodeValue(value: unknown): unknown {
	if (typeof value === "bigint") return { $: "n", v: value.toString() } satisfies Wrapped;
	if (value instanceof Float32Array) {
		const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
		return { $: "f", v: bytes.toString("base64") } satisfies Wrapped;
	}
	// Contents of memories come as JSON too, and an agent may write anything.
	if (isWrapped(value)) return { $: "j", v: JSON.stringify(value) } satisfies Wrapped;
	return value;
}

/** In place. Contents are at most LIMITS.contentDepth deep, so it may recurse. */
function decodeValue(value: unknown): unknown {
	if (typeof value !== "object" || value === null) return value;
	if (isWrapped(value)) return unwrapped(value);
	const fields = value as Record<string, unknown>;
	for (const key of Object.keys(fields)) {
		const item = fields[key];
		if (typeof item === "object") fields[key] = decodeValue(item);
	}
	return value;
}

function unwrapped({ $, v }: Wrapped): unknown {
	switch ($) {
		case "n":
			return BigInt(v);
		case "f":
			return new Float32Array(Uint8Array.from(Buffer.from(v, "base64")).buffer);
		case "j":
			return JSON.parse(v);
	}
}

function isWrapped(value: unknown): value is Wrapped {
	if (typeof value !== "object" || value === null || !Object.hasOwn(value, "$")) return false;
	const { $, v, ...more } = value as Partial<Wrapped>;
	const known = $ === "n" || $ === "f" || $ === "j";
	return known && typeof v === "string" && Object.keys(more).length === 0;
}
