/**
 * What may go wrong with an embedder that is not ours. Whoever writes or looks at the status sees it, so nothing
 * here carries the embedder's own words.
 */
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

/** As much of another's words as an error carries. */
const SAID_CHARACTERS = 300;

interface Circumstances {
	readonly status?: number | undefined;
	readonly retryAfterMs?: number | undefined;
	readonly cause?: unknown;
	readonly hint?: string;
}

/** It does not answer, or not now. */
export function embedderUnavailable(why: string, of: Circumstances = {}): RetryableError {
	const { status, retryAfterMs, cause } = of;
	return new RetryableError("embedder_unavailable", {
		message: `the embedder does not embed texts at the moment: ${said(why)}`,
		hint: of.hint ?? "try again later; /v1/status says how the embedder is doing",
		fields: {
			...(status === undefined ? {} : { embedderStatus: status }),
			...(retryAfterMs === undefined ? {} : { retryAfterMs }),
		},
		cause,
	});
}

/** The breaker is open; what went wrong last says so in our own words. */
export function embedderNotAsked(lastError: string): RetryableError {
	return new RetryableError("embedder_unavailable", {
		message: lastError,
		hint: "it is asked again every second; /v1/status says how the embedder is doing",
	});
}

/** Too many requests wait already. */
export function embedderBusy(): RetryableError {
	return embedderUnavailable(`${LIMITS.embedderRequestsWaiting} requests wait for it already`);
}

/** It answered with what are no embeddings of these texts. */
export function embedderInvalid(what: string, hint: string): RetryableError {
	return new RetryableError("embedder_invalid", {
		message: `the embedder's answer cannot be used: ${said(what)}`,
		hint,
	});
}

/** It does not take a text, whenever it is asked. */
export function embedderRefused(why: string, status: number | undefined): FatalError {
	return new FatalError("embedder_refused", {
		message: `the embedder does not take a text: ${said(why)}`,
		hint: "shorten the text to what the model takes, or give a vector of your own; the service's log has the start of the embedder's answer",
		fields: status === undefined ? {} : { embedderStatus: status },
	});
}

export function textTooLong(tokens: number, most: number): FatalError {
	return new FatalError("embedder_refused", {
		message: `a text has ${tokens} tokens; the model takes ${most}`,
		hint: "shorten the text, or give a vector of your own",
		fields: { tokens, most },
	});
}

/** One line, without control characters, and not without an end. */
function said(text: string): string {
	const line = text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim();
	return line.length > SAID_CHARACTERS ? `${line.slice(0, SAID_CHARACTERS)}…` : line;
}
