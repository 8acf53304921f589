/** The order in which episodes happened: block, transaction, log, and then that of writing. */
import type { Version } from "../../domain/memory.ts";
import type { EpisodePlace } from "./graph-store.ts";

/**
 * Handlers run before agents write in a block's slot, by transaction and log, and number their versions as
 * they go; what an agent wrote keeps its position through every fork, and its version's number does not.
 */
export function episodePlace(version: Version): EpisodePlace {
	const { fromBlock, owner, versionId, position } = version;
	return { height: fromBlock, owner, sequence: owner === "handler" ? versionId : position };
}

/** Negative: `a` happened first. */
export function compareEpisodes(a: Version, b: Version): number {
	const [one, other] = [episodePlace(a), episodePlace(b)];
	if (one.height !== other.height) return one.height < other.height ? -1 : 1;
	if (one.owner !== other.owner) return one.owner === "handler" ? -1 : 1;
	if (one.sequence === other.sequence) return 0;
	return one.sequence < other.sequence ? -1 : 1;
}
