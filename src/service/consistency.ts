/** Consistency checks as users see them: asking for one, and reading what they found. */
import type { ConsistencyChecks } from "../consistency/consistency-checks.ts";
import type { ConsistencyRun, KeptFinding, RuleResult } from "../consistency/consistency-run.ts";
import type { ConsistencyStore } from "../consistency/consistency-store.ts";
import type { Level, SeverityCounts } from "../consistency/finding.ts";
import { type SampleRequest, sampleSize } from "../consistency/sampling.ts";

import { FatalError } from "../domain/errors.ts";
import type { ChainId, Generation, Height, LogPosition } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { cursorInvalid, cursorNumber, decodeCursor, encodeCursor } from "./reading/cursor.ts";
import type { CheckSummary, Page } from "./recant-service.ts";

export interface RunView {
	readonly id: string;
	readonly chainId: ChainId;
	readonly level: Level;
	/** queued: it waits for another run, or for the process that leads the chain. */
	readonly state: ConsistencyRun["state"];
	readonly cause: ConsistencyRun["cause"];
	/** Undefined: everything was read. */
	readonly sample: (SampleRequest & { readonly memories: number }) | undefined;
	/** What was compared; undefined until it began. */
	readonly at:
		| {
				readonly generation: Generation;
				readonly height: Height;
				readonly logPosition: LogPosition;
		  }
		| undefined;
	/** In [0, 1]; undefined until it is done. */
	readonly score: number | undefined;
	/** Findings by severity, whole. */
	readonly counts: SeverityCounts;
	readonly rules: readonly ({ readonly name: string } & RuleResult)[];
	readonly error:
		| { readonly code: string; readonly message: string; readonly hint: string }
		| undefined;
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

export type FindingView = Omit<KeptFinding, "chainId">;

export interface RunWithFindings {
	readonly run: RunView;
	/** By number; `truncated` says that the run found more than are kept. */
	readonly findings: readonly FindingView[];
	readonly truncated: boolean;
	readonly cursor: string | undefined;
}

export interface RunsQuery {
	readonly level: Level | undefined;
	readonly limit: number;
	readonly cursor: string | undefined;
}

export interface ConsistencyService {
	/** Records a run and answers at once. Throws `chain_busy`, `limit_exceeded` and `queue_unavailable`. */
	check(
		chain: string,
		asked: { readonly level: Level; readonly sample: SampleRequest | undefined },
	): Promise<RunView>;
	/** The newest first; `level` undefined: of every level. */
	runs(chain: string, query: RunsQuery): Promise<Page<RunView>>;
	/** Throws `run_not_found`. */
	run(
		chain: string,
		runId: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<RunWithFindings>;
}

export interface ConsistencyOptions {
	readonly store: ConsistencyStore;
	readonly checks: ConsistencyChecks;
	/** Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
}

export class Consistency implements ConsistencyService {
	readonly #options: ConsistencyOptions;

	constructor(options: ConsistencyOptions) {
		this.#options = options;
	}

	async check(
		chain: string,
		asked: { readonly level: Level; readonly sample: SampleRequest | undefined },
	): Promise<RunView> {
		const { checks, chainId } = this.#options;
		if (asked.sample !== undefined) refuseLarge(asked.sample);
		return runView(await checks.request({ ...asked, chainId: chainId(chain) }));
	}

	async runs(chain: string, query: RunsQuery): Promise<Page<RunView>> {
		const { store, chainId } = this.#options;
		const { level, limit } = query;
		const before = query.cursor === undefined ? undefined : runOfCursor(query.cursor);
		const found = await store.runs(chainId(chain), { limit: limit + 1, before, level });
		const page = found.slice(0, query.limit);
		const last = found.length > query.limit ? page.at(-1) : undefined;
		return { items: page.map(runView), cursor: last && encodeCursor({ r: last.runId }) };
	}

	async run(
		chain: string,
		runId: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<RunWithFindings> {
		const { store, chainId } = this.#options;
		const id = chainId(chain);
		const run = UUID.test(runId) ? await store.load(runId) : undefined;
		if (run?.chainId !== id) throw runNotFound(id, runId);
		const after =
			query.cursor === undefined ? 0 : Number(cursorNumber(decodeCursor(query.cursor, ["f"]).f));
		const found = await store.findings(runId, { after, limit: query.limit + 1 });
		const page = found.slice(0, query.limit);
		const last = found.length > query.limit ? page.at(-1) : undefined;
		return {
			run: runView(run),
			findings: page.map(({ chainId: _, ...finding }) => finding),
			truncated: totalOf(run.counts) > LIMITS.findingsKept,
			cursor: last && encodeCursor({ f: last.seq.toString() }),
		};
	}
}

/** As the chain's status shows it. */
export async function lastCheck(
	store: ConsistencyStore,
	chainId: ChainId,
): Promise<CheckSummary | undefined> {
	const run = await store.lastDone(chainId);
	if (run?.score === undefined || run.finishedAt === undefined) return undefined;
	const { runId, level, score, finishedAt } = run;
	return { runId, level, score, findings: totalOf(run.counts), finishedAt };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function runOfCursor(cursor: string): string {
	const { r } = decodeCursor(cursor, ["r"]);
	if (!UUID.test(r)) throw cursorInvalid();
	return r;
}

function runView(run: ConsistencyRun): RunView {
	const { runId, rules, sample, ...shown } = run;
	return {
		...shown,
		id: runId,
		sample: sample && { ...sample, memories: sampleSize(sample) },
		rules: Object.entries(rules).map(([name, result]) => ({ name, ...result })),
	};
}

function totalOf(counts: SeverityCounts): number {
	return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function refuseLarge(sample: SampleRequest): void {
	const memories = sampleSize(sample);
	if (memories <= LIMITS.sampleMemories) return;
	throw new FatalError("limit_exceeded", {
		message: `a confidence of ${sample.confidence} at ${sample.tolerance} takes ${memories} memories, ${LIMITS.sampleMemories} are the most`,
		hint: "ask for less confidence or a larger tolerance, or check everything without a sample",
		fields: { limit: "sampleMemories", value: memories },
	});
}

function runNotFound(chainId: ChainId, runId: string): FatalError {
	return new FatalError("run_not_found", {
		message: `chain ${chainId} has no consistency run ${runId}`,
		hint: "see the chain's consistency runs; old ones are dropped",
		fields: { runId },
	});
}
