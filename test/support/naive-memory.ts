/**
 * The canonical encoding of a memory as docs/STATE-TREE.md defines it, word by word. It imports nothing
 * of what it judges.
 */
import { hex, naiveSha256, unhex } from "./naive-state-tree.ts";

/** A memory as a proof holds it. */
export interface NaiveMemory {
	readonly namespace: string;
	readonly id: string;
	readonly layer: string;
	readonly owner: string;
	readonly content: object;
	readonly text?: string;
	readonly collection?: string;
	readonly importance?: number;
	readonly confidence?: number;
	readonly expiresAtBlock?: string;
	readonly expiresAtTime?: string;
	readonly vectorHash?: string;
}

/** RFC 8785: ECMAScript prints numbers and strings already as it asks for. */
function canonical(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
	if (value === null || typeof value !== "object") return JSON.stringify(value);
	const members = new Map(Object.entries(value));
	const names = [...members.keys()].sort();
	return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(members.get(name))}`)}}`;
}

function encoded(tag: string, fields: readonly (string | Buffer | undefined)[]): Buffer {
	const parts = fields.map((field) => {
		if (field === undefined) return Buffer.of(0);
		const bytes = Buffer.from(field);
		const length = bytes.length.toString(16).padStart(8, "0");
		return Buffer.concat([Buffer.of(1), Buffer.from(length, "hex"), bytes]);
	});
	return Buffer.concat([Buffer.from(`${tag}\0`), ...parts]);
}

/** Input of the content hash. */
export function naiveEncoding(memory: NaiveMemory): Buffer {
	const number = (value: number | undefined) =>
		value === undefined ? undefined : JSON.stringify(value);
	return encoded("recant.memory.v1", [
		memory.namespace,
		memory.id,
		memory.layer,
		memory.owner,
		canonical(memory.content),
		memory.text,
		memory.collection,
		number(memory.importance),
		number(memory.confidence),
		memory.expiresAtTime === undefined ? memory.expiresAtBlock : `@${memory.expiresAtTime}`,
		memory.vectorHash === undefined ? undefined : unhex(memory.vectorHash),
	]);
}

export function naiveContentHash(memory: NaiveMemory): string {
	return hex(naiveSha256(naiveEncoding(memory)));
}

export function naiveMemoryKey(namespace: string, id: string): string {
	const bytes = naiveSha256(encoded("recant.memory-key.v1", [namespace, id])).subarray(0, 16);
	return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
