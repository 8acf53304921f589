/**
 * What the HTTP routes ask when a namespace's memories are to be consolidated now; see
 * service/layers/consolidations.ts. `chain` is an id in decimal or a name; an unknown one throws
 * `FatalError("unknown_chain")`.
 */
import type { Caller } from "../../domain/caller.ts";
import type { WriteAnswer } from "../recant-service.ts";

export interface ConsolidationRequest {
	readonly namespace: string;
	/** Undefined: every rule of the namespace, in their order. */
	readonly rule: string | undefined;
}

export interface ConsolidationMode {
	/** Of the request; undefined: it cannot be repeated. */
	readonly idempotencyKey: string | undefined;
	/** How long to wait for the commit; at most LIMITS.writeDeadlineMs. */
	readonly deadlineMs: number;
	/** Who asks; undefined: whoever starts the service. */
	readonly caller?: Caller | undefined;
}

export interface ConsolidationService {
	/**
	 * One operation, which runs them all. Throws `handler_owned` for one of the chain's own namespaces,
	 * `invalid_request` for a rule that the namespace does not have.
	 */
	consolidate(
		chain: string,
		request: ConsolidationRequest,
		mode: ConsolidationMode,
	): Promise<WriteAnswer>;
}
