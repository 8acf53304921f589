/** Where one chain's hot copies lie: in this process or in Redis. */
import type { MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { HotEntry } from "../service/reading/working-memory-reader.ts";

export interface HotEntries {
	readonly size: number;
	/** Undefined: not there, or not to be had now. */
	get(key: MemoryKey): Version | undefined | Promise<Version | undefined>;
	/** Keeps these copies, if there is room and the store answers; nobody waits for it. */
	set(versions: readonly Version[]): void;
	/**
	 * Takes copies away. Undefined: they are gone. A promise: they are gone when it resolves; it resolves
	 * too when they could not be taken away one by one and everything was given up instead.
	 */
	delete(keys: readonly MemoryKey[]): Promise<void> | undefined;
	/** Nothing that was set until now is ever answered again, whatever becomes of it where it lies. */
	reset(): void;
	all(): AsyncIterable<HotEntry>;
	close(): Promise<void>;
}

/** Takes in what is kept of one chain; `onReset` is called when the store gave everything up by itself. */
export type OpenHotEntries = (chainId: number, onReset: () => void) => HotEntries;
