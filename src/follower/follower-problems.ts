/** What the follower says of what keeps it from going on. */
import type { Unconfirmed } from "../chain/decision.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { ChainSpec } from "./chain-spec.ts";

export function problemOf(error: RecantError): Problem {
	return { code: error.code, message: error.message, hint: error.hint };
}

export function asRecantError(error: unknown): RecantError {
	if (error instanceof RecantError) return error;
	return new FatalError("internal", {
		message: `the follower failed: ${error instanceof Error ? error.message : String(error)}`,
		hint: "this is a defect of Recant; please report it with the log",
		cause: error,
	});
}

export function contradicting(what: string): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the node's answers contradict each other: ${what}`,
		hint: "it is asked again; if this goes on, check the node",
	});
}

export function wrongChain(spec: ChainSpec, answered: number): FatalError {
	return new FatalError("chain_id_mismatch", {
		message: `the node serves chain ${answered}, the file of "${spec.name}" says ${spec.id}`,
		hint: "correct the id or the RPC URL in the chain's file; nothing was followed",
		fields: { expected: spec.id, answered },
	});
}

/** A fork that is not followed yet. Of no error: the chain goes on by itself. */
export function unconfirmedFork({ ancestor, because, demands, evidence }: Unconfirmed): Problem {
	const { depth, heldMs, polls } = evidence;
	const fork = `the node shows a fork from block ${ancestor.number}, ${depth} deep`;
	const seen = `it was seen in ${polls} of ${demands.looks} looks in a row`;
	switch (because) {
		case "deep":
			return { code: UNCONFIRMED, message: `${fork}; ${seen}`, hint: HINTS.deep };
		case "returning":
			return {
				code: UNCONFIRMED,
				message: `${fork}, back to a branch that was left lately; ${seen}, and for ${heldMs} of ${demands.heldMs} ms`,
				hint: HINTS.returning,
			};
		case "denied":
			return {
				code: UNCONFIRMED,
				message: `${fork}; ${deniedBy(evidence)} deny it`,
				hint: HINTS.denied,
			};
	}
}

function deniedBy({ support }: Unconfirmed["evidence"]): string {
	const { confirming = 0, denying = 0 } = support ?? {};
	return `${denying} of ${confirming + denying} providers that answered`;
}

const UNCONFIRMED = "fork_unconfirmed";
const HINTS: Readonly<Record<Unconfirmed["because"], string>> = {
	deep: "it is followed when it stays, or when most providers have it; see `reorg` in the chain's file",
	returning:
		"it is followed when it stays: nodes behind one URL that disagree look the same; if this goes on, check the node",
	denied:
		"it is followed when most providers have it; if this goes on, check which of them is right",
};
