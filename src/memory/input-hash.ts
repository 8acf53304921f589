import { hash } from "node:crypto";
import type { Hex } from "../domain/ids.ts";
import type { JsonValue } from "../domain/operation.ts";
import { canonicalJson } from "./canonical.ts";

/**
 * SHA-256 of a model's input as canonical JSON (RFC 8785), under which its result is recorded: any JSON
 * value, whatever the order of its keys. Throws `FatalError("invalid_request")` for what is not JSON.
 */
export function inputHashOf(input: JsonValue): Hex {
	return `0x${hash("sha256", canonicalJson(input))}`;
}
