/**
 * Brings part of the state back, or merges two coordinates, by agents' operations in the pending slot.
 *
 * 1. A dry run and what is applied come from the same plan; nothing else is written.
 * 2. All operations of a request are durable in one transaction with its Idempotency-Key, each memory an entry
 *    of its own. So a request that is killed was taken in whole or not at all, a repeated one answers what
 *    has become of it, and a memory that was written meanwhile fails by itself.
 * 3. They are operations like any other afterwards: a fork judges them again.
 */
import { createHash, randomUUID } from "node:crypto";
import type { AtRequest } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject, MemoryBody, Operation } from "../../domain/operation.ts";
import { toWire as toJson } from "../../domain/wire.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { bodyHash, bodyOf } from "../../memory/compensation.ts";
import { type MergeRule, mergeBy, type Said, type SideRule } from "../../memory/merge-rules.ts";
import type { OperationRecord } from "../../writer/inbox-store.ts";
import type { ChainRuntime } from "../chain-runtime.ts";
import type { StateStore } from "../reading/state-store.ts";
import { operationView } from "../views.ts";
import type { Written } from "../writing/agent-writes.ts";
import { type CheckBody, MergeFunctionRun } from "./merge-functions.ts";
import {
	makePlan,
	type NamedPair,
	type PartialPlan,
	planView,
	type Wanted,
} from "./partial-plan.ts";
import type {
	ApplyMode,
	MergeRequest,
	PartialAnswer,
	PartialOutcomeView,
	PartialRestoreService,
	PartialSelection,
	RestoreRequest,
} from "./partial-restore-service.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

export interface PartialRestoresOptions {
	readonly chains: readonly Pick<ChainRuntime, "spec" | "writes">[];
	readonly state: Pick<StateStore, "compare" | "read">;
	/** What merge functions answer must be what a request may say. */
	readonly checkBody: CheckBody;
	/** How many plans are made at once. */
	readonly turns: { run<Result>(work: () => Promise<Result>): Promise<Result> };
}

interface Asked {
	readonly kind: "restore" | "merge";
	readonly ours: AtRequest;
	readonly theirs: AtRequest;
	readonly rule: MergeRule;
	readonly selection: PartialSelection;
}

type Chain = PartialRestoresOptions["chains"][number];

export class PartialRestores implements PartialRestoreService {
	readonly #options: PartialRestoresOptions;

	constructor(options: PartialRestoresOptions) {
		this.#options = options;
	}

	async restore(chain: string, request: RestoreRequest, mode: ApplyMode): Promise<PartialAnswer> {
		const { to: theirs, selection } = request;
		requireSelection(selection);
		const rule = { kind: "source", side: "theirs" } as const;
		return this.#do(chain, { kind: "restore", ours: PENDING, theirs, rule, selection }, mode);
	}

	async merge(chain: string, request: MergeRequest, mode: ApplyMode): Promise<PartialAnswer> {
		return this.#do(chain, { kind: "merge", ...request }, mode);
	}

	async #do(name: string, asked: Asked, mode: ApplyMode): Promise<PartialAnswer> {
		const chain = this.#find(name);
		return mode.dryRun ? this.#dryRun(chain, asked) : this.#apply(chain, asked, mode);
	}

	async #dryRun(chain: Chain, asked: Asked): Promise<PartialAnswer> {
		const plan = await this.#plan(chain, asked);
		await chain.writes.checkCollections(freshOperations(plan));
		return {
			dryRun: true,
			repeated: false,
			committed: false,
			idempotencyKey: undefined,
			plan: planView(plan),
			outcome: undefined,
			at: undefined,
		};
	}

	async #apply(
		chain: Chain,
		asked: Asked,
		mode: Extract<ApplyMode, { readonly dryRun: false }>,
	): Promise<PartialAnswer> {
		const key = mode.idempotencyKey ?? `${asked.kind}-${randomUUID()}`;
		let plan: PartialPlan | undefined;
		const written = await chain.writes.writeApart({
			idempotency: { key, bodyHash: hashOf(asked), caller: mode.caller },
			deadlineMs: LIMITS.writeDeadlineMs,
			make: async () => {
				plan = await this.#plan(chain, asked);
				const entries = plan.entries.map((entry) => entry.operations);
				return { entries, fresh: freshOperations(plan) };
			},
		});
		const { repeated, committed } = written;
		return {
			dryRun: false,
			repeated,
			committed,
			idempotencyKey: key,
			// Two requests with one key may both plan; what counts is what the first of them wrote.
			plan: plan === undefined || repeated ? undefined : planView(plan),
			outcome: outcomeOf(written),
			at: committed
				? await this.#options.state.read(chain.spec.id, PENDING, async (view) => view.at)
				: undefined,
		};
	}

	async #plan({ spec }: Chain, asked: Asked): Promise<PartialPlan> {
		const { ours, theirs, selection, rule } = asked;
		return this.#options.turns.run(() => {
			const wanted = this.#wanted(spec, rule);
			return makePlan(this.#options.state, spec.id, {
				ours,
				theirs,
				selection,
				handlers: spec.namespaces,
				wanted,
			});
		});
	}

	#wanted(spec: Chain["spec"], rule: MergeRule): (memory: NamedPair) => Wanted {
		if (rule.kind !== "function") return (memory) => bySide(rule, memory);
		const merge = spec.merges.get(rule.name);
		if (merge === undefined) throw unknownFunction(rule.name, spec);
		const run = new MergeFunctionRun(rule.name, merge, this.#options.checkBody);
		return (memory) => byFunction(run, memory);
	}

	#find(chain: string): Chain {
		const { chains } = this.#options;
		const found = chains.find(({ spec }) => spec.name === chain || spec.id.toString() === chain);
		if (found !== undefined) return found;
		throw new FatalError("unknown_chain", {
			message: `chain "${chain}" is not served here`,
			hint: `served: ${chains.map(({ spec }) => `${spec.name} (${spec.id})`).join(", ")}`,
			fields: { chain },
		});
	}
}

