/** How much memory a piece of work takes at its worst, as the system sees this process. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const LOOK_MS = 10;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

export interface Watched<Result> {
	readonly result: Result;
	readonly tookMs: number;
	/** Largest resident set during the work, less the one before it. Without Postgres. */
	readonly grownBytes: number;
	/**
	 * The same of the heap and what hangs on it, garbage included. It shrinks again after the work, so that
	 * runs in one process can be compared.
	 */
	readonly heapGrownBytes: number;
}

/** Looks every 10 ms, and whenever the work lets it. */
export async function watchMemory<Result>(work: () => Promise<Result>): Promise<Watched<Result>> {
	collectGarbage();
	const before = memoryNow();
	const most = { ...before };
	const look = () => {
		const now = memoryNow();
		most.rss = Math.max(most.rss, now.rss);
		most.heap = Math.max(most.heap, now.heap);
	};
	const timer = setInterval(look, LOOK_MS);
	const start = performance.now();
	try {
		const result = await work();
		const tookMs = performance.now() - start;
		look();
		const grownBytes = most.rss - before.rss;
		return { result, tookMs, grownBytes, heapGrownBytes: most.heap - before.heap };
	} finally {
		clearInterval(timer);
	}
}

function memoryNow(): { rss: number; heap: number } {
	const { rss, heapUsed, external } = process.memoryUsage();
	return { rss, heap: heapUsed + external };
}
