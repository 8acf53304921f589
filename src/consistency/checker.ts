/**
 * One run: takes a snapshot and the writer's tree at one coordinate, lets the level's rules look, and
 * writes down what they found.
 *
 * 1. Snapshot and tree are taken between two commits, so they are of one state; nothing that is
 *    written later is seen in either.
 * 2. Rules of memories share one pass over the versions.
 * 3. A rule that fails ends alone: its reason is kept, the others go on, and the run is failed, without
 *    a score, since what was not looked at cannot be called clean.
 */
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { CheckContext, CheckParts, FrozenTree } from "./check-context.ts";
import type { ConsistencyRun, RuleResult, RunEnd, RunProblem } from "./consistency-run.ts";
import type { ConsistencyStore } from "./consistency-store.ts";
import { FindingSink } from "./finding-sink.ts";
import { ReadPace } from "./read-pace.ts";
import { rulesOf } from "./registry.ts";
import type { MemoryRule, Rule, RuleContext, RunCoordinate, ScanRule } from "./rule.ts";
import { type DrawnSample, drawSample, type SampleRequest } from "./sampling.ts";
import { scoreOf } from "./score.ts";
import type { StoredMemory, StoredState } from "./stored-state.ts";

/** Frozen until `release`. */
interface WritersTree extends FrozenTree {
	/** Of the lease under which it was made. */
	readonly fence: bigint;
	readonly release: () => void;
}

/** The running chain, as far as a check compares with it. */
export interface CheckedChain extends Omit<CheckParts, "frozen" | "storedPointers"> {
	/**
	 * Runs `begin`, which takes the snapshot with its first query, between two commits, and answers the
	 * tree as it stood then, frozen until `release`. Throws `RetryableError("lease_lost")` where this process does not write the chain.
	 */
	freeze(begin: () => Promise<void>): Promise<WritersTree>;
	/** Of the chain's file. */
	readonly rules: readonly Rule<RuleContext>[];
	readonly rowsPerSecond: number;
}

export interface CheckerOptions {
	readonly store: ConsistencyStore;
	readonly log: Logger;
}

export class Checker {
	readonly #options: CheckerOptions;

	constructor(options: CheckerOptions) {
		this.#options = options;
	}

