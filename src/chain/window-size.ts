/** How many blocks a chain's header window may hold, see finality.ts. */
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";

/** As it is kept with the chain, so that all who look at it mean the same. */
export interface WindowSize {
	/** Cap of the window; LIMITS.windowBlocks to LIMITS.windowMostBlocks. */
	readonly windowBlocks: number;
	/**
	 * Lowest height that it may reach down to: what lies below was out of the window before the cap was raised,
	 * and has no checkpoints any more. 0: nothing was.
	 */
	readonly windowFrom: Height;
}

/** Of a chain whose cap is the least one. */
export const LEAST_WINDOW: WindowSize = { windowBlocks: LIMITS.windowBlocks, windowFrom: 0n };

/** The cap for a chain of that block time, in milliseconds; not below the depth at which its blocks are final. */
export function windowBlocksFor(chain: {
	readonly blockTimeMs: number;
	readonly finalityDepthBlocks: number;
}): number {
	const wanted = Math.max(
		LIMITS.windowBlocks,
		Math.ceil(LIMITS.windowMs / chain.blockTimeMs),
		chain.finalityDepthBlocks,
	);
	return Math.min(LIMITS.windowMostBlocks, wanted);
}
