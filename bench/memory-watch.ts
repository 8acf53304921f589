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
}

/** Looks every 10 ms, and whenever the work lets it. */
export async function watchMemory<Result>(work: () => Promise<Result>): Promise<Watched<Result>> {
	collectGarbage();
	const before = process.memoryUsage.rss();
	let most = before;
	const look = () => {
		most = Math.max(most, process.memoryUsage.rss());
	};
	const timer = setInterval(look, LOOK_MS);
	const start = performance.now();
	try {
		const result = await work();
		const tookMs = performance.now() - start;
		look();
		return { result, tookMs, grownBytes: most - before };
	} finally {
		clearInterval(timer);
	}
}
