import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonValue } from "../domain/operation.ts";
import { canonicalJson } from "./canonical.ts";

/**
 * A recorded output as it is kept: canonical JSON. Throws `FatalError("limit_exceeded")` past
 * LIMITS.resultBytes, `FatalError("invalid_request")` for what is not JSON.
 */
export function outputText(output: JsonValue): string {
	const text = canonicalJson(output);
	const bytes = Buffer.byteLength(text);
	if (bytes <= LIMITS.resultBytes) return text;
	throw new FatalError("limit_exceeded", {
		message: `the output has ${bytes} bytes of JSON, at most ${LIMITS.resultBytes} are taken`,
		hint: "keep large outputs in a store of their own, and record where they are",
		fields: { limit: "resultBytes", value: bytes, max: LIMITS.resultBytes },
	});
}
