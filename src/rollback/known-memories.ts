/**
 * What a lease holder knows of handlers' memories without asking: a fork takes back what was written above its
 * ancestor, and of all the rest the newest version is the ancestor's too.
 */
import type { Generation, MemoryKey } from "../domain/ids.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { HandlerVersion } from "./branch-deriver.ts";

/** The state that is known: no other has its log position. */
export type KnownState = Pick<ChainState, "generation" | "fence" | "logPosition">;

/** What is known of a memory: its newest version, undefined inside where there is none. */
export interface KnownVersion {
	readonly version: HandlerVersion | undefined;
}

/** Undefined: it has to be read. */
export type ReadKnown = (key: MemoryKey) => KnownVersion | undefined;

export interface KnownMemories {
	/** Undefined where another state is known. Good until the next commit. */
	in(state: KnownState): ReadKnown | undefined;
	/** A rollback from that generation was committed on top of what is known. It changed these and no others. */
	changed(from: Generation, keys: readonly MemoryKey[]): void;
}
