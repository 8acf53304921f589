/** Repairs in Postgres: what they read, what they change, and what is kept of them. */
import { hash } from "node:crypto";
import type { ConsistencyRun, KeptFinding } from "../../consistency/consistency-run.ts";
import type { ConsistencyStore } from "../../consistency/consistency-store.ts";
import { LEVELS, type Subject } from "../../consistency/finding.ts";
import type { RepairOutcome, RowChange, RowRepair } from "../../consistency/repair/repair-plan.ts";
import type {
	Repair,
	RepairBatch,
	RepairEnd,
	RepairRows,
	RepairStore,
	RowEffect,
} from "../../consistency/repair/repair-store.ts";
import type { StoredState } from "../../consistency/stored-state.ts";
import { RetryableError } from "../../domain/errors.ts";
import type { ChainId, Generation, Height, Hex, LogPosition, MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject } from "../../domain/operation.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import type { LogEntry } from "../../writer/commit-batch.ts";
import { toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import { logChecksum } from "../row-checksum.ts";
import { beginRowsEpoch } from "../rows-epoch.ts";
import type { Tx } from "../sql.ts";
import { applyChange, rowText } from "./repair-changes.ts";
import { PostgresRepairRows } from "./repair-rows.ts";
import { StoredStateView } from "./stored-state-view.ts";

/** Findings of one page. */
const FINDINGS = 1_000;
/** Runs of each level that are looked at for one that found something: basic ones come every minute. */
const RECENT_RUNS = 100;

interface Expected {
	readonly fence: bigint;
	readonly generation: Generation;
	readonly logPosition: LogPosition;
	readonly head: Height;
}

export class PostgresRepairStore implements RepairStore {
	readonly #database: Database;
	readonly #runs: ConsistencyStore;

	constructor(database: Database, runs: ConsistencyStore) {
		this.#database = database;
		this.#runs = runs;
	}

	async read<Result>(
		chainId: ChainId,
		work: (state: StoredState, rows: RepairRows) => Promise<Result>,
	): Promise<Result> {
		return this.#database.snapshot(async (tx) => {
			const state = new StoredStateView(tx, chainId);
			await state.begin();
			return work(state, new PostgresRepairRows(tx, chainId));
		});
	}

	async run(chainId: ChainId, runId: string): Promise<ConsistencyRun | undefined> {
		const run = await this.#runs.load(runId);
		return run?.chainId === chainId ? run : undefined;
	}

	async lastRun(chainId: ChainId): Promise<ConsistencyRun | undefined> {
		const query = { limit: RECENT_RUNS, before: undefined };
		const ofLevels = await Promise.all(
			LEVELS.map((level) => this.#runs.runs(chainId, { ...query, level })),
		);
		const found = ofLevels
			.flat()
			.filter(
				({ state, counts }) =>
					(state === "done" || state === "failed") &&
					Object.values(counts).some((count) => count > 0),
			)
			.sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
		// A basic run comes by the clock, and names few records.
		return found.find(({ level }) => level !== "basic") ?? found[0];
	}

	async findings(runId: string): Promise<readonly KeptFinding[]> {
		const found: KeptFinding[] = [];
		for (let after = 0; ; ) {
			const page = await this.#runs.findings(runId, { after, limit: FINDINGS });
			found.push(...page);
			const last = page.at(-1);
			if (last === undefined || page.length < FINDINGS) return found;
			after = last.seq;
		}
	}

	async apply(batch: RepairBatch, expected: Expected): Promise<boolean> {
		if (batch.rows.length === 0 && batch.pointer === undefined) return true;
		return this.#database.transaction(async (tx) => {
			await requireFence(tx, batch.chainId, expected);
			if (batch.pointer !== undefined && !(await movePointer(tx, batch))) return false;
			const effects = await changeRows(tx, batch);
			if (batch.rows.length > 0) await beginRowsEpoch(tx, batch.chainId);
			const entries = [
				...batch.rows.map((row, index) => rowEntry(batch, row, effects[index])),
				...pointerEntries(batch),
			];
			await appendLog(tx, batch.chainId, expected, entries);
			return true;
		});
	}

	async begin(repair: Pick<Repair, "repairId" | "chainId" | "runId">): Promise<Repair> {
		const { repairId, chainId, runId } = repair;
		return this.#database.transaction(async (tx) => {
			await tx`
				update repairs set state = 'failed', finished_at = now(), error = ${toJson(BROKEN_OFF)}::text::jsonb
				where chain_id = ${chainId} and state = 'running'`;
			await tx`
				delete from repairs where repair_id in (select repair_id from repairs
					where chain_id = ${chainId} order by started_at desc offset ${LIMITS.repairHistory - 1})`;
			const [row] = await tx<RepairRow[]>`
				insert into repairs (repair_id, chain_id, run_id, state)
				values (${repairId}, ${chainId}, ${runId}, 'running') returning *, error::text as problem`;
			return repairOf(
				row ?? { ...EMPTY, repair_id: repairId, chain_id: BigInt(chainId), run_id: runId },
			);
		});
	}

	async end(repairId: string, { state, counts, outcomes, error }: RepairEnd): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update repairs set state = ${state}, counts = ${toJson(counts)}, outcomes = ${toJson(outcomes)},
					error = ${error === undefined ? null : toJson(error)}::text::jsonb, finished_at = now()
				where repair_id = ${repairId}`,
		);
	}

	async load(chainId: ChainId, repairId: string): Promise<Repair | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<RepairRow[]>`
				select *, error::text as problem from repairs
				where chain_id = ${chainId} and repair_id = ${repairId}`,
		);
		return row && repairOf(row);
	}

	async repairs(
		chainId: ChainId,
		{ limit, before }: { readonly limit: number; readonly before: string | undefined },
	): Promise<readonly Repair[]> {
		const rows = await this.#database.run(
			(sql) => sql<RepairRow[]>`
				select repair_id, chain_id, run_id, state, counts, '[]' as outcomes,
					error::text as problem, started_at, finished_at
				from repairs where chain_id = ${chainId} and (${before ?? null}::uuid is null
					or (started_at, repair_id) < (select started_at, repair_id from repairs
						where repair_id = ${before ?? null}::uuid))
				order by started_at desc, repair_id desc limit ${limit}`,
		);
		return rows.map(repairOf);
	}
}

async function requireFence(tx: Tx, chainId: ChainId, expected: Expected): Promise<void> {
	const [held] = await tx`
		select 1 from chains where chain_id = ${chainId} and fence = ${expected.fence}
			and generation = ${expected.generation} and log_position = ${expected.logPosition}
		for update`;
	if (held !== undefined) return;
	throw new RetryableError("lease_lost", {
		message: `a repair at log position ${expected.logPosition} of chain ${chainId} came too late`,
		hint: "the chain is another process's, or has moved; run the repair again",
		fields: { chainId, logPosition: expected.logPosition.toString() },
	});
}

async function movePointer(tx: Tx, { chainId, pointer }: RepairBatch): Promise<boolean> {
	if (pointer === undefined) return true;
	const { collection, from, to } = pointer;
	const { count } = await tx`
		update collections set table_version = ${to.tableVersion}, pointer_version_id = ${to.versionId},
			pointer_at = to_timestamp(${to.at} / 1000.0)
		where chain_id = ${chainId} and name = ${collection} and table_version = ${from.tableVersion}
			and pointer_version_id = ${from.versionId}`;
	return count === 1;
}

/** All that is asked goes out at once, and is answered in order. */
async function changeRows(tx: Tx, { chainId, rows }: RepairBatch): Promise<readonly Texts[]> {
	const steps = rows.map(async ({ change }) => {
		const [before, , after] = await Promise.all([
			rowText(tx, chainId, change),
			applyChange(tx, chainId, change),
			rowText(tx, chainId, change),
		]);
		return { before, after };
	});
	return Promise.all(steps);
}

/** A row before and after, as JSON. */
type Texts = { readonly [Side in keyof RowEffect]: string | undefined };

type Entry = Pick<LogEntry, "memoryKey" | "body">;

function rowEntry(batch: RepairBatch, row: RowRepair, texts: Texts | undefined): Entry {
	const { change, class: kind, source } = row;
	const { before, after } = texts ?? { before: undefined, after: undefined };
	return {
		memoryKey: keyOf(change),
		body: canonicalJson({
			repairId: batch.repairId,
			class: kind,
			table: change.table,
			action: "put" in change ? "put" : "remove",
			source,
			...hashed("before", before),
			...hashed("after", after),
			// What is taken out stays readable.
			...(after === undefined && before !== undefined ? { removed: before } : {}),
		}),
	};
}

function hashed(side: "before" | "after", text: string | undefined): JsonObject {
	return text === undefined ? {} : { [side]: sha256(text) };
}

function sha256(text: string): Hex {
	return `0x${hash("sha256", text)}`;
}

function keyOf(change: RowChange): MemoryKey | undefined {
	if (change.table === "versions") {
		return "put" in change ? change.put.memoryKey : change.remove.memoryKey;
	}
	if (change.table === "links") {
		return "put" in change ? change.put.linkKey : change.remove.linkKey;
	}
	if (!("put" in change)) return undefined;
	switch (change.table) {
		case "derivations":
		case "memories":
		case "vector_rows":
			return change.put.memoryKey;
		default:
			return undefined;
	}
}

function pointerEntries({ pointer, repairId }: RepairBatch): readonly Entry[] {
	if (pointer === undefined) return [];
	const { collection, detail, from, to } = pointer;
	const shown = ({ tableVersion, versionId }: typeof from): JsonObject => ({
		tableVersion: tableVersion.toString(),
		versionId: versionId.toString(),
	});
	const body = { repairId, table: "collections", action: "settle", collection, detail };
	return [
		{
			memoryKey: undefined,
			body: canonicalJson({ ...body, before: shown(from), after: shown(to) }),
		},
	];
}

async function appendLog(
	tx: Tx,
	chainId: ChainId,
	{ generation, logPosition, head }: Expected,
	entries: readonly Entry[],
): Promise<void> {
	const rows = entries.map(({ memoryKey, body }, index) => {
		const position = logPosition + 1n + BigInt(index);
		const entry = { position, generation, height: head, kind: "repair", body } as const;
		const checksum = logChecksum({ ...entry, operationId: undefined, memoryKey });
		return { chain_id: chainId, ...entry, memory_key: memoryKey ?? null, checksum };
	});
	await tx`insert into log ${tx(rows)}`;
	await tx`
		update chains set log_position = ${logPosition + BigInt(rows.length)}
		where chain_id = ${chainId}`;
}

const BROKEN_OFF = {
	code: "interrupted",
	message: "the process ended while it was under way",
	hint: "run the repair again; what it has done stays",
};

interface RepairRow {
	readonly repair_id: string;
	readonly chain_id: bigint;
	readonly run_id: string;
	readonly state: Repair["state"];
	readonly counts: string;
	readonly outcomes: string;
	readonly problem: string | null;
	readonly started_at: Date;
	readonly finished_at: Date | null;
}

const EMPTY = {
	state: "running",
	counts: "{}",
	outcomes: "[]",
	problem: null,
	started_at: new Date(0),
	finished_at: null,
} as const;

function repairOf(row: RepairRow): Repair {
	return {
		repairId: row.repair_id,
		chainId: Number(row.chain_id),
		runId: row.run_id,
		state: row.state,
		counts: { planned: 0, repaired: 0, sound: 0, person: 0, ...(JSON.parse(row.counts) as object) },
		outcomes: (JSON.parse(row.outcomes) as OutcomeJson[]).map(outcomeOf),
		error:
			row.problem === null ? undefined : (JSON.parse(row.problem) as NonNullable<Repair["error"]>),
		startedAt: row.started_at,
		finishedAt: row.finished_at ?? undefined,
	};
}

type NumberField = "versionId" | "fromBlock" | "fromGen" | "position";
/** An outcome as `toJson` writes it. */
type OutcomeJson = Omit<RepairOutcome, "subject"> & {
	readonly subject: Partial<Omit<Subject, NumberField>> &
		Pick<Subject, "store" | "table"> &
		Partial<Record<NumberField, string>>;
};

function outcomeOf({ subject, ...outcome }: OutcomeJson): RepairOutcome {
	const number = (text: string | undefined) => (text === undefined ? undefined : BigInt(text));
	return {
		...outcome,
		subject: {
			store: subject.store,
			table: subject.table,
			memoryKey: subject.memoryKey,
			namespace: subject.namespace,
			id: subject.id,
			versionId: number(subject.versionId),
			fromBlock: number(subject.fromBlock),
			fromGen: number(subject.fromGen),
			position: number(subject.position),
			collection: subject.collection,
		},
	};
}