	/** Ends the run in every case, and throws what ended it early. */
	async run(run: ConsistencyRun, chain: CheckedChain, signal: AbortSignal): Promise<RunEnd> {
		const { store } = this.#options;
		const pace = new ReadPace(chain.rowsPerSecond, signal);
		const sink = new FindingSink(run.chainId, (findings) => store.addFindings(run.runId, findings));
		const results = new Map<string, RuleResult>();
		const look = async (state: StoredState): Promise<RunProblem | undefined> => {
			const frozen = await chain.freeze(() => state.begin());
			try {
				// Of a process that stood still past its lease: it is not of this state, and proves nothing.
				if (frozen.fence !== state.chain.fence) throw overtaken(run, frozen, state);
				const context = await contextOf(run, { chain, state, frozen, store });
				await store.begin(run.runId, context.at);
				await new Pass({ context, pace, sink, results }).run(rulesOf(run.level, chain.rules));
				await sink.flush();
				return failureOf(results);
			} finally {
				frozen.release();
			}
		};
		// Answered and not thrown: a snapshot that is thrown out of may be tried again, and findings are kept.
		const problem = await store
			.read(run.chainId, (state) => look(state).catch((error: unknown) => this.#failed(run, error)))
			.catch((error: unknown) => this.#failed(run, error));
		const end: RunEnd = {
			state: problem === undefined ? "done" : "failed",
			score: problem === undefined ? scoreOf(sink.counts, pace.rows) : undefined,
			rules: Object.fromEntries(results),
			counts: sink.counts,
			error: problem,
		};
		await store.end(run.runId, end);
		return end;
	}

	#failed(run: ConsistencyRun, error: unknown): RunProblem {
		this.#options.log.warn({ runId: run.runId, err: error }, "a consistency check failed");
		return problemOf(error);
	}
}

function overtaken(
	{ chainId }: ConsistencyRun,
	{ fence }: WritersTree,
	{ chain }: StoredState,
): RetryableError {
	return new RetryableError("lease_lost", {
		message: `this process wrote chain ${chainId} under lease ${fence}, and ${chain.fence} is the newest`,
		hint: "the check is run by the process that writes the chain now",
		fields: { chainId, fence: fence.toString(), newest: chain.fence.toString() },
	});
}

async function contextOf(
	run: ConsistencyRun,
	taken: {
		readonly chain: CheckedChain;
		readonly state: StoredState;
		readonly frozen: FrozenTree;
		readonly store: ConsistencyStore;
	},
): Promise<Omit<CheckContext, "read">> {
	const { chain, state, frozen, store } = taken;
	const { chainId, level } = run;
	return {
		chainId,
		level,
		state,
		at: await coordinateOf(state),
		sample: run.sample && sampleOf(run.sample, frozen),
		parts: { ...chain, frozen, storedPointers: () => store.pointers(chainId) },
	};
}

async function coordinateOf(state: StoredState): Promise<RunCoordinate> {
	const { head, generation, logPosition, chainId } = state.chain;
	const header = head === undefined ? undefined : await state.header(head);
	if (head === undefined) {
		throw new RetryableError("not_ready", {
			message: `chain ${chainId} has no committed block yet`,
			hint: "check that its node answers; see the chain's status",
			fields: { chainId },
		});
	}
	return { generation, height: head, blockHash: header?.hash ?? "0x", logPosition };
}

function sampleOf(request: SampleRequest, { tree, mark }: FrozenTree): DrawnSample {
	const counts = tree.counts(mark);
	const layers = Object.keys(counts) as (keyof typeof counts)[];
	const memories = layers.reduce((sum, layer) => sum + counts[layer], 0);
	return drawSample(request, memories, (path) =>
		layers.reduce((sum, layer) => sum + countOf(tree.memories(layer, path, mark)), 0),
	);
}

function countOf(items: Iterable<unknown>): number {
	let count = 0;
	for (const _ of items) count += 1;
	return count;
}

interface PassOptions {
	readonly context: Omit<CheckContext, "read">;
	readonly pace: ReadPace;
	readonly sink: FindingSink;
	readonly results: Map<string, RuleResult>;
}

/** The rules of one run, one after the other, those of memories together. */
class Pass {
	readonly #options: PassOptions;

	constructor(options: PassOptions) {
		this.#options = options;
	}

	async run(rules: readonly Rule<CheckContext>[]): Promise<void> {
		const ofMemories = rules.filter((rule) => rule.kind === "memories");
		let passed = ofMemories.length === 0;
		for (const rule of rules) {
			if (rule.kind === "scan" && isInSample(rule, this.#options.context)) await this.#scan(rule);
			if (rule.kind === "memories" && !passed) {
				passed = true;
				await this.#memories(ofMemories);
			}
		}
	}

	async #scan(rule: ScanRule<CheckContext>): Promise<void> {
		const tally = new Tally();
		await this.#guarded(rule, tally, async () => {
			const context = this.#contextFor(tally, true);
			for await (const finding of rule.check(context)) {
				tally.found += 1;
				await this.#options.sink.take(rule, finding);
			}
		});
		this.#options.results.set(rule.name, tally.result());
	}

	async #memories(rules: readonly MemoryRule<CheckContext>[]): Promise<void> {
		const opened = await Promise.all(
			rules.map(async (rule) => {
				const tally = new Tally();
				return { rule, tally, inspection: await rule.open(this.#contextFor(tally, false)) };
			}),
		);
		try {
			for await (const page of this.#pages()) {
				for (const each of opened) {
					each.tally.checked += page.length;
					await this.#guarded(each.rule, each.tally, async () => {
						await this.#takeAll(each, await each.inspection.page(page));
					});
				}
			}
			for (const each of opened) {
				await this.#guarded(each.rule, each.tally, async () => {
					await this.#takeAll(each, await each.inspection.end());
				});
			}
		} finally {
			for (const { rule, tally, inspection } of opened) {
				inspection.close();
				this.#options.results.set(rule.name, tally.result());
			}
		}
	}

	async *#pages(): AsyncGenerator<readonly StoredMemory[], void> {
		const { context, pace } = this.#options;
		for await (const page of context.state.memories(context.sample?.ranges)) {
			await pace.took(page.reduce((sum, { rows }) => sum + rows.length, 0));
			yield page;
		}
	}

	async #takeAll(
		{ rule, tally }: { readonly rule: Rule<CheckContext>; readonly tally: Tally },
		findings: Awaited<ReturnType<Awaited<ReturnType<MemoryRule["open"]>>["page"]>>,
	): Promise<void> {
		tally.found += findings.length;
		for (const finding of findings) await this.#options.sink.take(rule, finding);
	}

	/** What the snapshot itself fails with ends the run; what a rule fails with ends the rule. */
	async #guarded(rule: Rule<CheckContext>, tally: Tally, work: () => Promise<void>): Promise<void> {
		if (tally.error !== undefined) return;
		const began = performance.now();
		try {
			await work();
		} catch (error) {
			if (error instanceof RetryableError && error.code === "database_unavailable") throw error;
			if (!(error instanceof RecantError)) throw ruleFailed(rule, error);
			tally.error = error;
		} finally {
			tally.ms += performance.now() - began;
		}
	}

	#contextFor(tally: Tally, paced: boolean): CheckContext {
		const { context, pace } = this.#options;
		return {
			...context,
			read: async (records) => {
				tally.checked += records;
				if (paced) await pace.took(records);
			},
		};
	}
}

/** A sampled run reads basic numbers and the sampled memories, and no other store from end to end. */
function isInSample(rule: ScanRule<CheckContext>, context: Omit<CheckContext, "read">): boolean {
	return context.sample === undefined || rule.level === "basic";
}

class Tally {
	checked = 0;
	found = 0;
	ms = 0;
	error: RecantError | undefined;

	result(): RuleResult {
		const { checked, found, error } = this;
		return { checked, found, ms: Math.round(this.ms), error: error?.message };
	}
}

function failureOf(results: ReadonlyMap<string, RuleResult>): RunProblem | undefined {
	const failed = [...results].filter(([, { error }]) => error !== undefined);
	const [first] = failed;
	if (first === undefined) return undefined;
	return {
		code: "rule_failed",
		message: `${failed.map(([name]) => name).join(", ")} could not look at everything: ${first[1].error}`,
		hint: "what was found stands; run the check again when the store answers",
	};
}

function problemOf(error: unknown): RunProblem {
	if (error instanceof RecantError) {
		const { code, message, hint } = error;
		return { code, message, hint };
	}
	const message = error instanceof Error ? error.message : String(error);
	return { code: "interrupted", message, hint: "the check was stopped; run it again" };
}

function ruleFailed(rule: Rule<CheckContext>, cause: unknown): unknown {
	// A stopped run rejects with the signal's reason.
	if (cause instanceof Error && cause.name === "AbortError") return cause;
	return new FatalError("internal", {
		message: `rule ${rule.name} threw: ${cause instanceof Error ? cause.message : String(cause)}`,
		hint: "a rule of a chain's file must not throw; else this is a defect of Recant, please report it",
		fields: { rule: rule.name },
		cause,
	});
}
