/** What reading asks of the working memory. The adapter is cache/. */
import type { AnsweredAt } from "../../domain/coordinate.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { FinalityMarks } from "../../memory/grounds.ts";

export interface HotMemory {
	readonly at: AnsweredAt;
	/** As of the last commit. */
	readonly marks: FinalityMarks;
	readonly version: Version;
}

/** One entry as it is stored; `version` undefined: it cannot be read. */
export interface HotEntry {
	readonly memoryKey: MemoryKey;
	readonly version: Version | undefined;
}

export interface WorkingMemoryFigures {
	readonly backend: "process" | "redis";
	readonly entries: number;
	/** Reads that were answered from it, and that were not, since the start of the process. */
	readonly hits: number;
	readonly misses: number;
	/** How often everything in it was given up. */
	readonly resets: number;
}

export interface WorkingMemoryReader {
	/**
	 * The memory as Postgres has it now at `pending`, with its coordinate; undefined: ask Postgres. Never
	 * fails.
	 */
	read(chainId: ChainId, key: MemoryKey): Promise<HotMemory | undefined>;
	/** What Postgres answered at `pending`; kept if it is a short-term memory and still the present. */
	learned(at: AnsweredAt, version: Version): void;
	/** Everything that could be answered from it now; none while this process does not write the chain. */
	entries(chainId: ChainId): AsyncIterable<HotEntry>;
	/** Forgets one memory; it is read from Postgres from here on. */
	drop(chainId: ChainId, key: MemoryKey): Promise<void>;
	figures(): WorkingMemoryFigures;
}