function bySide(rule: SideRule, { pair, vectorOf }: NamedPair): Wanted {
	const version = mergeBy(rule, pair);
	if (version === undefined) return { type: "body", body: undefined, fresh: false };
	const vector = vectorOf(version);
	if (version.vectorHash !== undefined && vector === undefined) return { type: "vector_missing" };
	return { type: "body", body: bodyOf(version, vector), fresh: false };
}

function byFunction(run: MergeFunctionRun, memory: NamedPair): Wanted {
	const { namespace, id, pair } = memory;
	const sides = [pair.ours, pair.theirs];
	if (sides.some((said) => lacksVector(said, memory))) return { type: "vector_missing" };
	const [ours, theirs] = sides.map((said) => bodyAt(said, memory));
	const body = run.run({ namespace, id, pair, ours, theirs });
	return { type: "body", body, fresh: body !== undefined && !isSaid(body, memory) };
}

/** Whether one of the sides says the very same. */
function isSaid(body: MemoryBody, { pair, ...name }: NamedPair): boolean {
	const hash = bodyHash(name, body);
	return [pair.ours, pair.theirs].some((said) => said?.visible?.contentHash === hash);
}

function lacksVector(said: Said | undefined, { vectorOf }: NamedPair): boolean {
	const version = said?.visible;
	return version?.vectorHash !== undefined && vectorOf(version) === undefined;
}

function bodyAt(said: Said | undefined, { vectorOf }: NamedPair): MemoryBody | undefined {
	const version = said?.visible;
	return version && bodyOf(version, vectorOf(version));
}

function freshOperations({ entries }: PartialPlan): readonly Operation[] {
	return entries.filter((entry) => entry.fresh).flatMap((entry) => entry.operations);
}

/** What became of operations that were admitted each on its own. */
export function outcomeOf({ operations }: Written): PartialOutcomeView {
	const failed = operations.filter(isFailed);
	const waiting = operations.filter(({ status }) => status === "queued");
	const most = LIMITS.partialItems;
	return {
		applied: operations.length - failed.length - waiting.length,
		failed: failed.length,
		waiting: waiting.length,
		operations: operations.slice(0, most).map(operationView),
		failures: failed.slice(0, most).map(operationView),
		truncated: operations.length > most,
	};
}

function isFailed({ status }: OperationRecord): boolean {
	return status !== "queued" && status !== "applied";
}

/** What was asked for: the same request gives the same hash, and no other kind of request does. */
function hashOf(asked: Asked): Uint8Array {
	return createHash("sha256")
		.update("recant.partial-request.v1\0")
		.update(canonicalJson(toJson(asked) as JsonObject))
		.digest();
}

function requireSelection({ namespaces, layers, collections }: PartialSelection): void {
	if ([namespaces, layers, collections].some((list) => list !== undefined)) return;
	throw new FatalError("invalid_request", {
		message: "nothing is selected: a restore needs namespaces, layers or collections",
		hint: "name what is to be brought back; the whole state goes back by a rollback",
	});
}

function unknownFunction(name: string, spec: Chain["spec"]): FatalError {
	const names = [...spec.merges.keys()];
	return new FatalError("invalid_request", {
		message: `chain "${spec.name}" has no merge function "${name}"`,
		hint:
			names.length === 0
				? "add it to `merges` in the chain's file"
				: `there are: ${names.join(", ")}; others are added in the chain's file`,
		fields: { function: name },
	});
}
