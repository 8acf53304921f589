/** What a memory rests on that a rule of consolidation made. Pure. */
import type { Version } from "../domain/memory.ts";
import { type Ground, type Held, highest } from "../memory/ground.ts";
import { RESTS_ON_NOTHING, type Rests } from "./log-draft.ts";

/**
 * A rule goes on naming members that have ended since. What they rested on, only the memory as it was made
 * before can tell: it is all that is known of them. `before` undefined: it is made for the first time.
 */
export function restsOfConsolidated(
	ground: Ground,
	members: readonly (Held | undefined)[],
	before: Version | undefined,
): Rests {
	if (ground.type === "holds") return { grounds: ground.grounds, suspect: ground.suspect };
	return [...members, before].reduce<Rests>(
		(all, each) => ({
			grounds: highest(all.grounds, each?.grounds),
			suspect: all.suspect || each?.suspect === true,
		}),
		RESTS_ON_NOTHING,
	);
}
