/**
 * Runs a chain's merge functions. They are the operator's code: what they are given is a copy, what they
 * answer is checked as a request is, and whatever goes wrong is `FatalError("merge_failed")`, which names the
 * function and the memory and leaves everything as it was.
 *
 * A function runs in this thread and cannot be stopped from outside; LIMITS.mergeMs ends a merge between two
 * memories.
 */
import { FatalError, RecantError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { MemoryBody } from "../../domain/operation.ts";
import type { MergeableMemory, MergeFunction } from "../../follower/define-chain.ts";
import { canonicalJson, parseContent } from "../../memory/canonical.ts";
import { laterSide, type SaidPair } from "../../memory/merge-rules.ts";

/** A body as requests state them. Throws a RecantError that says what is wrong. */
export type CheckBody = (body: unknown) => MemoryBody;

/** Characters of a function's own message that are passed on. */
const MESSAGE_CHARACTERS = 500;

export interface MergeInput {
	readonly namespace: string;
	readonly id: string;
	readonly pair: SaidPair;
	/** Undefined: the memory is not there. */
	readonly ours: MemoryBody | undefined;
	readonly theirs: MemoryBody | undefined;
}

/** One function, for the memories of one merge. */
export class MergeFunctionRun {
	readonly #name: string;
	readonly #merge: MergeFunction;
	readonly #check: CheckBody;
	#spentMs = 0;

	constructor(name: string, merge: MergeFunction, check: CheckBody) {
		this.#name = name;
		this.#merge = merge;
		this.#check = check;
	}

	/** What the function makes of a memory; undefined: it is to be gone. */
	run(input: MergeInput): MemoryBody | undefined {
		const { namespace, id } = input;
		const begin = performance.now();
		try {
			const context = { namespace, id, later: laterSide(input.pair) };
			const made: unknown = this.#merge(given(input.ours), given(input.theirs), context);
			return made === undefined ? undefined : this.#check(plain(made));
		} catch (error) {
			throw this.#failed(input, messageOf(error), error);
		} finally {
			this.#spend(input, performance.now() - begin);
		}
	}

	#spend(input: MergeInput, ms: number): void {
		this.#spentMs += ms;
		if (this.#spentMs <= LIMITS.mergeMs) return;
		const spent = Math.round(this.#spentMs);
		throw this.#failed(input, `it took ${spent} ms so far, the limit is ${LIMITS.mergeMs}`);
	}

	#failed({ namespace, id }: MergeInput, reason: string, cause?: unknown): FatalError {
		return new FatalError("merge_failed", {
			message: `merge function "${this.#name}" failed for memory "${id}" of namespace "${namespace}": ${reason}`,
			hint: "correct the function in the chain's file and start again; nothing was written",
			fields: { function: this.#name, namespace, id },
			cause,
		});
	}
}

/** A copy, so that a function that changes what it is given changes nothing here. */
function given(body: MemoryBody | undefined): MergeableMemory | undefined {
	if (body === undefined) return undefined;
	return {
		...body,
		content: structuredClone(body.content),
		vector: body.vector && [...body.vector],
	};
}

/** A plain copy as JSON would carry it; what JSON cannot carry is refused, not left out. */
function plain(made: unknown): unknown {
	if (typeof made !== "object" || made === null || "then" in made) {
		throw refused(`it answered ${describe(made)}; it must answer a memory, or undefined for none`);
	}
	const entries = Object.entries(made).filter(([, value]) => value !== undefined);
	return Object.fromEntries(
		entries.map(([name, value]: [string, unknown]) => {
			if (typeof value === "bigint") return [name, value.toString()];
			return [name, name === "content" ? plainContent(value) : value];
		}),
	);
}

function plainContent(content: unknown): unknown {
	if (typeof content !== "object" || content === null || Array.isArray(content)) return content;
	// canonicalJson refuses whatever is no JSON, as deep as it may stand.
	return parseContent(canonicalJson(content as MemoryBody["content"]));
}

function describe(made: unknown): string {
	if (typeof made !== "object" || made === null) return `${made === null ? "null" : typeof made}`;
	return "a promise";
}

function refused(message: string): FatalError {
	return new FatalError("invalid_request", { message, hint: "correct the function" });
}

/** An error of anyone's making: it may be no Error, and its message may be a book. */
function messageOf(error: unknown): string {
	const lead = error instanceof RecantError ? "" : "it threw: ";
	return `${lead}${reasonOf(error)}`.slice(0, MESSAGE_CHARACTERS);
}

/** Not every object can be made a string of. */
function reasonOf(error: unknown): string {
	if (error instanceof Error) return `${error.message}`;
	return typeof error === "object" && error !== null ? "an object that is no error" : String(error);
}
