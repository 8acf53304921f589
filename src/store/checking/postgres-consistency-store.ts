/** Consistency runs and their findings in Postgres, and the snapshot that a run reads. */
import type {
	ConsistencyRun,
	KeptFinding,
	NewRun,
	RuleResult,
	RunCause,
	RunEnd,
	RunProblem,
	RunState,
} from "../../consistency/consistency-run.ts";
import type {
	ConsistencyStore,
	FindingQuery,
	RunQuery,
} from "../../consistency/consistency-store.ts";
import { type Level, NO_FINDINGS, type SeverityCounts } from "../../consistency/finding.ts";
import type { RunCoordinate } from "../../consistency/rule.ts";
import type { SampleRequest } from "../../consistency/sampling.ts";

import type { StoredState } from "../../consistency/stored-state.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VectorPointers } from "../../writer/commit-batch.ts";
import { toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { StoredStateView } from "./stored-state-view.ts";

export class PostgresConsistencyStore implements ConsistencyStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async read<Result>(
		chainId: ChainId,
		work: (state: StoredState) => Promise<Result>,
	): Promise<Result> {
		return this.#database.snapshot((tx) => work(new StoredStateView(tx, chainId)));
	}

	async pointers(chainId: ChainId): Promise<VectorPointers> {
		const rows = await this.#database.run(
			(sql) => sql<PointerRow[]>`
				select name, table_version, pointer_version_id, pointer_at from collections
				where chain_id = ${chainId}`,
		);
		return Object.fromEntries(
			rows.map((row) => [
				row.name,
				{
					tableVersion: row.table_version,
					versionId: row.pointer_version_id,
					at: row.pointer_at.getTime(),
				},
			]),
		);
	}

	async create(run: NewRun): Promise<ConsistencyRun> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RunRow[]>`
				insert into consistency_runs (run_id, chain_id, level, state, cause, rules)
				values (${run.runId}, ${run.chainId}, ${run.level}, 'queued', ${run.cause},
					${toJson({ sample: run.sample, results: {} })}) returning *`;
			if (row === undefined) throw lost(run.runId);
			return runOf(row);
		});
	}

	async begin(runId: string, at: RunCoordinate): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update consistency_runs set state = 'running', started_at = now(),
					generation = ${at.generation}, height = ${at.height}, log_position = ${at.logPosition}
				where run_id = ${runId}`,
		);
	}

	async addFindings(runId: string, findings: readonly KeptFinding[]): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				insert into findings (run_id, seq, class, severity, body)
				select ${runId}, r.* from unnest(
					${pgArray(findings.map((finding) => finding.seq))}::integer[],
					${pgArray(findings.map((finding) => finding.class))}::text[],
					${pgArray(findings.map((finding) => finding.severity))}::text[],
					${pgArray(findings.map((finding) => toJson(finding)))}::text[]
				) as r(seq, class, severity, body)
				on conflict do nothing`,
		);
	}

	async end(runId: string, end: RunEnd): Promise<void> {
		await this.#database.transaction(async (tx) => {
			const [row] = await tx<{ chain_id: bigint }[]>`
				update consistency_runs set state = ${end.state}, score = ${end.score ?? null},
					rules = jsonb_set(rules::jsonb, '{results}', ${toJson(end.rules)}::text::jsonb)::text,
					counts = ${toJson(end.counts)},
					error = ${end.error === undefined ? null : toJson(end.error)}::text::jsonb,
					finished_at = now()
				where run_id = ${runId} returning chain_id`;
			if (row === undefined) return;
			// A basic run comes every minute: those of the other levels are kept longer, each by itself.
			const gone = await tx<{ run_id: string }[]>`
				delete from consistency_runs where run_id in (
					select run_id from (
						select run_id, row_number() over (partition by level order by started_at desc) as nth
						from consistency_runs where chain_id = ${row.chain_id} and finished_at is not null
					) ranked where nth > ${LIMITS.consistencyRuns}
				) and not exists (select 1 from repairs r where r.run_id = consistency_runs.run_id)
				returning run_id`;
			await tx`delete from findings
				where run_id = any(${pgArray(gone.map((each) => each.run_id))}::uuid[])`;
		});
	}

	async endInterrupted(chainId: ChainId, known: ReadonlySet<string>): Promise<void> {
		const error = {
			code: "interrupted",
			message: "the process that ran it ended, or gave the chain up",
			hint: "run the check again",
		};
		await this.#database.run(
			(sql) => sql`
				update consistency_runs set state = 'failed', finished_at = now(),
					error = ${toJson(error)}::text::jsonb
				where chain_id = ${chainId} and state = 'running'
					and not run_id = any(${pgArray([...known])}::uuid[])`,
		);
	}

	async queued(chainId: ChainId, limit: number): Promise<readonly ConsistencyRun[]> {
		const rows = await this.#database.run(
			(sql) => sql<RunRow[]>`
				select * from consistency_runs where chain_id = ${chainId} and state = 'queued'
				order by started_at, run_id limit ${limit}`,
		);
		return rows.map(runOf);
	}

	async load(runId: string): Promise<ConsistencyRun | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RunRow[]>`
				select * from consistency_runs where run_id = ${runId}`;
			return row && runOf(row);
		});
	}

	async runs(
		chainId: ChainId,
		{ before, level, limit }: RunQuery,
	): Promise<readonly ConsistencyRun[]> {
		const rows = await this.#database.run(
			(sql) => sql<RunRow[]>`
				select * from consistency_runs where chain_id = ${chainId}
					and (${before === undefined} or (started_at, run_id) < (
						select started_at, run_id from consistency_runs where run_id = ${before ?? null}))
					and (${level === undefined} or level = ${level ?? null})
				order by started_at desc, run_id desc limit ${limit}`,
		);
		return rows.map(runOf);
	}

	async lastDone(chainId: ChainId): Promise<ConsistencyRun | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RunRow[]>`
				select * from consistency_runs where chain_id = ${chainId} and state = 'done'
				order by started_at desc limit 1`;
			return row && runOf(row);
		});
	}

	async findings(runId: string, query: FindingQuery): Promise<readonly KeptFinding[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ body: string }[]>`
				select body from findings where run_id = ${runId} and seq > ${query.after}
				order by seq limit ${query.limit}`,
		);
		return rows.map((row) => findingOf(row.body));
	}
}

