import type { ChainId, Generation, Height, Hex, LogPosition } from "./ids.ts";

/** Where state is read: a chain, a height and a generation. */
export interface Coordinate {
	readonly chainId: ChainId;
	readonly height: Height;
	readonly generation: Generation;
}

/** The coordinate that an answer used, and how far the log had come. */
export interface AnsweredAt extends Coordinate {
	/** Undefined for the pending slot, and for heights whose header is not kept. */
	readonly blockHash: Hex | undefined;
	readonly logPosition: LogPosition;
	/** True for the slot over the committed head. */
	readonly pending: boolean;
	/** True: a later generation went back below that height, so that it is not what is believed now. */
	readonly rolledBack?: boolean | undefined;
}

/** What a caller may ask for. */
export type At =
	| { readonly kind: "tag"; readonly tag: "pending" | "latest" | "safe" | "finalized" }
	| { readonly kind: "height"; readonly height: Height }
	| { readonly kind: "hash"; readonly hash: Hex };

export interface AtRequest {
	readonly at: At;
	/** Picks a generation; undefined: the present one, or for an orphaned hash the last that held it. */
	readonly generation: Generation | undefined;
}

/** Versions that held at one of these heights, both inclusive, and in that generation; undefined: whichever. */
export interface HistoryRange {
	readonly from: Height | undefined;
	readonly to: Height | undefined;
	readonly generation: Generation | undefined;
}
