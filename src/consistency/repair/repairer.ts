/**
 * Carries a plan out, by whoever writes the chain.
 *
 * 1. The plan that is carried out is made between two commits, under the lease, from the rows as they are
 *    then: findings only say where to look.
 * 2. Rows change in transactions that also hold their log entries, fenced as commits are. A table of
 *    LanceDB is written first and its pointer moves after, as a flush does it.
 * 3. Everything may be done again: what is right already is left alone, so a repair that was broken off
 *    is simply run again.
 * 4. No state changes: the tree stays, and where it was built from damaged rows it is built again and
 *    must give the recorded roots before the chain goes on.
 */
import { FatalError, RetryableError } from "../../domain/errors.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Logger } from "../../domain/logger.ts";
import type { VectorTables } from "../../vectors/vector-tables.ts";
import type { ChainState } from "../../writer/chain-state.ts";
import type { ChainWriter } from "../../writer/chain-writer.ts";
import type { SealedStates } from "../../writer/sealed-states.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { FindingClass } from "../finding.ts";
import { makePlan } from "./make-plan.ts";
import type { PlanContext, RepairParts } from "./plan-context.ts";
import type { RepairOutcome, RepairPlan, RowRepair, TableRepair } from "./repair-plan.ts";
import type { Repair, RepairStore } from "./repair-store.ts";
import { replaceTable } from "./replace-table.ts";

/** Tries of one table whose pointer a flush moves meanwhile. */
const TABLE_ATTEMPTS = 5;

/** The running chain, as far as a repair needs it. */
export interface RepairedChain extends Omit<RepairParts, "tables"> {
	/** Undefined: this process does not write the chain. */
	readonly writer: () => ChainWriter | undefined;
	readonly tables: RepairParts["tables"] & Pick<VectorTables, "create" | "append" | "rewrite">;
	/** Forgets a memory's working copy; undefined: there is no working memory. */
	readonly drop: ((chainId: ChainId, key: MemoryKey) => Promise<void>) | undefined;
	/** What the chain stood still for may be mended: it is tried again. */
	readonly resume: () => void;
}

export interface RepairRequest {
	readonly chainId: ChainId;
	readonly runId: string;
	/** Undefined: every class. */
	readonly classes: readonly FindingClass[] | undefined;
}

export class Repairer {
	readonly #store: RepairStore;
	readonly #log: Logger;

	constructor(options: { readonly store: RepairStore; readonly log: Logger }) {
		this.#store = options.store;
		this.#log = options.log;
	}

	/** What `apply` would do now. Changes nothing. */
	async plan(request: RepairRequest, chain: RepairedChain): Promise<RepairPlan> {
		const findings = await this.#findings(request);
		const writer = writerOf(chain, request.chainId);
		return writer.between((state, states) =>
			this.#plan(request, { findings, chain, state, states, halted: writer.halted?.code }),
		);
	}

