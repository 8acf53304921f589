/** Bodies that are bytes, and nothing but bytes. */
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export const BINARY_TYPE = "application/octet-stream";

/** Throws `unsupported_media_type` and, as soon as there are more bytes, `body_too_large`. */
export async function readBinary(request: Request, limit: "chunkBytes"): Promise<Uint8Array> {
	requireBinary(request.headers.get("content-type"));
	const max = LIMITS[limit];
	const declared = Number(request.headers.get("content-length") ?? 0);
	if (declared > max) throw tooLarge(declared, limit);
	const chunks: Uint8Array[] = [];
	let sizeBytes = 0;
	// Leaving the loop early cancels the stream, so the rest is not kept.
	for await (const chunk of request.body ?? []) {
		sizeBytes += chunk.byteLength;
		if (sizeBytes > max) throw tooLarge(sizeBytes, limit);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks, sizeBytes);
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