/** A finding as `toJson` wrote it: bigints are decimal strings, what is undefined is not there. */
function findingOf(json: string): KeptFinding {
	const { subject, since, ...rest } = JSON.parse(json) as Record<string, never> & {
		readonly subject: Record<string, string>;
		readonly since?: string;
	};
	const number = (value: string | undefined) => (value === undefined ? undefined : BigInt(value));
	return {
		...(rest as unknown as Omit<KeptFinding, "subject" | "since">),
		since: number(since),
		subject: {
			store: subject["store"],
			table: subject["table"],
			memoryKey: subject["memoryKey"],
			namespace: subject["namespace"],
			id: subject["id"],
			versionId: number(subject["versionId"]),
			fromBlock: number(subject["fromBlock"]),
			fromGen: number(subject["fromGen"]),
			position: number(subject["position"]),
			collection: subject["collection"],
		} as KeptFinding["subject"],
	};
}

interface PointerRow {
	readonly name: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
}

interface RunRow {
	readonly run_id: string;
	readonly chain_id: bigint;
	readonly level: Level;
	readonly state: RunState;
	readonly cause: RunCause;
	readonly generation: bigint | null;
	readonly height: bigint | null;
	readonly log_position: bigint | null;
	readonly score: number | null;
	readonly rules: string;
	readonly counts: string;
	readonly error: RunProblem | null;
	readonly started_at: Date;
	readonly finished_at: Date | null;
}

/** The column `rules`. */
interface StoredRules {
	readonly sample?: SampleRequest;
	readonly results?: Readonly<Record<string, RuleResult>>;
}

function runOf(row: RunRow): ConsistencyRun {
	const { generation, height, log_position: logPosition } = row;
	const { sample, results } = JSON.parse(row.rules) as StoredRules;
	const begun = generation !== null && height !== null && logPosition !== null;
	return {
		runId: row.run_id,
		chainId: Number(row.chain_id),
		level: row.level,
		state: row.state,
		cause: row.cause,
		sample,
		at: begun ? { generation, height, logPosition } : undefined,
		score: row.score ?? undefined,
		rules: results ?? {},
		counts: { ...NO_FINDINGS, ...(JSON.parse(row.counts) as Partial<SeverityCounts>) },
		error: row.error ?? undefined,
		startedAt: row.started_at,
		finishedAt: row.finished_at ?? undefined,
	};
}

function lost(runId: string): FatalError {
	return new FatalError("internal", {
		message: `run ${runId} was not recorded`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
