import { hash } from "node:crypto";
import type { Hex } from "../domain/ids.ts";
import { unitVector } from "../ranking/unit-vector.ts";

/**
 * SHA-256 of a vector that an agent gave, as it is kept: at unit length, float32, little-endian. It is
 * part of what the memory says; a vector that is embedded from the text follows from the text.
 */
export function givenVectorHash(vector: readonly number[]): Hex {
	const unit = unitVector(vector);
	return `0x${hash("sha256", new Uint8Array(unit.buffer, unit.byteOffset, unit.byteLength))}`;
}
