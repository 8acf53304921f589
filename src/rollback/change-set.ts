/**
 * A prepared change set as text: what the commit merges is read back from Postgres, whoever prepared
 * it. Bigints carry an `n`, vectors an `f` and base64 of little-endian float32.
 *
 * Long lists stand in parts of their own, a few megabytes each, and others have their turn between two
 * parts: the largest change set is more than one string may hold, and takes seconds, in which a process that
 * stood still would lose its claims and its lease.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import type { LeafChange } from "../commitment/leaf-changes.ts";
import { FatalError } from "../domain/errors.ts";
import type { Shadow } from "../restore/shadow-store.ts";
import type { Checkpoint, UnrootedBatch, VectorPointers } from "../writer/commit-batch.ts";
import type { Part } from "./rollback-store.ts";

/** Characters of one part: far below what one Postgres value may hold, and few rows all the same. */
const PART_CHARACTERS = 4_000_000;
/** Part that holds everything but the long lists. */
const HEAD = "changes";
/** A list of fewer items stands with the rest: most rollbacks are one part. */
const LIST_LEAST = 512;
/** Where long lists may be. */
const OUTLINED: ReadonlySet<string> = new Set(["", "/batch", "/batch/changes", "/back"]);

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

/** A list that stands in parts of its own. */
class Outsourced {
	readonly name: string;
	readonly items: readonly unknown[];

	constructor(name: string, items: readonly unknown[]) {
		this.name = name;
		this.items = items;
	}
}

export async function encodeChangeSet(changes: ChangeSet): Promise<readonly Part[]> {
	const lists: Outsourced[] = [];
	const head = encoded(outlined(changes, "", lists));
	const parts: Part[] = [];
	for (const body of slices(head)) parts.push({ part: HEAD, seq: parts.length, body });
	for (const list of lists) {
		let seq = 0;
		for (const body of pieces(list.items)) {
			parts.push({ part: list.name, seq, body });
			seq += 1;
			await nextTurn();
		}
	}
	return parts;
}

/** With its long lists taken out. */
function outlined(value: unknown, path: string, lists: Outsourced[]): unknown {
	if (Array.isArray(value)) {
		if (value.length < LIST_LEAST) return value;
		const list = new Outsourced(path, value);
		lists.push(list);
		return list;
	}
	const isBranch = typeof value === "object" && value !== null && OUTLINED.has(path);
	if (!isBranch) return value;
	return Object.fromEntries(
		Object.entries(value).map(([name, item]) => [name, outlined(item, `${path}/${name}`, lists)]),
	);
}

/** Never cut within a surrogate pair: half of one is no text, and would be stored as another character. */
function* slices(text: string): Generator<string> {
	let start = 0;
	while (start < text.length) {
		const last = text.charCodeAt(start + PART_CHARACTERS - 1);
		const isHalf = last >= 0xd800 && last <= 0xdbff;
		const end = start + PART_CHARACTERS - (isHalf ? 1 : 0);
		yield text.slice(start, end);
		start = end;
	}
}

/** Arrays as JSON, each as full as a part may be; an item that is larger is alone. */
function* pieces(items: readonly unknown[]): Generator<string> {
	let piece: string[] = [];
	let characters = 0;
	for (const item of items) {
		const text = encoded(item);
		if (piece.length > 0 && characters + text.length > PART_CHARACTERS) {
			yield `[${piece.join(",")}]`;
			piece = [];
			characters = 0;
		}
		piece.push(text);
		characters += text.length + 1;
	}
	yield `[${piece.join(",")}]`;
}

function encoded(value: unknown): string {
	return JSON.stringify(value, (_key, each: unknown) => encodeValue(each));
}

/** Reads what `encodeChangeSet` wrote. Throws `FatalError("rollback_failed")` when parts are missing. */
export async function decodeChangeSet(parts: readonly Part[]): Promise<ChangeSet> {
	try {
		const named = Map.groupBy(
			parts.toSorted((a, b) => a.seq - b.seq),
			({ part }) => part,
		);
		const lists = new Map<string, readonly unknown[]>();
		for (const [name, list] of named) {
			if (!list.every((part, index) => part.seq === index)) throw new SyntaxError(MISSING);
			if (name !== HEAD) lists.set(name, await decodedList(list));
		}
		const head = named.get(HEAD);
		if (head === undefined) throw new SyntaxError(MISSING);
		// A walk of our own: JSON.parse with a reviver takes four times as long.
		return decodeValue(JSON.parse(head.map((part) => part.body).join("")), lists) as ChangeSet;
	} catch (error) {
		throw new FatalError("rollback_failed", {
			message: `the prepared change set cannot be read (${parts.length} parts)`,
			hint: "the rollback is prepared again; if this goes on, check the database for damage",
			cause: error,
		});
	}
}

async function decodedList(parts: readonly Part[]): Promise<readonly unknown[]> {
	const lists: unknown[][] = [];
	for (const { body } of parts) {
		lists.push(decodeValue(JSON.parse(body), NO_LISTS) as unknown[]);
		await nextTurn();
	}
	return lists.flat();
}

const NO_LISTS: ReadonlyMap<string, readonly unknown[]> = new Map();
const MISSING = "a part is missing";

/**
 * n: a bigint. f: a vector. l: a list of parts, `{length} {name}`. j: JSON of an object that only looks like
 * one of these.
 */
interface Wrapped {
	readonly $: "n" | "f" | "l" | "j";
	readonly v: string;
}

function encodeValue(value: unknown): unknown {
	if (typeof value === "bigint") return { $: "n", v: value.toString() } satisfies Wrapped;
	if (value instanceof Float32Array) {
		const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
		return { $: "f", v: bytes.toString("base64") } satisfies Wrapped;
	}
	if (value instanceof Outsourced) {
		return { $: "l", v: `${value.items.length} ${value.name}` } satisfies Wrapped;
	}
	// Contents of memories come as JSON too, and an agent may write anything.
	if (isWrapped(value)) return { $: "j", v: JSON.stringify(value) } satisfies Wrapped;
	return value;
}

/** In place. Contents are at most LIMITS.contentDepth deep, so it may recurse. */
function decodeValue(value: unknown, lists: ReadonlyMap<string, readonly unknown[]>): unknown {
	if (typeof value !== "object" || value === null) return value;
	if (isWrapped(value)) return unwrapped(value, lists);
	const fields = value as Record<string, unknown>;
	for (const key of Object.keys(fields)) {
		const item = fields[key];
		if (typeof item === "object") fields[key] = decodeValue(item, lists);
	}
	return value;
}

function unwrapped({ $, v }: Wrapped, lists: ReadonlyMap<string, readonly unknown[]>): unknown {
	switch ($) {
		case "n":
			return BigInt(v);
		case "f":
			return new Float32Array(Uint8Array.from(Buffer.from(v, "base64")).buffer);
		case "l":
			return listOf(v, lists);
		case "j":
			return JSON.parse(v);
	}
}

function listOf(v: string, lists: ReadonlyMap<string, readonly unknown[]>): readonly unknown[] {
	const [length, name = ""] = v.split(" ");
	const list = lists.get(name);
	if (list?.length !== Number(length)) throw new SyntaxError(MISSING);
	return list;
}

function isWrapped(value: unknown): value is Wrapped {
	if (typeof value !== "object" || value === null || !Object.hasOwn(value, "$")) return false;
	const { $, v, ...more } = value as Partial<Wrapped>;
	const known = $ === "n" || $ === "f" || $ === "l" || $ === "j";
	return known && typeof v === "string" && Object.keys(more).length === 0;
}