	/** Ends the repair in every case, and answers it. */
	async apply(repair: Repair, request: RepairRequest, chain: RepairedChain): Promise<Repair> {
		let outcomes: readonly RepairOutcome[] = [];
		try {
			outcomes = await this.#apply(repair, request, chain);
			return await this.#end(repair, { state: "done", outcomes, error: undefined });
		} catch (error) {
			this.#log.warn(
				{ repairId: repair.repairId, err: error },
				"a repair could not be carried out",
			);
			return this.#end(repair, { state: "failed", outcomes, error: problemOf(error) });
		}
	}

	async #apply(
		{ repairId }: Repair,
		request: RepairRequest,
		chain: RepairedChain,
	): Promise<readonly RepairOutcome[]> {
		const { chainId } = request;
		const findings = await this.#findings(request);
		const writer = writerOf(chain, chainId);
		const plan = await writer.exclusive(async (state, states) => {
			const halted = writer.halted?.code;
			const made = await this.#plan(request, { findings, chain, state, states, halted });
			await this.#rows(repairId, made, state);
			return made;
		});
		for (const table of plan.tables) {
			await this.#table(repairId, table, { request, findings, chain, writer });
		}
		for (const key of plan.drops) await chain.drop?.(chainId, key);
		await goOn(writer);
		chain.resume();
		return plan.outcomes.map((outcome) =>
			outcome.status === "planned" ? { ...outcome, status: "repaired" } : outcome,
		);
	}

	async #rows(repairId: string, { rows, chainId }: RepairPlan, state: ChainState): Promise<void> {
		let { logPosition } = state;
		for (const group of groupsOf(rows)) {
			const { fence, generation } = state;
			const head = state.head?.number ?? state.startBlock;
			const batch = { chainId, repairId, rows: group, pointer: undefined };
			await this.#store.apply(batch, { fence, generation, logPosition, head });
			logPosition += BigInt(group.length);
		}
	}

	/** The table first, beside all else; then the pointer, between two commits, if it is where it was. */
	async #table(
		repairId: string,
		planned: TableRepair,
		made: {
			readonly request: RepairRequest;
			readonly findings: readonly KeptFinding[];
			readonly chain: RepairedChain;
			readonly writer: ChainWriter;
		},
	): Promise<void> {
		const { request, findings, chain, writer } = made;
		let table: TableRepair | undefined = planned;
		for (let attempt = 1; table !== undefined; attempt += 1) {
			const { collection, pointer: from }: TableRepair = table;
			const to = await replaceTable(chain.tables, table);
			const detail = `${table.class}: ${table.remove.length} ids out, ${table.add.length} rows in`;
			const moved = await writer.exclusive(({ fence, generation, logPosition, head, startBlock }) =>
				this.#store.apply(
					{
						chainId: request.chainId,
						repairId,
						rows: [],
						pointer: { collection, from, to, detail },
					},
					{ fence, generation, logPosition, head: head?.number ?? startBlock },
				),
			);
			if (moved) return;
			if (attempt === TABLE_ATTEMPTS) throw neverStill(collection);
			const halted = writer.halted?.code;
			const again = await writer.between((state, states) =>
				this.#plan(request, { findings, chain, state, states, halted }),
			);
			table = again.tables.find((each) => each.collection === collection);
		}
	}

	async #plan(
		{ chainId, runId }: RepairRequest,
		made: {
			readonly findings: readonly KeptFinding[];
			readonly chain: RepairedChain;
			readonly state: ChainState;
			readonly states: SealedStates;
			/** Code of what the chain is halted by. */
			readonly halted: string | undefined;
		},
	): Promise<RepairPlan> {
		const { findings, chain, states } = made;
		return this.#store.read(chainId, async (state, rows) => {
			const [generations, collections] = [await state.generations(), await state.collections()];
			const context: PlanContext = {
				chainId,
				findings,
				state,
				rows,
				parts: chain,
				// A tree that was built from damaged rows proves nothing.
				states: made.halted === "verification_failed" ? undefined : states,
				pointers: made.state.pointers,
				collections: new Map(collections.map((each) => [each.name, each])),
				kept: generations[0]?.generation ?? 0n,
				slot: (state.chain.head ?? state.chain.startBlock - 1n) + 1n,
			};
			return makePlan(runId, context);
		});
	}

	async #findings({ runId, classes }: RepairRequest): Promise<readonly KeptFinding[]> {
		const findings = await this.#store.findings(runId);
		return classes === undefined
			? findings
			: findings.filter((finding) => classes.includes(finding.class));
	}

	async #end(repair: Repair, end: Pick<Repair, "state" | "outcomes" | "error">): Promise<Repair> {
		const whole = { ...end, counts: countsOf(end.outcomes) };
		await this.#store.end(repair.repairId, whole);
		return { ...repair, ...whole, finishedAt: new Date() };
	}
}

/** By status. */
export function countsOf(outcomes: readonly RepairOutcome[]): Repair["counts"] {
	const counts = { planned: 0, repaired: 0, sound: 0, person: 0 };
	for (const { status } of outcomes) counts[status] += 1;
	return counts;
}

/** Rows of one memory, or of one height, stay together. */
function* groupsOf(rows: readonly RowRepair[]): Generator<readonly RowRepair[], void> {
	let group: RowRepair[] = [];
	let before: string | undefined;
	for (const row of rows) {
		const unit = unitOf(row);
		if (group.length >= LIMITS.repairRows && unit !== before) {
			yield group;
			group = [];
		}
		group.push(row);
		before = unit;
	}
	if (group.length > 0) yield group;
}

function unitOf({ change }: RowRepair): string {
	if (change.table !== "versions") return change.table;
	return "put" in change ? change.put.memoryKey : change.remove.memoryKey;
}

/** A chain that stood still because of its rows goes on when they give its roots again. */
async function goOn(writer: ChainWriter): Promise<void> {
	if (writer.halted?.code !== "verification_failed") return;
	// The state is read anew, and the tree is built from the rows as they are now.
	await writer.exclusive(async () => undefined);
}

function writerOf(chain: RepairedChain, chainId: ChainId): ChainWriter {
	const writer = chain.writer();
	if (writer !== undefined) return writer;
	throw new RetryableError("lease_lost", {
		message: `this process does not write chain ${chainId}`,
		hint: "ask the process that follows the chain; see the chain's status",
		fields: { chainId },
	});
}

function problemOf(error: unknown): NonNullable<Repair["error"]> {
	if (error instanceof FatalError || error instanceof RetryableError) {
		const { code, message, hint } = error;
		return { code, message, hint };
	}
	throw error;
}

function neverStill(collection: string): RetryableError {
	return new RetryableError("chain_busy", {
		message: `the pointer of collection ${collection} moved ${TABLE_ATTEMPTS} times while its table was repaired`,
		hint: "run the repair again; what it has done stays",
		fields: { collection },
	});
}
