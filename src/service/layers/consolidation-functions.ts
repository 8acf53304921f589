/**
 * Runs a chain's consolidation functions, which may ask a model. What one answers is recorded under its name
 * and what the members say, in the order in which they were written: a fork or a replay that finds the same
 * members asks nobody.
 *
 * A function is the operator's code: it gets copies, its answer is checked, and whatever goes wrong is
 * `FatalError("consolidation_failed")`, which leaves everything as it was and records nothing.
 */
import { FatalError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import type { ConsolidationRule } from "../../domain/namespace-settings.ts";
import type { JsonObject, JsonValue } from "../../domain/operation.ts";
import type { ConsolidatedMember, ConsolidationFunction } from "../../follower/define-chain.ts";
import type { Pattern } from "../../memory/consolidate.ts";
import { patternsOf } from "../../memory/pattern-form.ts";
import { byWriting } from "../../memory/writing-order.ts";
import { withinTime } from "../../resilience/time-limit.ts";
import type { Recorded } from "../records/recorded-results.ts";

/** Characters of a function's own message that are passed on. */
const MESSAGE_CHARACTERS = 500;

export interface ConsolidationFunctionsOptions {
	/** By name. */
	readonly functions: ReadonlyMap<string, ConsolidationFunction>;
	/** Of the chain. */
	readonly recorded: Recorded;
}

/** Of one chain. */
export class ConsolidationFunctions {
	readonly #options: ConsolidationFunctionsOptions;

	constructor(options: ConsolidationFunctionsOptions) {
		this.#options = options;
	}

	/**
	 * What `consolidate` is to be given as `patterns`; undefined for a rule that needs none. `members`: visible
	 * memories of the namespace, in any order.
	 */
	async patterns(request: {
		readonly rule: ConsolidationRule;
		readonly namespace: string;
		readonly members: readonly Version[];
	}): Promise<readonly Pattern[] | undefined> {
		const { rule, namespace } = request;
		if (rule.take.kind !== "function") return undefined;
		const { name } = rule.take;
		const find = this.#options.functions.get(name);
		if (find === undefined) throw failed(request.rule, "the chain's file has no such function");
		const members = membersOf(rule, request.members);
		const input = [rule.name, ...members.map(memberJson)];
		const model = `consolidation:${name}`;
		try {
			const answer = await this.#options.recorded({ namespace, model, input }, () =>
				asked(find, members, { namespace, rule: rule.name }, rule),
			);
			return patternsOf(answer);
		} catch (error) {
			throw error instanceof FatalError && error.code === "consolidation_failed"
				? error
				: failed(rule, messageOf(error), error);
		}
	}
}

/** The answer, checked, as it is recorded. */
async function asked(
	find: ConsolidationFunction,
	members: readonly ConsolidatedMember[],
	context: Parameters<ConsolidationFunction>[1],
	rule: ConsolidationRule,
): Promise<JsonValue> {
	const answer = await withinTime(
		LIMITS.consolidationMs,
		async () => find(structuredClone(members), context),
		() => failed(rule, `it took longer than ${LIMITS.consolidationMs} ms`),
	);
	return patternsOf(answer).map((pattern) => withoutUndefined(pattern));
}

function withoutUndefined(pattern: Pattern): JsonObject {
	const entries = Object.entries(pattern).filter(([, value]) => value !== undefined);
	return Object.fromEntries(entries) as JsonObject;
}

function membersOf(
	{ layers }: ConsolidationRule,
	versions: readonly Version[],
): readonly ConsolidatedMember[] {
	return versions
		.filter(({ layer, content }) => layers.includes(layer) && content !== undefined)
		.toSorted(byWriting)
		.slice(-LIMITS.consolidationMembers)
		.map(({ id, layer, content, text, importance, confidence }) => ({
			id,
			layer,
			content: content ?? {},
			text,
			importance,
			confidence,
		}));
}

function memberJson({ text, importance, confidence, ...said }: ConsolidatedMember): JsonObject {
	return {
		...said,
		text: text ?? null,
		importance: importance ?? null,
		confidence: confidence ?? null,
	};
}

function failed({ name, take }: ConsolidationRule, reason: string, cause?: unknown): FatalError {
	const named = take.kind === "function" ? take.name : name;
	return new FatalError("consolidation_failed", {
		message: `consolidation "${named}" of rule "${name}" failed: ${reason}`,
		hint: "correct the function in the chain's file and start again; nothing was written",
		fields: { function: named, rule: name },
		cause,
	});
}

/** An error of anyone's making: it may be no Error, and its message may be a book. */
function messageOf(error: unknown): string {
	const reason = error instanceof Error ? error.message : "it threw what is no error";
	return reason.slice(0, MESSAGE_CHARACTERS);
}
