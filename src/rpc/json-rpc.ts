/**
 * JSON-RPC 2.0: calls, outcomes, and which answer belongs to which call.
 *
 * Answers are paired by id and never by position: a provider that drops one answer of a batch would
 * otherwise shift the others, and one block's empty list of logs would pass for another's.
 */
import type { Asked } from "./provider-error.ts";
import { malformed, ProviderError } from "./provider-error.ts";
import {
	isPruned,
	isRateLimit,
	isReverted,
	mayMeanTooLarge,
	retryAfterOf,
} from "./refusal-words.ts";

export interface RpcCall {
	readonly method: string;
	readonly params: readonly unknown[];
}

export type RpcOutcome =
	| { readonly kind: "result"; readonly value: unknown }
	| {
			readonly kind: "error";
			readonly code: number;
			readonly message: string;
			/** Whatever the node adds; of a reverted call what the contract answered. */
			readonly data: unknown;
	  };

/** One answer on the wire. */
export interface RpcAnswer {
	readonly id?: unknown;
	readonly result?: unknown;
	readonly error?: unknown;
	readonly method?: unknown;
	readonly params?: unknown;
}

type RpcFailure = Extract<RpcOutcome, { kind: "error" }>;

export function isObject(value: unknown): value is object {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isAnswer(value: unknown): value is RpcAnswer {
	return isObject(value);
}

/** Throws a malformed `ProviderError` when the answer has neither a result nor a well-formed error. */
export function readOutcome(answer: RpcAnswer, asked: Asked): RpcOutcome {
	const failure = readFailure(answer.error);
	if (failure !== undefined) return failure;
	if (answer.error !== undefined && answer.error !== null)
		throw malformed(asked, "an error without code and message");
	if (answer.result === undefined) throw malformed(asked, "neither result nor error");
	return { kind: "result", value: answer.result };
}

/** The outcome of a single call, which was sent with `id`. */
export function readSingle(answer: unknown, id: number, asked: Asked): RpcOutcome {
	if (!isAnswer(answer)) throw malformed(asked, "not a JSON-RPC object");
	const outcome = readOutcome(answer, asked);
	// A node that could not read the request answers an error whose id is null or missing.
	if (answer.id !== id && outcome.kind === "result") throw malformed(asked, "another call's id");
	return outcome;
}

/**
 * The outcomes of a batch whose calls were sent with the ids 0 to `count` - 1, in that order.
 * Throws a `ProviderError`: `batch_refused` when the provider refused the batch as a whole or cut
 * it short with an error, malformed when an answer is missing, doubled or not asked for.
 */
export function readBatch(answer: unknown, count: number, asked: Asked): readonly RpcOutcome[] {
	if (isAnswer(answer)) throw refusedBatch(answer.error, asked);
	if (!Array.isArray(answer)) throw malformed(asked, "not a JSON-RPC batch");
	const outcomes = new Map<unknown, RpcOutcome>();
	for (const entry of answer) {
		if (!isAnswer(entry)) throw malformed(asked, "not a JSON-RPC object in the batch");
		// Errors that name no call may be several.
		if (typeof entry.id === "number" && outcomes.has(entry.id))
			throw malformed(asked, "two answers for one call of the batch");
		outcomes.set(entry.id, readOutcome(entry, asked));
	}
	return Array.from({ length: count }, (_, id) => {
		const outcome = outcomes.get(id);
		if (outcome === undefined) throw missingAnswer(outcomes, asked);
		if (outcome.kind === "error" && BATCH_LIMIT.test(outcome.message))
			throw batchRefused(outcome, asked);
		return outcome;
	});
}

/** The result of a call; throws a `ProviderError` (refused, rate_limited, pruned) for an error. */
export function resultOf(outcome: RpcOutcome, asked: Asked): unknown {
	if (outcome.kind === "result") return outcome.value;
	throw refusal(outcome, asked);
}

/** What a JSON-RPC error means: the provider is busy, or the node does not answer this call. */
function refusal(failure: RpcFailure, asked: Asked): ProviderError {
	const { code, message } = failure;
	const what = `was answered with error ${code}: ${message}`;
	if (isRateLimit(failure)) {
		const retryAfterMs = retryAfterOf(failure);
		return new ProviderError(asked, { kind: "rate_limited", retryAfterMs }, what);
	}
	if (isPruned(failure)) return new ProviderError(asked, { kind: "pruned" }, what);
	const rpcMessage = asked.provider.redact(message);
	return new ProviderError(asked, { kind: "refused", rpcCode: code, rpcMessage }, what);
}

// go-ethereum: "batch too large", "response too large"; providers: "batch size …", "… batch limit".
const BATCH_LIMIT = /batch|^response too large$/i;

/** The first error of these that says that we ask too often; one about the size of an answer does not. */
export function rateLimitAmong(
	outcomes: readonly RpcOutcome[],
	asked: Asked,
): ProviderError | undefined {
	const found = outcomes.find(
		(outcome): outcome is RpcFailure =>
			outcome.kind === "error" &&
			isRateLimit(outcome) &&
			!mayMeanTooLarge(outcome) &&
			!isReverted(outcome),
	);
	return found && refusal(found, asked);
}

function readFailure(error: unknown): RpcFailure | undefined {
	if (!isRawError(error)) return undefined;
	const { code, message, data } = error;
	if (typeof code !== "number" || typeof message !== "string") return undefined;
	return { kind: "error", code, message, data };
}

function isRawError(
	value: unknown,
): value is { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown } {
	return isObject(value);
}

function refusedBatch(error: unknown, asked: Asked): ProviderError {
	const failure = readFailure(error);
	if (failure === undefined) return malformed(asked, "one object for a batch");
	return isRateLimit(failure) ? refusal(failure, asked) : batchRefused(failure, asked);
}

/** A batch that was cut short with an error that names no call, or only the first. */
function missingAnswer(outcomes: ReadonlyMap<unknown, RpcOutcome>, asked: Asked): ProviderError {
	for (const outcome of outcomes.values())
		if (outcome.kind === "error") return batchRefused(outcome, asked);
	return malformed(asked, "a call of the batch was not answered");
}

function batchRefused(failure: RpcFailure, asked: Asked): ProviderError {
	const what = `was refused as a batch with error ${failure.code}: ${failure.message}`;
	return new ProviderError(asked, { kind: "batch_refused" }, what);
}
