/**
 * Postgres array literals. The hot statements take whole columns as arrays (`unnest`), and a text
 * literal is the one form that needs no type look-up by the driver.
 */
type Element = string | bigint | number | boolean | Uint8Array | null | undefined;

const ESCAPED = /[\\"]/;

/** `{…}` with every element quoted as its type needs; undefined and null become NULL. */
export function pgArray(values: readonly Element[]): string {
	let out = "{";
	for (let index = 0; index < values.length; index += 1) {
		if (index > 0) out += ",";
		out += literal(values[index]);
	}
	return `${out}}`;
}

function literal(value: Element): string {
	if (value === undefined || value === null) return "NULL";
	if (typeof value === "string") return quote(value);
	if (typeof value === "boolean") return value ? "t" : "f";
	if (value instanceof Uint8Array)
		return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}"`;
	return value.toString();
}

function quote(value: string): string {
	if (!ESCAPED.test(value)) return `"${value}"`;
	return `"${value.replace(/[\\"]/g, "\\$&")}"`;
}
