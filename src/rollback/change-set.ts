/**
 * A prepared change set as text: what the commit merges is read back from Postgres, whoever prepared
 * it. Bigints carry an `n`, vectors are base64 of little-endian float32.
 */
import { FatalError } from "../domain/errors.ts";
import type { CommitBatch } from "../writer/commit-batch.ts";
import type { Part } from "./rollback-store.ts";

/** Characters of one part: far below what one Postgres value may hold, and few rows all the same. */
const PART_CHARACTERS = 4_000_000;

export interface ChangeSet {
	readonly batch: CommitBatch;
	/** Where each collection goes back to. */
	readonly pointers: CommitBatch["checkpoints"][number]["pointers"];
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
		return JSON.parse(ordered.map((part) => part.body).join(""), (_key, value: unknown) =>
			decodeValue(value),
		) as ChangeSet;
	} catch (error) {
		throw new FatalError("rollback_failed", {
			message: `the prepared change set cannot be read (${parts.length} parts)`,
			hint: "the rollback is prepared again; if this goes on, check the database for damage",
			cause: error,
		});
	}
}

interface Wrapped {
	readonly $: "n" | "f";
	readonly v: string;
}

function encodeValue(value: unknown): unknown {
	if (typeof value === "bigint") return { $: "n", v: value.toString() } satisfies Wrapped;
	if (value instanceof Float32Array) {
		const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
		return { $: "f", v: bytes.toString("base64") } satisfies Wrapped;
	}
	return value;
}

function decodeValue(value: unknown): unknown {
	if (!isWrapped(value)) return value;
	if (value.$ === "n") return BigInt(value.v);
	return new Float32Array(Uint8Array.from(Buffer.from(value.v, "base64")).buffer);
}

/** Contents of memories come as JSON too; only an object of exactly this shape is ours. */
function isWrapped(value: unknown): value is Wrapped {
	if (typeof value !== "object" || value === null) return false;
	const keys = Object.keys(value);
	return (
		keys.length === 2 &&
		"$" in value &&
		"v" in value &&
		typeof value.v === "string" &&
		(value.$ === "n" || value.$ === "f")
	);
}
