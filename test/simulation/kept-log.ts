/** The log as judges need it where it is cut meanwhile. */
import type { LogEntry } from "../../src/writer/commit-batch.ts";
import type { RunReads } from "./run-reads.ts";

export interface KeptLog extends RunReads {
	/** To be called before anything is cut. */
	look(): Promise<void>;
}

/** Tells of entries that were cut, too. */
export function keepingCutLog(reads: RunReads): KeptLog {
	const known: LogEntry[] = [];
	const look = async () => {
		known.push(...(await reads.log(known.at(-1)?.position ?? 0n)));
	};
	return {
		...reads,
		look,
		log: async (after) => {
			await look();
			return known.filter(({ position }) => position > after);
		},
	};
}
