/** The blocks at which block time reaches given moments, in a range of which only some headers are read. */
import { RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import type { ChainSource } from "./chain-source.ts";

/**
 * For each time in seconds the first block of the range that is not older; times that the range does not
 * reach have none. Both bounds inclusive. Reads at most the logarithm of the range's length in headers a time.
 */
export async function heightsOfTimes(
	source: Pick<ChainSource, "blocksByNumber">,
	range: { readonly from: Height; readonly to: Height },
	times: readonly bigint[],
): Promise<readonly Height[]> {
	if (times.length === 0) return [];
	const known = new Map<Height, bigint>();
	const timeOf = async (height: Height): Promise<bigint> => {
		const before = known.get(height);
		if (before !== undefined) return before;
		const [block] = await source.blocksByNumber([height]);
		if (block === undefined) throw missing(height);
		known.set(height, block.timestamp);
		return block.timestamp;
	};
	const last = await timeOf(range.to);
	const heights: Height[] = [];
	for (const time of times) {
		if (time > last) continue;
		let [low, high] = [range.from, range.to];
		while (low < high) {
			const middle = (low + high) / 2n;
			if ((await timeOf(middle)) >= time) high = middle;
			else low = middle + 1n;
		}
		heights.push(low);
	}
	return heights;
}

function missing(height: Height): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the node has no block ${height}`,
		hint: "it is asked again; if this goes on, check the node",
		fields: { height: height.toString() },
	});
}
