/** Cursors of pages: opaque to callers, checked when they come back. */
import { FatalError } from "../domain/errors.ts";

type CursorFields = Readonly<Record<string, string | number>>;

export function encodeCursor(fields: CursorFields): string {
	return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** Fields of the names given, all strings or all there. Throws `FatalError("cursor_invalid")`. */
export function decodeCursor<Name extends string>(
	cursor: string,
	names: readonly Name[],
): Readonly<Record<Name, string>> {
	try {
		const fields = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown;
		if (typeof fields !== "object" || fields === null) throw new SyntaxError("not an object");
		const entries = names.map((name) => {
			const value: unknown = Object.getOwnPropertyDescriptor(fields, name)?.value;
			if (typeof value !== "string") throw new SyntaxError(`${name} is missing`);
			return [name, value] as const;
		});
		return Object.fromEntries(entries) as Record<Name, string>;
	} catch (error) {
		throw new FatalError("cursor_invalid", {
			message: "the cursor is not one that this route gave",
			hint: "begin again without a cursor",
			cause: error,
		});
	}
}

/** A whole number of a cursor. Throws `FatalError("cursor_invalid")`. */
export function cursorNumber(value: string): bigint {
	if (/^\d{1,19}$/.test(value)) return BigInt(value);
	throw new FatalError("cursor_invalid", {
		message: "the cursor is not one that this route gave",
		hint: "begin again without a cursor",
	});
}
