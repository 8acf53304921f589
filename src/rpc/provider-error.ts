/**
 * What can go wrong with one provider, and what that means for the next step.
 *
 * The errors of the transports are not kept as causes: they carry the URL with its key and the whole
 * request, and a log would print both. Their code and message go into ours, redacted.
 */
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { ProviderUrl } from "./provider-url.ts";

export type FailureReason =
	/** No connection could be made. */
	| { readonly kind: "unreachable" }
	/** The connection ended before the answer came; an idle connection that the server just closed does so. */
	| { readonly kind: "lost" }
	| { readonly kind: "timeout" }
	/** `retryAfterMs`: what a busy or halted server asks for. */
	| {
			readonly kind: "http_status";
			readonly status: number;
			readonly retryAfterMs?: number | undefined;
	  }
	| { readonly kind: "rate_limited"; readonly retryAfterMs: number | undefined }
	/** Not JSON-RPC, not the shape that the method has, or not the thing that was asked for. */
	| { readonly kind: "malformed" }
	/** Logs that the node itself says to have taken back: it left their branch, or answers out of two. */
	| { readonly kind: "removed_logs" }
	/** Well-formed, and a check proves it wrong: hash, bloom, parent, root. Set aside for long. */
	| { readonly kind: "untrue" }
	/** Larger than LIMITS.rpcAnswerBytes. */
	| { readonly kind: "oversized" }
	/** The provider does not take so many calls in one request. */
	| { readonly kind: "batch_refused" }
	/** The provider does not give the logs of so many blocks at once; `said` may tell of how many it does. */
	| { readonly kind: "range_refused"; readonly said: string }
	/** The node does not have the block whose logs were asked for. */
	| { readonly kind: "lacking" }
	/** The node keeps no history that goes back so far; another one may. */
	| { readonly kind: "pruned" }
	/** Nothing was asked: too many requests wait for this provider already. */
	| { readonly kind: "busy" }
	/** The node serves another chain than the one that is followed. */
	| { readonly kind: "other_chain"; readonly answered: ChainId }
	/** The node answered with a JSON-RPC error. */
	| { readonly kind: "refused"; readonly rpcCode: number; readonly rpcMessage: string }
	/** Our side closed the source. */
	| { readonly kind: "closed" };

/** What was asked of whom; names the failing method and provider in errors. */
export interface Asked {
	readonly provider: ProviderUrl;
	readonly method: string;
}

/** A provider's message can be a whole HTML page. */
const MESSAGE_LENGTH = 300;

export class ProviderError extends RetryableError {
	readonly reason: FailureReason;

	constructor(asked: Asked, reason: FailureReason, what: string) {
		const { provider, method } = asked;
		const detail = provider.redact(what).replaceAll(/\s+/g, " ").slice(0, MESSAGE_LENGTH);
		super(answered(reason) ? "rpc_failed" : "rpc_unavailable", {
			message: `${provider.shown}: ${method} ${detail}`,
			hint: HINTS[reason.kind],
			fields: { provider: provider.shown, method, reason: reason.kind },
		});
		this.reason = reason;
	}
}

/**
 * True when the provider itself is at fault and is put aside. A refusal or a limit concerns one
 * request: the same node answers the next one.
 */
export function isProviderAtFault(reason: FailureReason): boolean {
	switch (reason.kind) {
		case "unreachable":
		case "lost":
		case "timeout":
		case "http_status":
		case "rate_limited":
		case "malformed":
		case "removed_logs":
		case "untrue":
		case "other_chain":
			return true;
		default:
			return false;
	}
}

/** Codes of a connection that was there and broke: the request may simply be sent again. */
const LOST_CODES: readonly string[] = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

/** What a system's or undici's error code says about a connection. */
export function connectionFailure(code: string | undefined): FailureReason {
	const isLost = code !== undefined && LOST_CODES.includes(code);
	return { kind: isLost ? "lost" : "unreachable" };
}

/** Names the value that was not as it must be. */
export function malformed(asked: Asked, what: string): ProviderError {
	return new ProviderError(asked, { kind: "malformed" }, `got a malformed answer: ${what}`);
}

/** A check proves the answer wrong; `what` names the check and the values. */
export function untrue(asked: Asked, what: string): ProviderError {
	return new ProviderError(asked, { kind: "untrue" }, `got an untrue answer: ${what}`);
}

function answered(reason: FailureReason): boolean {
	if (!isProviderAtFault(reason)) return reason.kind !== "closed" && reason.kind !== "busy";
	return ANSWERS.includes(reason.kind);
}

/** Of the faults of a provider, those for which it had to answer. */
const ANSWERS: readonly FailureReason["kind"][] = [
	"malformed",
	"removed_logs",
	"untrue",
	"other_chain",
];

const UNREACHABLE_HINT = "check that the node runs and that the URL is right; it is tried again";
const HINTS: Readonly<Record<FailureReason["kind"], string>> = {
	unreachable: UNREACHABLE_HINT,
	lost: UNREACHABLE_HINT,
	timeout: "the node is slow or unreachable; raise timeoutMs or add a second URL",
	http_status: "check the provider's URL and key; it is tried again",
	rate_limited: "the provider limits requests: poll less often, or use another plan or provider",
	malformed: "the provider's answer cannot be trusted; use another one if this repeats",
	removed_logs:
		"the node has left the branch of these logs, or is not sure of it; it is asked again",
	untrue:
		"the provider's answer is proved wrong and was not used; use another provider if this repeats",
	oversized: "ask for less at once, or use a provider of your own",
	batch_refused: "the provider takes no batch of this size",
	range_refused: "the provider refuses even one block's logs; use a provider of your own",
	pruned: "the node has pruned this history: give the URL of an archive node as well",
	busy: "the provider is slower than what is asked of it; it goes on by itself",
	lacking: "the block is orphaned, or the node is behind; it is asked again",
	other_chain:
		"correct the chain's id or the URL in its file; this provider is not asked for blocks",
	refused: "the node does not answer this; it may be behind, pruned, or lack the method",
	closed: "the service is stopping",
};
