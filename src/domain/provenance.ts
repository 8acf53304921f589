/** What an operation rests on, beside its anchors, and what becomes of it when that is gone. */
import type { Hex } from "./ids.ts";

/**
 * A version of a memory, known by what it says. It holds where the memory said so in the history that
 * is believed: also when it says something else by now.
 */
export interface SourceRef {
	readonly namespace: string;
	readonly id: string;
	/** SHA-256 of the canonical encoding, as reads give it. */
	readonly contentHash: Hex;
}

/** Alternatives of sets: one set whose members all hold is enough. Empty: derived from nothing. */
export type Sources = readonly (readonly SourceRef[])[];

export const NO_SOURCES: Sources = [];

/**
 * recant: withdrawn until it holds again. flag: kept, and marked suspect until it holds again. keep:
 * kept as it is.
 */
export const LOSS_POLICIES = ["recant", "flag", "keep"] as const;
export type LossPolicy = (typeof LOSS_POLICIES)[number];

/** How far what a version rests on is out of a fork's reach; see finalityOf in memory/grounds.ts. */
export const FINALITIES = ["pending", "latest", "safe", "finalized"] as const;
export type Finality = (typeof FINALITIES)[number];
