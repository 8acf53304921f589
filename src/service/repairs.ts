/** Repairs as users see them: what one would do, carrying it out, and what was done. */
import { randomUUID } from "node:crypto";
import type { FindingClass } from "../consistency/finding.ts";
import type { RepairOutcome } from "../consistency/repair/repair-plan.ts";
import type { Repair, RepairStore } from "../consistency/repair/repair-store.ts";
import { countsOf, type RepairedChain, type Repairer } from "../consistency/repair/repairer.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "./reading/cursor.ts";
import type { Page } from "./recant-service.ts";

export interface RepairView {
	readonly id: string;
	readonly chainId: ChainId;
	/** Run whose findings it is about. */
	readonly runId: string;
	readonly state: Repair["state"];
	/** Outcomes by status. */
	readonly counts: Repair["counts"];
	/** One for each finding. */
	readonly outcomes: readonly RepairOutcome[];
	readonly error: Repair["error"];
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

export interface RepairPlanView
	extends Pick<RepairView, "chainId" | "runId" | "counts" | "outcomes"> {
	readonly dryRun: true;
}

export type RepairListView = Omit<RepairView, "outcomes">;

export interface RepairAsked {
	/** Undefined: the newest that found something. */
	readonly runId: string | undefined;
	/** Undefined: every class. */
	readonly classes: readonly FindingClass[] | undefined;
}

export interface RepairService {
	/** What would be done for each finding. Throws `run_not_found` and `lease_lost`. */
	planRepair(chain: string, asked: RepairAsked): Promise<RepairPlanView>;
	/** Carries it out and answers when it has ended. Throws `run_not_found`, `chain_busy` and `lease_lost`. */
	repair(chain: string, asked: RepairAsked): Promise<RepairView>;
	/** The newest first. */
	repairs(
		chain: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<Page<RepairListView>>;
	/** Throws `repair_not_found`. */
	oneRepair(chain: string, repairId: string): Promise<RepairView>;
}

export interface RepairsOptions {
	readonly store: RepairStore;
	readonly repairer: Repairer;
	/** Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
	/** Undefined: this process does not know the chain. */
	readonly chain: (chainId: ChainId) => RepairedChain | undefined;
}

export class Repairs implements RepairService {
	readonly #options: RepairsOptions;
	/** Chains that are being repaired. */
	readonly #busy = new Set<ChainId>();

	constructor(options: RepairsOptions) {
		this.#options = options;
	}

	async planRepair(chain: string, asked: RepairAsked): Promise<RepairPlanView> {
		const { request, known } = await this.#asked(chain, asked);
		const { chainId, runId, outcomes } = await this.#options.repairer.plan(request, known);
		return { dryRun: true, chainId, runId, counts: countsOf(outcomes), outcomes };
	}

	async repair(chain: string, asked: RepairAsked): Promise<RepairView> {
		const { request, known } = await this.#asked(chain, asked);
		const { chainId, runId } = request;
		if (known.writer() === undefined) throw notWritten(chainId);
		if (this.#busy.has(chainId)) throw busy(chainId);
		this.#busy.add(chainId);
		try {
			const begun = await this.#options.store.begin({ repairId: randomUUID(), chainId, runId });
			return repairView(await this.#options.repairer.apply(begun, request, known));
		} finally {
			this.#busy.delete(chainId);
		}
	}

	async repairs(
		chain: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<Page<RepairListView>> {
		const { store, chainId } = this.#options;
		const before = query.cursor === undefined ? undefined : repairOfCursor(query.cursor);
		const found = await store.repairs(chainId(chain), { limit: query.limit + 1, before });
		const page = found.slice(0, query.limit);
		const last = found.length > query.limit ? page.at(-1) : undefined;
		return {
			items: page.map((repair) => {
				const { outcomes: _, ...shown } = repairView(repair);
				return shown;
			}),
			cursor: last && encodeCursor({ r: last.repairId }),
		};
	}

	async oneRepair(chain: string, repairId: string): Promise<RepairView> {
		const id = this.#options.chainId(chain);
		const repair = await this.#options.store.load(id, repairId);
		if (repair === undefined) throw repairNotFound(id, repairId);
		return repairView(repair);
	}

	async #asked(chain: string, { runId, classes }: RepairAsked) {
		const { store, chainId: idOf } = this.#options;
		const chainId = idOf(chain);
		const run =
			runId === undefined ? await store.lastRun(chainId) : await store.run(chainId, runId);
		const known = this.#options.chain(chainId);
		if (run === undefined) throw runNotFound(chainId, runId);
		if (known === undefined) throw notWritten(chainId);
		return { request: { chainId, runId: run.runId, classes }, known };
	}
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function repairOfCursor(cursor: string): string {
	const { r } = decodeCursor(cursor, ["r"]);
	if (!UUID.test(r)) throw cursorInvalid();
	return r;
}

function repairView({ repairId, ...shown }: Repair): RepairView {
	return { id: repairId, ...shown };
}

function runNotFound(chainId: ChainId, runId: string | undefined): FatalError {
	const which = runId === undefined ? "run that found anything" : `run ${runId}`;
	return new FatalError("run_not_found", {
		message: `chain ${chainId} has no consistency ${which}`,
		hint: "run `recant check --level full` first; old runs are dropped",
		fields: { runId: runId ?? null },
	});
}

function repairNotFound(chainId: ChainId, repairId: string): FatalError {
	return new FatalError("repair_not_found", {
		message: `chain ${chainId} has no repair ${repairId}`,
		hint: "see the chain's repairs; old ones are dropped",
		fields: { repairId },
	});
}

function notWritten(chainId: ChainId): RetryableError {
	return new RetryableError("lease_lost", {
		message: `this process does not write chain ${chainId}`,
		hint: "repairs are made by the process that follows the chain: see `followedBy` in the chain's status, and ask that process, which needs the role api as well",
		fields: { chainId },
	});
}

function busy(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `chain ${chainId} is being repaired already`,
		hint: "wait until that repair has ended",
		fields: { chainId },
	});
}
