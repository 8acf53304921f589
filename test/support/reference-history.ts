/**
 * The history that the reference model believes, as one plain list in the order of writing. Every
 * question is a search through the whole of it. Shares no code with Recant.
 */
import { createHash } from "node:crypto";
import { naiveEncoding } from "./naive-memory.ts";

export type Json =
	| null
	| boolean
	| number
	| string
	| readonly Json[]
	| { readonly [key: string]: Json };

/** What a version says. */
export interface Says {
	readonly layer: string;
	readonly content: Readonly<Record<string, Json>>;
	readonly text?: string | undefined;
	/** Of the caller's own. */
	readonly vector?: readonly number[] | undefined;
	readonly importance?: number | undefined;
	readonly confidence?: number | undefined;
	/** First height at which it is gone. */
	readonly expiresAtBlock?: bigint | undefined;
	/** Gone from the first sealed block whose timestamp is not below it; seconds. */
	readonly expiresAtTime?: bigint | undefined;
}

export interface MemoryName {
	readonly namespace: string;
	readonly id: string;
}

/** What happened to one memory in one slot. */
export interface Happening extends MemoryName {
	readonly slot: bigint;
	readonly owner: "handler" | "agent";
	/** Undefined: it is gone from here on. */
	readonly says: Says | undefined;
	readonly suspect: boolean;
	/** Highest block that it rests on; none: on no block. lost: its ground is gone, so nothing is said. */
	readonly grounds: bigint | "none" | "lost";
	/** Of an agent's memory: who wrote it, in the order of first writing. Handlers': -1. */
	readonly order: number;
	/** Whose words it has: of the put and the patches on it, in that order. */
	readonly by: readonly number[];
}

export type History = readonly Happening[];

export function nameOf({ namespace, id }: MemoryName): string {
	return `${namespace}/${id}`;
}

export function isSame(a: MemoryName, b: MemoryName): boolean {
	return a.namespace === b.namespace && a.id === b.id;
}

/** As reads give it; with a vector of the caller's own one that only tells apart. */
export function hashOf(name: MemoryName, owner: Happening["owner"], says: Says): `0x${string}` {
	const { layer, content, text, importance, confidence, expiresAtBlock, expiresAtTime } = says;
	const bytes = naiveEncoding({
		...{ namespace: name.namespace, id: name.id, layer, owner, content },
		...(text === undefined ? {} : { text, collection: "default" }),
		...(importance === undefined ? {} : { importance }),
		...(confidence === undefined ? {} : { confidence }),
		...(expiresAtBlock === undefined ? {} : { expiresAtBlock: `${expiresAtBlock}` }),
		...(expiresAtTime === undefined ? {} : { expiresAtTime: `${expiresAtTime}` }),
	});
	const hash = createHash("sha256").update(bytes);
	if (says.vector !== undefined) hash.update(JSON.stringify(says.vector));
	return `0x${hash.digest("hex")}`;
}

/** Undefined: nothing was ever said of it. */
export function lastOf(history: History, name: MemoryName): Happening | undefined {
	return history.findLast((each) => isSame(each, name));
}

/** What is there in a slot; what is above the slot counts as not happened yet. */
export function visibleIn(
	history: History,
	name: MemoryName,
	slot: bigint,
): (Happening & { readonly says: Says }) | undefined {
	const last = history.findLast((each) => isSame(each, name) && each.slot <= slot);
	const says = last?.says;
	if (last === undefined || says === undefined || isOver(says, slot)) return undefined;
	return { ...last, says };
}

export function isOver(says: Says | undefined, slot: bigint): boolean {
	return says?.expiresAtBlock !== undefined && says.expiresAtBlock <= slot;
}

export function allVisibleIn(
	history: History,
	slot: bigint,
): readonly (Happening & { readonly says: Says })[] {
	const names = new Map(history.map((each) => [nameOf(each), each]));
	return [...names.values()].flatMap((each) => visibleIn(history, each, slot) ?? []);
}

/** On what is only kept nothing can be built. */
export function higherGrounds(
	a: Happening["grounds"],
	b: Happening["grounds"],
): Happening["grounds"] {
	if (a === "lost" || b === "lost") return "lost";
	if (a === "none" || b === "none") return a === "none" ? b : a;
	return a > b ? a : b;
}

/** A slot that is written twice keeps the later version. */
export function isKept(history: History, one: Happening): boolean {
	const sameSlot = history.filter((each) => isSame(each, one) && each.slot === one.slot);
	return sameSlot.at(-1) === one;
}
