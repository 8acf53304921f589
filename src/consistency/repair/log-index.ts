/**
 * What one reading of the log says beforehand: whose the wanted versions are, where blocks were sealed, and
 * for which memories the log can be believed.
 */
import type { BlockHeader } from "../../domain/block.ts";
import type {
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../../domain/ids.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type { StoredState } from "../stored-state.ts";
import { type GroupEvent, type LogEvent, logEvents } from "./log-events.ts";

/** A sealed block as the log has it: what its checkpoint says, but roots and pointers. */
export interface SealedPlace {
	readonly height: Height;
	readonly generation: Generation;
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	/** Undefined for the last block of a group, whose header the log does not hold. */
	readonly header: BlockHeader | undefined;
}

export interface Wanted {
	readonly versionIds: ReadonlySet<VersionId>;
	readonly heights: ReadonlySet<Height>;
}

export class LogIndex {
	/** Memories that wrote the wanted versions, as far as no group did. */
	readonly keys = new Map<VersionId, MemoryKey>();
	readonly sealed = new Map<Height, SealedPlace[]>();
	/** Position of the last group; undefined: there is none. */
	lastGroup: LogPosition | undefined;
	/** What is wrong with the log as a whole; undefined: it is all there, up to single entries. */
	#broken: string | undefined;
	readonly #damaged = new Map<MemoryKey, string>();

	static async read(state: StoredState, wanted: Wanted): Promise<LogIndex> {
		const index = new LogIndex();
		for await (const event of logEvents(state)) index.#take(event, wanted);
		return index;
	}

	/** Why the log cannot say what a memory was; undefined: it can. */
	flawFor(key: MemoryKey): string | undefined {
		return this.#broken ?? this.#damaged.get(key);
	}

	/** Whether every entry is there and whole, so that what it does not name was never written. */
	get isWhole(): boolean {
		return this.#broken === undefined && this.#damaged.size === 0;
	}

	#take(event: LogEvent, { versionIds, heights }: Wanted): void {
		if (event.type === "flaw") this.#flaw(event);
		else if (event.type === "block") {
			if (heights.has(event.height)) this.#seal(ofBlock(event));
		} else if (event.type === "group") {
			this.lastGroup = event.entry.position;
			if (heights.has(event.to)) this.#seal(ofGroup(event));
			// Block 0 is at an interval, and holds no logs.
			if (event.from === 0n && event.to > 0n && heights.has(0n)) this.#seal(ofGenesis(event));
		} else if (versionIds.has(event.versionId) && event.entry.memoryKey !== undefined) {
			this.keys.set(event.versionId, event.entry.memoryKey);
		}
	}

	#flaw({ memories, what }: Extract<LogEvent, { readonly type: "flaw" }>): void {
		if (memories === undefined) this.#broken ??= what;
		for (const key of memories ?? []) this.#damaged.set(key, what);
	}

	#seal(place: SealedPlace): void {
		this.sealed.set(place.height, [...(this.sealed.get(place.height) ?? []), place]);
	}
}

function ofBlock(event: Extract<LogEvent, { readonly type: "block" }>): SealedPlace {
	const { position: logPosition, generation, height, body, versionId } = event;
	return { height, generation, logPosition, versionId, header: headerIn(height, body) };
}

function ofGroup(event: GroupEvent): SealedPlace {
	const { entry, to: height, versionId } = event;
	return {
		height,
		generation: entry.generation,
		logPosition: entry.position,
		versionId,
		header: undefined,
	};
}

function ofGenesis({ entry, base }: GroupEvent): SealedPlace {
	return {
		height: 0n,
		generation: entry.generation,
		logPosition: base.position,
		versionId: base.versionId,
		header: undefined,
	};
}

function headerIn(number: Height, body: JsonObject): BlockHeader | undefined {
	const { hash, parentHash, timestamp } = body;
	if (!isHash(hash) || !isHash(parentHash) || typeof timestamp !== "string") return undefined;
	return { number, hash, parentHash, timestamp: BigInt(timestamp) };
}

function isHash(value: unknown): value is Hex {
	return typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value);
}
