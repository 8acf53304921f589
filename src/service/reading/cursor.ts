/**
 * Cursors of pages: opaque to callers, checked when they come back. One that pins a coordinate is bound
 * to its query and its reader, so that nobody goes on with another's, nor with other filters.
 */
import { createHash } from "node:crypto";
import { FatalError } from "../../domain/errors.ts";
import { FOREVER } from "../../domain/ids.ts";

type CursorFields = Readonly<Record<string, string | number>>;

export function encodeCursor(fields: CursorFields): string {
	return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** Fields of the names given, all strings or all there. Throws `FatalError("cursor_invalid")`. */
export function decodeCursor<Name extends string>(
	cursor: string,
	names: readonly Name[],
): Readonly<Record<Name, string>> {
	const fields = parsed(cursor);
	const entries = names.map((name) => {
		const value: unknown = Object.getOwnPropertyDescriptor(fields, name)?.value;
		if (typeof value !== "string" || !isPlain(value)) throw cursorInvalid();
		return [name, value] as const;
	});
	return Object.fromEntries(entries) as Record<Name, string>;
}

/** Characters of a binding: 96 bits, which nobody meets by chance. */
const BINDING_LENGTH = 16;

/** What a cursor is bound to, as a field of it: everything that the next page must have in common. */
export function cursorBinding(
	parts: readonly (string | number | readonly string[] | undefined)[],
): string {
	const all = JSON.stringify(parts.map((part) => part ?? null));
	return createHash("sha256").update(all).digest("base64url").slice(0, BINDING_LENGTH);
}

/** Throws `FatalError("cursor_invalid")` for a cursor of another query or another reader. */
export function requireBinding(found: string, wanted: string): void {
	if (found === wanted) return;
	throw new FatalError("cursor_invalid", {
		message: "the cursor was given to another query, or to another API key",
		hint: "repeat the query that gave it, with the same key, or begin again without a cursor",
	});
}

/** A whole number of a cursor. Throws `FatalError("cursor_invalid")`. */
export function cursorNumber(value: string): bigint {
	const number = /^\d{1,19}$/.test(value) ? BigInt(value) : FOREVER;
	if (number < FOREVER) return number;
	throw cursorInvalid();
}

export function cursorInvalid(cause?: unknown): FatalError {
	return new FatalError("cursor_invalid", {
		message: "the cursor is not one that this route gave",
		hint: "begin again without a cursor",
		cause,
	});
}

function parsed(cursor: string): object {
	try {
		const fields: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
		if (typeof fields === "object" && fields !== null) return fields;
	} catch (cause) {
		throw cursorInvalid(cause);
	}
	throw cursorInvalid();
}

/** Postgres keeps neither NUL nor half a surrogate pair, so no cursor of ours holds one. */
function isPlain(value: string): boolean {
	return !value.includes("\u0000") && value.isWellFormed();
}
