/**
 * Clears a namespace of what is of no use any more, by agents' deletions in the pending slot.
 *
 * 1. A dry run and what is applied come from the same plan; nothing else is written.
 * 2. Each deletion names the version that was looked at, so what was written meanwhile stays.
 * 3. They are operations like any other afterwards: a fork judges them again, and the memory can be read at
 *    the heights at which it held until retention takes it.
 * 4. Compaction and indexes are kept up after the deletions are committed, and change nothing that is read.
 */
import { createHash, randomUUID } from "node:crypto";
import { FatalError } from "../../domain/errors.ts";
import type { Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject, Operation } from "../../domain/operation.ts";
import { toWire } from "../../domain/wire.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { confidenceNow } from "../../memory/confidence-decay.ts";
import type { ChainRuntime } from "../chain-runtime.ts";
import { servedChain } from "../reading/served-chain.ts";
import type { ApplyMode } from "../restoring/partial-restore-service.ts";
import { outcomeOf } from "../restoring/partial-restores.ts";
import type { VectorUpkeep } from "../searching/vector-upkeep.ts";
import type {
	DroppedMemory,
	DropReason,
	OptimiseAnswer,
	OptimisePlanView,
	OptimiseRequest,
	OptimiseService,
	Refreshed,
} from "./optimise-service.ts";
import type { Droppable, OptimiseStore } from "./optimise-store.ts";

const NO_COUNTS: Readonly<Record<DropReason, number>> = {
	expired: 0,
	low_confidence: 0,
	unreachable_link: 0,
	unreachable_memory: 0,
};

export interface OptimisationsOptions {
	readonly chains: readonly Pick<ChainRuntime, "spec" | "writes">[];
	readonly store: OptimiseStore;
	/** Undefined: nothing is refreshed. */
	readonly upkeep: VectorUpkeep | undefined;
	/** How many plans are made at once. */
	readonly turns: { run<Result>(work: () => Promise<Result>): Promise<Result> };
	/** Milliseconds since the epoch. */
	readonly now: () => number;
}

type Chain = OptimisationsOptions["chains"][number];

interface Plan {
	readonly view: OptimisePlanView;
	readonly entries: readonly (readonly Operation[])[];
}

export class Optimisations implements OptimiseService {
	readonly #options: OptimisationsOptions;

	constructor(options: OptimisationsOptions) {
		this.#options = options;
	}

	async optimise(name: string, request: OptimiseRequest, mode: ApplyMode): Promise<OptimiseAnswer> {
		const chain = servedChain(this.#options.chains, name);
		requireAgents(chain, request.namespace);
		return mode.dryRun ? this.#dryRun(chain, request) : this.#apply(chain, request, mode);
	}

	async #dryRun(chain: Chain, request: OptimiseRequest): Promise<OptimiseAnswer> {
		const { view } = await this.#plan(chain, request);
		return {
			dryRun: true,
			repeated: false,
			committed: false,
			idempotencyKey: undefined,
			plan: view,
			outcome: undefined,
			refreshed: undefined,
		};
	}

