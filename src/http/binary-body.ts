/** Bodies that are bytes, and nothing but bytes. */
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { bodyBytes } from "./body-bytes.ts";

export const BINARY_TYPE = "application/octet-stream";

/** Throws `unsupported_media_type` and, as soon as there are more bytes, `body_too_large`. */
export async function readBinary(request: Request, limit: "chunkBytes"): Promise<Uint8Array> {
	requireBinary(request.headers.get("content-type"));
	return bodyBytes(request, LIMITS[limit], (sizeBytes) => tooLarge(sizeBytes, limit));
}

function requireBinary(contentType: string | null): void {
	if (contentType?.split(";")[0]?.trim().toLowerCase() === BINARY_TYPE) return;
	throw new FatalError("unsupported_media_type", {
		message: `the body's content type is ${contentType ?? "missing"}`,
		hint: `send the bytes with \`Content-Type: ${BINARY_TYPE}\``,
		fields: { contentType },
	});
}

function tooLarge(value: number, limit: "chunkBytes"): FatalError {
	return new FatalError("body_too_large", {
		message: `the body has at least ${value} bytes; at most ${LIMITS[limit]} are taken`,
		hint: "a chunk of a snapshot is never larger",
		fields: { limit, value, max: LIMITS[limit] },
	});
}
