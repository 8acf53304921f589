/**
 * What a provider's refusal of a log range says about the range that it would take.
 *
 * Seen: "eth_getLogs is limited to a 10,000 range", "You can make eth_getLogs requests with up to a 500 block
 * range", "range 1000000 exceeds limit of 10000", "block range is too wide (maximum 1024)", "up to a 2K block
 * range", "Try with this block range [0x1, 0x7fe]". A hint is only believed where it makes the range smaller.
 */
import type { Height } from "../domain/ids.ts";

/**
 * limit: as many blocks at once, whatever is in them. upTo: this range would do, as dense as its logs are.
 * Both in blocks, at least 1.
 */
export type RangeHint =
	| { readonly type: "limit"; readonly blocks: number }
	| { readonly type: "upTo"; readonly blocks: number };

interface Range {
	readonly from: Height;
	readonly to: Height;
}

const SUGGESTED = /\[\s*(0x[0-9a-f]{1,16}|\d{1,16})\s*,\s*(0x[0-9a-f]{1,16}|\d{1,16})\s*\]/i;
/** A number, its thousand, and what stands after it. */
const NUMBER = /(?<![\w.])(\d{1,3}(?:,\d{3})+|\d{1,9})(k)?(?![\w.]*\d)([^\d[]{0,16})/gi;
/** What is counted is no blocks. */
const OTHER_UNIT =
	/^[\s-]*(?:results?|logs?|entries|events?|records?|address|topics?|bytes?|[kmg]i?b\b|m?s\b|seconds?|minutes?|hours?|requests?|%)/i;
const BLOCKS_AFTER = /^[\s-]*(?:block|range)/i;
const LIMIT_BEFORE = /(?:limit|max|up to|than|over|exceed|most|allow|range|blocks)[^\d]{0,24}$/i;

/** Undefined where the refusal of `asked` says nothing that helps. */
export function readRangeHint(message: string, asked: Range): RangeHint | undefined {
	return suggested(message, asked) ?? limit(message, asked);
}

function suggested(message: string, { from, to }: Range): RangeHint | undefined {
	const [, first, last] = SUGGESTED.exec(message) ?? [];
	if (first === undefined || last === undefined || BigInt(first) !== from) return undefined;
	const end = BigInt(last);
	return end >= from && end < to ? { type: "upTo", blocks: Number(end - from) + 1 } : undefined;
}

/** The largest count of blocks that is named, other than that of what was asked for. */
function limit(message: string, { from, to }: Range): RangeHint | undefined {
	// Providers count the span or the blocks; either is repeated in the message.
	const span = Number(to - from);
	let most = 0;
	for (const { 0: text, 1: digits = "", 2: thousand, 3: after = "", index } of message.matchAll(
		NUMBER,
	)) {
		const blocks = Number(digits.replaceAll(",", "")) * (thousand === undefined ? 1 : 1_000);
		const before = message.slice(0, index);
		const isOfBlocks = BLOCKS_AFTER.test(after) || LIMIT_BEFORE.test(before);
		if (text === "" || OTHER_UNIT.test(after) || !isOfBlocks) continue;
		if (blocks >= 2 && blocks < span && blocks > most) most = blocks;
	}
	return most === 0 ? undefined : { type: "limit", blocks: most };
}
