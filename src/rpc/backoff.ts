import { LIMITS } from "../domain/limits.ts";

const FIRST_MS = 250;
/** 250 ms · 2^6 is above the cap; a larger exponent would only overflow. */
const MAX_EXPONENT = 6;

/**
 * How long to wait after `failures` failures in a row (1 and more): doubling from 250 ms to
 * LIMITS.rpcBackoffMs, of which a random half is left out, so that clients of one node that failed
 * together do not come back together. `random` is in [0, 1).
 */
export function backoffMs(failures: number, random: number): number {
	const doubled = FIRST_MS * 2 ** Math.min(Math.max(failures - 1, 0), MAX_EXPONENT);
	return Math.min(doubled, LIMITS.rpcBackoffMs) * (0.5 + random / 2);
}