	async #apply(
		chain: Chain,
		request: OptimiseRequest,
		mode: Extract<ApplyMode, { readonly dryRun: false }>,
	): Promise<OptimiseAnswer> {
		const key = mode.idempotencyKey ?? `optimise-${randomUUID()}`;
		let plan: Plan | undefined;
		const written = await chain.writes.writeApart({
			idempotency: { key, bodyHash: hashOf(request), caller: mode.caller },
			deadlineMs: LIMITS.writeDeadlineMs,
			// As many as one of a key can make, so that several leave room for others.
			mostWaiting: (mode.caller ?? "") === "" ? undefined : LIMITS.optimisedMemories,
			make: async () => {
				plan = await this.#plan(chain, request);
				return { entries: plan.entries, fresh: [] };
			},
		});
		const { repeated, committed } = written;
		return {
			dryRun: false,
			repeated,
			committed,
			idempotencyKey: key,
			plan: plan === undefined || repeated ? undefined : plan.view,
			outcome: outcomeOf(written),
			refreshed: committed && request.refresh ? await this.#refresh(chain) : undefined,
		};
	}

	async #refresh({ spec }: Chain): Promise<Refreshed | undefined> {
		return this.#options.upkeep?.run(spec.id);
	}

	/** Undefined: nothing is refreshed here. */
	#refreshable({ spec }: Chain): OptimisePlanView["refresh"] {
		const figures = this.#options.upkeep?.figures(spec.id);
		return (
			figures &&
			[...figures].map(([collection, { rows, unindexedRows }]) => {
				return { collection, rows, unindexedRows };
			})
		);
	}

	async #plan(chain: Chain, { namespace, drop, refresh }: OptimiseRequest): Promise<Plan> {
		const { spec } = chain;
		const { store, turns, now } = this.#options;
		return turns.run(async () => {
			const { at, found } = await store.droppable(spec.id, {
				namespace,
				expiredBy: drop.expired ? BigInt(Math.floor(now() / 1_000)) : undefined,
				belowConfidence: drop.belowConfidence,
				unreachable: drop.unreachable,
				limit: LIMITS.optimisedScanned,
			});
			const chosen = distinct(found).flatMap((each) => dropped(each, drop, at.height) ?? []);
			const taken = chosen.slice(0, LIMITS.optimisedMemories);
			const items = taken.slice(0, LIMITS.partialItems).map(({ item }) => item);
			const view: OptimisePlanView = {
				at,
				counts: countsOf(taken.map(({ item }) => item)),
				frees: freedBy(taken.map(({ found: each }) => each)),
				refresh: refresh ? this.#refreshable(chain) : undefined,
				items,
				truncated: items.length < taken.length,
				complete: taken.length === chosen.length && found.length < LIMITS.optimisedScanned,
			};
			return { view, entries: taken.map(({ item }) => [deletion(item)]) };
		});
	}
}

interface Chosen {
	readonly found: Droppable;
	readonly item: DroppedMemory;
}

/** Undefined: it has not faded that far. */
function dropped(
	found: Droppable,
	{ belowConfidence }: OptimiseRequest["drop"],
	height: Height,
): Chosen | undefined {
	const { namespace, id, layer, versionId } = found;
	const confidence = confidenceNow(found, height);
	const isLow =
		belowConfidence !== undefined && confidence !== undefined && confidence < belowConfidence;
	const reason = found.reason ?? (isLow ? "low_confidence" : undefined);
	if (reason === undefined) return undefined;
	return { found, item: { namespace, id, layer, reason, versionId, confidence } };
}

/** The first reason that was found for each memory. */
function distinct(found: readonly Droppable[]): readonly Droppable[] {
	const byKey = new Map<string, Droppable>();
	for (const each of found) {
		const known = byKey.get(each.memoryKey);
		if (known === undefined || known.reason === undefined) byKey.set(each.memoryKey, each);
	}
	return [...byKey.values()];
}

function countsOf(items: readonly DroppedMemory[]): Readonly<Record<DropReason, number>> {
	const counts = { ...NO_COUNTS };
	for (const { reason } of items) counts[reason] += 1;
	return counts;
}

function freedBy(found: readonly Droppable[]): OptimisePlanView["frees"] {
	return {
		memories: found.length,
		bytes: found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
		vectors: found.filter(({ hasVector }) => hasVector).length,
	};
}

function deletion({ namespace, id, versionId }: DroppedMemory): Operation {
	return { kind: "delete", namespace, id, ifVersion: versionId };
}

/** What was asked for: the same request gives the same hash, and no other kind of request does. */
function hashOf(request: OptimiseRequest): Uint8Array {
	return createHash("sha256")
		.update("recant.optimise-request.v1\0")
		.update(canonicalJson(toWire(request) as JsonObject))
		.digest();
}

function requireAgents({ spec }: Chain, namespace: string): void {
	if (!spec.namespaces.includes(namespace)) return;
	throw new FatalError("handler_owned", {
		message: `namespace "${namespace}" belongs to the chain's handlers`,
		hint: "what handlers derived goes with the blocks that it was derived from",
		fields: { namespace },
	});
}
