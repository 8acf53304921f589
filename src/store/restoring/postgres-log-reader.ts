import { FatalError } from "../../domain/errors.ts";
import type { ChainId, LogPosition, MemoryKey, OperationId } from "../../domain/ids.ts";
import type { JsonObject } from "../../domain/operation.ts";
import { parseContent } from "../../memory/canonical.ts";
import {
	type LoggedEntry,
	type LogReader,
	type RollbackMark,
	STATE_KINDS,
	type StateKind,
} from "../../restore/log-reader.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { logChecksum } from "../row-checksum.ts";

interface Range {
	readonly above: LogPosition;
	readonly to: LogPosition;
}

export class PostgresLogReader implements LogReader {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	/** What was logged before the state was derived anew gives another state. */
	async cutTo(chainId: ChainId): Promise<LogPosition> {
		const [row] = await this.#database.run(
			(sql) => sql<{ cut_to: bigint }[]>`
				select greatest(log_cut_to, derived_position) as cut_to from chains
				where chain_id = ${chainId}`,
		);
		return row?.cut_to ?? 0n;
	}

	async rollbacks(chainId: ChainId): Promise<readonly RollbackMark[]> {
		// One a generation: its own entry has its ancestor, and is the first of the generation.
		const rows = await this.#database.run(
			(sql) => sql<{ position: bigint; generation: bigint; height: bigint }[]>`
				select position, generation, height from log
				where chain_id = ${chainId} and kind = 'rollback' order by position`,
		);
		return rows.map(({ position, generation, height }) => ({
			position,
			generation,
			ancestor: height,
		}));
	}

	async hasGroups(chainId: ChainId, { above, to }: Range): Promise<boolean> {
		const [row] = await this.#database.run(
			(sql) => sql<{ found: boolean }[]>`
				select exists (select 1 from log where chain_id = ${chainId} and kind = 'derived'
					and position > ${above} and position <= ${to}) as found`,
		);
		return row?.found === true;
	}

	async entries(
		chainId: ChainId,
		{ above, to, limit }: Range & { readonly limit: number },
	): Promise<readonly LoggedEntry[]> {
		const rows = await this.#database.run(
			(sql) => sql<EntryRow[]>`
				select l.position, l.generation, l.height, l.kind, l.operation_id, l.memory_key, l.body,
					l.checksum, a.position as a_position, a.generation as a_generation, a.height as a_height,
					a.kind as a_kind, a.operation_id as a_operation_id, a.memory_key as a_memory_key,
					a.body as a_body, a.checksum as a_checksum
				from log l
				left join operations o on l.kind = 'verdict' and o.chain_id = l.chain_id
					and o.operation_id = l.operation_id
				left join log a on a.chain_id = o.chain_id and a.position = o.position
				where l.chain_id = ${chainId} and l.position > ${above} and l.position <= ${to}
					and l.kind = any(${pgArray(STATE_KINDS)}::text[])
				order by l.position limit ${limit}`,
		);
		return rows.map(loggedEntry);
	}
}

interface LogRow {
	readonly position: bigint;
	readonly generation: bigint;
	readonly height: bigint;
	readonly kind: StateKind;
	readonly operation_id: string | null;
	readonly memory_key: string | null;
	readonly body: string;
	readonly checksum: Uint8Array;
}

/** Of a verdict, with the entry by which its operation was admitted. */
type EntryRow = LogRow & {
	readonly [Column in keyof LogRow as `a_${Column}`]: LogRow[Column] | null;
};

function loggedEntry(row: EntryRow): LoggedEntry {
	const { position, height, kind } = row;
	return {
		position,
		height,
		kind,
		operationId: (row.operation_id ?? undefined) as OperationId | undefined,
		body: checkedBody(row),
		admitted: admittedBy(row),
	};
}

function admittedBy(row: EntryRow): LoggedEntry["admitted"] {
	const { a_position: position, a_generation: generation, a_height: height, a_body: body } = row;
	if (position === null || generation === null || height === null || body === null)
		return undefined;
	const checked = checkedBody({
		position,
		generation,
		height,
		body,
		kind: row.a_kind ?? "operation",
		operation_id: row.a_operation_id,
		memory_key: row.a_memory_key,
		checksum: row.a_checksum ?? new Uint8Array(),
	});
	return { position, height, body: checked };
}

function checkedBody(row: LogRow): JsonObject {
	const { position, generation, height, kind, body } = row;
	const checksum = logChecksum({
		position,
		generation,
		height,
		kind,
		operationId: (row.operation_id ?? undefined) as OperationId | undefined,
		memoryKey: (row.memory_key ?? undefined) as MemoryKey | undefined,
		body,
	});
	if (Buffer.compare(checksum, row.checksum) === 0) return parseContent(body);
	throw new FatalError("verification_failed", {
		message: `the log entry at position ${position} is damaged: its checksum is another`,
		hint: "restore from a snapshot above it, or the database from a backup",
		fields: { position: position.toString() },
	});
}
