/**
 * The span rules: how a version's place in (height × generation) changes when its memory is written
 * again and when the chain takes blocks back. Pure; the store applies the changes and decides nothing.
 *
 * A span is heights `[fromBlock, toBlock)` × generations `[fromGen, toGen)`. Its natural end is
 * `expiresBlock`, or FOREVER without one. These hold before and after every change:
 *
 * 1. No span is empty in either direction.
 * 2. No two spans of one memory overlap.
 * 3. What an older generation shows at a height never changes. So `toBlock` of a span is set in place
 *    only in the generation that began it; a span from an older one ends at the present generation
 *    (`toGen`), and a copy carries on from there.
 * 4. A span of the present generation whose `toBlock` is not its natural end was ended by a write at
 *    that very height, whose own span begins there; a deletion is a tombstone version with a span. So
 *    a rewind finds all that it must reopen through the spans that begin above the ancestor.
 *
 * A caller that breaks a precondition gets `FatalError("internal")`, and nothing is changed.
 */
import { FatalError } from "../domain/errors.ts";
import { FOREVER, type Generation, type Height } from "../domain/ids.ts";
import type { Span } from "../domain/memory.ts";

export type SpanChange =
	/** The span stays as it is. */
	| { readonly type: "keep" }
	/** Ends at this height (exclusive), in place. Only for a span of the present generation. */
	| { readonly type: "close_block"; readonly toBlock: Height }
	/** Ends at this generation (exclusive); `copy` carries it on from there, unless nothing is left. */
	| { readonly type: "close_gen"; readonly toGen: Generation; readonly copy: Span | undefined }
	/** The slot was written before in this generation: the later version takes over its row. */
	| { readonly type: "replace" };

const KEEP: SpanChange = { type: "keep" };

/** Where a version is written, and the height at which it is gone by itself (above `height`). */
export interface WriteAt {
	readonly height: Height;
	readonly generation: Generation;
	readonly expiresBlock: Height | undefined;
}

export interface Overwrite {
	/** What becomes of the span before; undefined when there was none. */
	readonly closed: SpanChange | undefined;
	/** The span of the version that is written. */
	readonly inserted: Span;
}

/**
 * A version is written at `at`, over `open`: the span of the present generation (`toGen` FOREVER)
 * with the greatest `fromBlock`, whether or not it still holds at that height, or undefined when the
 * memory has none. Heights of writes never fall within a generation.
 */
export function overwrite(open: Span | undefined, at: WriteAt): Overwrite {
	const inserted = spanFrom(at.height, at.generation, at.expiresBlock);
	if (inserted.toBlock <= at.height) throw broken("a version would end before it begins", at);
	return { closed: open === undefined ? undefined : close(open, at), inserted };
}

function close(open: Span, at: WriteAt): SpanChange {
	requirePresent(open, at.generation);
	if (at.height < open.fromBlock) throw broken("a write would go back in height", at, open);
	if (open.toBlock <= at.height) return closedByItself(open, at);
	if (open.fromGen === at.generation) {
		if (open.fromBlock === at.height) return { type: "replace" };
		return { type: "close_block", toBlock: at.height };
	}
	return { type: "close_gen", toGen: at.generation, copy: copyUpTo(open, at) };
}

/** Only expiry ends the last span of a memory; anything else would have left a later one. */
function closedByItself(open: Span, at: WriteAt): SpanChange {
	if (open.toBlock !== naturalEnd(open))
		throw broken("the last span was ended by a write", at, open);
	return KEEP;
}

function copyUpTo(open: Span, at: WriteAt): Span | undefined {
	if (open.fromBlock === at.height) return undefined;
	return { ...open, toBlock: at.height, fromGen: at.generation, toGen: FOREVER };
}

/**
 * The chain goes back to `ancestor` (the highest block that stays) in a new generation. For a span of
 * the present generation: what began above the ancestor ends; what was ended above it is reopened to
 * its natural end; all else stays, also what expires by itself above the ancestor.
 */
export function rewind(
	span: Span,
	to: { readonly ancestor: Height; readonly generation: Generation },
): SpanChange {
	requirePresent(span, to.generation);
	if (span.fromGen === to.generation) throw broken("a rewind needs a newer generation", to, span);
	const end = naturalEnd(span);
	if (span.fromBlock > to.ancestor) {
		return { type: "close_gen", toGen: to.generation, copy: undefined };
	}
	if (span.toBlock === end || span.toBlock <= to.ancestor) return KEEP;
	const copy = { ...span, toBlock: end, fromGen: to.generation };
	return { type: "close_gen", toGen: to.generation, copy };
}

export function visibleAt(
	span: Span,
	at: { readonly height: Height; readonly generation: Generation },
): boolean {
	return (
		span.fromBlock <= at.height &&
		at.height < span.toBlock &&
		span.fromGen <= at.generation &&
		at.generation < span.toGen
	);
}

function spanFrom(fromBlock: Height, fromGen: Generation, expiresBlock: Height | undefined): Span {
	return { fromBlock, toBlock: expiresBlock ?? FOREVER, fromGen, toGen: FOREVER, expiresBlock };
}

function naturalEnd(span: Span): Height {
	return span.expiresBlock ?? FOREVER;
}

function requirePresent(span: Span, generation: Generation): void {
	if (span.toGen !== FOREVER) throw broken("a span of an earlier generation was given", {}, span);
	if (span.fromGen > generation) {
		throw broken("a span of a later generation was given", { generation }, span);
	}
}

function broken(
	what: string,
	values: { readonly [name: string]: bigint | undefined } | WriteAt,
	span: Partial<Span> = {},
): FatalError {
	const named = Object.entries({ ...span, ...values }).map(([name, value]) => [name, `${value}`]);
	return new FatalError("internal", {
		message: `${what}: ${named.map(([name, value]) => `${name} ${value}`).join(", ")}`,
		hint: "this is a defect of Recant; please report it with the log",
		fields: Object.fromEntries(named),
	});
}
