/** Runs rules of consolidation for the writer: asks the chain's functions, and keeps what they answered. */
import { FatalError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { Version } from "../domain/memory.ts";
import type { ConsolidationRule } from "../domain/namespace-settings.ts";
import type { JsonValue } from "../domain/operation.ts";
import type { ConsolidatedMember, ConsolidationFunction } from "../follower/define-chain.ts";
import { consolidate, type Pattern } from "../memory/consolidate.ts";
import { withinTime } from "../resilience/time-limit.ts";
import type { ConsolidatedPut } from "../writer/assembly.ts";
import type { Consolidator } from "../writer/system-work.ts";
import type { Recorded } from "./recorded-results.ts";

export interface ConsolidationRunnerOptions {
	/** Of a chain, by name. */
	readonly functions: (chainId: ChainId) => ReadonlyMap<string, ConsolidationFunction>;
	readonly recorded: (chainId: ChainId) => Recorded;
	readonly log: Logger;
}

type Input = Parameters<Consolidator["consolidate"]>[0];

export class ConsolidationRunner implements Consolidator {
	readonly #options: ConsolidationRunnerOptions;

	constructor(options: ConsolidationRunnerOptions) {
		this.#options = options;
	}

	/** A rule that fails makes nothing this time: the chain goes on, and the next turn comes. */
	async consolidate(input: Input): Promise<readonly ConsolidatedPut[]> {
		const { rule, namespace } = input;
		try {
			const before = new Map(
				input.existing.map((version) => [version.id, { version, sources: [] }] as const),
			);
			const patterns = await this.#patterns(input);
			const { puts, left } = consolidate({ ...input, before, patterns });
			if (left > 0) {
				const fields = { namespace, rule: rule.name, left };
				this.#options.log.info(fields, "a rule of consolidation goes on at its next turn");
			}
			return puts.map((put) => ({ namespace, ...put }));
		} catch (error) {
			const fields = { err: error, namespace, rule: rule.name };
			this.#options.log.warn(fields, "a rule of consolidation failed and made nothing");
			return [];
		}
	}

	async #patterns({
		chainId,
		namespace,
		rule,
		members,
	}: Input): Promise<readonly Pattern[] | undefined> {
		if (rule.take.kind !== "function") return undefined;
		const { name } = rule.take;
		const work = this.#options.functions(chainId).get(name);
		if (work === undefined) throw unknownFunction(rule, name);
		const said = members.map(memberOf);
		const answer = await this.#options.recorded(chainId)(
			{ namespace, model: `consolidation:${name}`, input: withoutUndefined(said) },
			async () =>
				withoutUndefined(
					await withinTime(
						LIMITS.consolidationMs,
						async () => work(said, { namespace, rule: rule.name }),
						() => tooLate(rule, name),
					),
				),
		);
		// It was made from patterns, and nobody else records under this name.
		return answer as unknown as readonly Pattern[];
	}
}

function memberOf(version: Version): ConsolidatedMember {
	return {
		id: version.id,
		layer: version.layer,
		content: version.content ?? {},
		text: version.text,
		importance: version.importance,
		confidence: version.confidence,
	};
}

/** As JSON has it. */
function withoutUndefined(value: unknown): JsonValue {
	return JSON.parse(JSON.stringify(value)) as JsonValue;
}

function unknownFunction({ name: rule }: ConsolidationRule, name: string): FatalError {
	return new FatalError("configuration_invalid", {
		message: `rule "${rule}" names the function "${name}", which the chain's file does not have`,
		hint: "add it to the file's consolidations, or change the rule",
		fields: { rule, function: name },
	});
}

function tooLate({ name: rule }: ConsolidationRule, name: string): FatalError {
	return new FatalError("limit_exceeded", {
		message: `the function "${name}" of rule "${rule}" took longer than ${LIMITS.consolidationMs} ms`,
		hint: "let it look at fewer memories, or answer from what was recorded",
		fields: { rule, function: name, limit: "consolidationMs", max: LIMITS.consolidationMs },
	});
}
