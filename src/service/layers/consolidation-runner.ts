/** Runs rules of consolidation for the writer: asks the chain's functions, and looks up what was made before. */
import type { ChainId, LogPosition } from "../../domain/ids.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Version } from "../../domain/memory.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import { consolidate, isConsolidatedId, type MadeBefore } from "../../memory/consolidate.ts";
import type { ConsolidatedPut } from "../../writer/commit-draft.ts";
import type { Consolidator } from "../../writer/system-work.ts";
import type { ConsolidationFunctions } from "./consolidation-functions.ts";

/** The adapter is store/writing/postgres-derivation-store.ts. */
export interface DerivationStore {
	/** What was derived at these positions, and from what; a position of what was not derived has no entry. */
	sourcesOf(
		chainId: ChainId,
		positions: readonly LogPosition[],
	): Promise<ReadonlyMap<LogPosition, readonly SourceRef[]>>;
}

export interface ConsolidationRunnerOptions {
	readonly functions: (chainId: ChainId) => Pick<ConsolidationFunctions, "patterns">;
	readonly derivations: DerivationStore;
	readonly log: Logger;
}

type Input = Parameters<Consolidator["consolidate"]>[0];

/** Wait after a failure before the rule is run again, and the longest after several in a row. */
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 600_000;

interface Failures {
	readonly inARow: number;
	/** On the clock of performance.now(). */
	readonly waitUntil: number;
}

export class ConsolidationRunner implements Consolidator {
	readonly #options: ConsolidationRunnerOptions;
	/** Rules that failed last, by chain, namespace and name; as many as there are rules of functions. */
	readonly #failing = new Map<string, Failures>();

	constructor(options: ConsolidationRunnerOptions) {
		this.#options = options;
	}

	/**
	 * A rule that fails makes nothing, and is left alone for a while: commits wait for it, and one that hangs
	 * would hold the chain at every turn.
	 */
	async consolidate(input: Input): Promise<readonly ConsolidatedPut[]> {
		const { rule, namespace, chainId } = input;
		const name = JSON.stringify([chainId, namespace, rule.name]);
		const failures = this.#failing.get(name);
		if (failures !== undefined && performance.now() < failures.waitUntil) return [];
		try {
			const before = await this.#before(input);
			const patterns = await this.#options.functions(chainId).patterns(input);
			const { puts, left } = consolidate({ ...input, before, patterns });
			if (left > 0) {
				const fields = { namespace, rule: rule.name, left };
				this.#options.log.info(fields, "a rule of consolidation goes on at its next turn");
			}
			this.#failing.delete(name);
			return puts.map((put) => ({ namespace, ...put }));
		} catch (error) {
			const inARow = (failures?.inARow ?? 0) + 1;
			const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (inARow - 1));
			this.#failing.set(name, { inARow, waitUntil: performance.now() + waitMs });
			const fields = { err: error, namespace, rule: rule.name, inARow, waitMs };
			this.#options.log.warn(fields, "a rule of consolidation failed and made nothing");
			return [];
		}
	}

	async #before({ chainId, existing }: Input): Promise<ReadonlyMap<string, MadeBefore>> {
		const made = existing.filter(({ id }) => isConsolidatedId(id));
		const sources =
			made.length === 0
				? new Map()
				: await this.#options.derivations.sourcesOf(chainId, made.map(positionOf));
		return new Map(
			made.map((version) => [
				version.id,
				{ version, sources: sources.get(version.position) ?? [] },
			]),
		);
	}
}

function positionOf({ position }: Version): LogPosition {
	return position;
}
