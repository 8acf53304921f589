/**
 * Server-sent events of one client.
 *
 * 1. The next entry is asked for only when the client has taken the one before: a slow client's
 *    backlog stays where the events come from.
 * 2. Every entry of the log has an id that holds the position of all chains; progress has none, so
 *    that a client that resumes does not pass over an entry.
 * 3. However it ends (client gone, server closing, source failed), `onEnd` is called once.
 */
import type { ChainId, LogPosition } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { toWire } from "../domain/wire.ts";
import type { EventView } from "../service/recant-service.ts";
import { formatEventId } from "./event-position.ts";
import { problemOf } from "./problem.ts";

export interface EventStreamOptions {
	/** Begins to read; the signal aborts when the stream ends. */
	readonly open: (signal: AbortSignal) => AsyncIterable<EventView>;
	/** Where each chain starts. */
	readonly positions: ReadonlyMap<ChainId, LogPosition>;
	/** Ends the stream: the client is gone or the server closes. */
	readonly signals: readonly AbortSignal[];
	/** Called with the error when the source fails. */
	readonly onFailure: (error: unknown) => void;
	readonly onEnd: () => void;
	/** Silence before a comment is sent, LIMITS.eventHeartbeatMs unless a test says otherwise. */
	readonly heartbeatMs?: number;
}

/** Delay that clients are told to wait before they connect again. */
const RECONNECT_MS = 2_000;

export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
	const ended = new AbortController();
	const signal = AbortSignal.any([ended.signal, ...options.signals]);
	const end = () => {
		if (ended.signal.aborted) return;
		ended.abort();
		options.onEnd();
	};
	const frames = eventFrames(options, signal, end);
	const encoder = new TextEncoder();
	return new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				const frame = await frames.next();
				if (frame.done === true) controller.close();
				else controller.enqueue(encoder.encode(frame.value));
			},
			async cancel() {
				// A generator that has not begun does not run its `finally`.
				end();
				await frames.return();
			},
		},
		{ highWaterMark: 1 },
	);
}

async function* eventFrames(
	options: EventStreamOptions,
	signal: AbortSignal,
	end: () => void,
): AsyncGenerator<string, void, void> {
	const positions = new Map(options.positions);
	const heartbeatMs = options.heartbeatMs ?? LIMITS.eventHeartbeatMs;
	try {
		yield `retry: ${RECONNECT_MS}\n${idLine(positions)}\n`;
		const iterator = options.open(signal)[Symbol.asyncIterator]();
		let next = outcomeOf(iterator.next());
		while (!signal.aborted) {
			const outcome = await firstOf(next, heartbeatMs, signal);
			if (outcome.kind === "aborted") return;
			if (outcome.kind === "silence") yield ": still here\n\n";
			else if (outcome.kind === "failed") throw outcome.error;
			else if (outcome.result.done === true) return;
			else {
				yield frameOf(outcome.result.value, positions);
				next = outcomeOf(iterator.next());
			}
		}
	} catch (error) {
		if (signal.aborted) return;
		options.onFailure(error);
		yield `event: problem\ndata: ${JSON.stringify(problemOf(error))}\n\n`;
	} finally {
		end();
	}
}

type Outcome =
	| { readonly kind: "next"; readonly result: IteratorResult<EventView> }
	| { readonly kind: "failed"; readonly error: unknown };

/** Never rejects, so that an entry nobody waits for any more is no unhandled rejection. */
function outcomeOf(next: Promise<IteratorResult<EventView>>): Promise<Outcome> {
	return next.then(
		(result) => ({ kind: "next", result }),
		(error: unknown) => ({ kind: "failed", error }),
	);
}

/** The next entry, or `silence` after the heartbeat, or `aborted`. */
function firstOf(
	next: Promise<Outcome>,
	heartbeatMs: number,
	signal: AbortSignal,
): Promise<Outcome | { readonly kind: "silence" } | { readonly kind: "aborted" }> {
	return new Promise((resolve) => {
		const settle = (outcome: Parameters<typeof resolve>[0]) => {
			clearTimeout(timer);
			signal.removeEventListener("abort", onAbort);
			resolve(outcome);
		};
		const onAbort = () => settle({ kind: "aborted" });
		const timer = setTimeout(() => settle({ kind: "silence" }), heartbeatMs);
		signal.addEventListener("abort", onAbort);
		if (signal.aborted) onAbort();
		// `next` never rejects, see outcomeOf.
		void next.then(settle);
	});
}

function frameOf(event: EventView, positions: Map<ChainId, LogPosition>): string {
	const data = `event: ${event.type}\ndata: ${JSON.stringify(toWire(event))}\n`;
	if (event.position === undefined) return `${data}\n`;
	positions.set(event.chainId, event.position);
	return `${idLine(positions)}${data}\n`;
}

function idLine(positions: ReadonlyMap<ChainId, LogPosition>): string {
	return positions.size === 0 ? "" : `id: ${formatEventId(positions)}\n`;
}
