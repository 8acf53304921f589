import type { ChainId, LogPosition } from "../../../src/domain/ids.ts";
import { parseContent } from "../../../src/memory/canonical.ts";
import {
	type LoggedEntry,
	type LogReader,
	type RollbackMark,
	STATE_KINDS,
	type StateKind,
} from "../../../src/restore/log-reader.ts";
import type { LogEntry } from "../../../src/writer/commit-batch.ts";
import type { ChainTables } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { rising } from "./frozen.ts";

interface Range {
	readonly above: LogPosition;
	readonly to: LogPosition;
}

export class FakeLogReader implements LogReader {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async cutTo(chainId: ChainId): Promise<LogPosition> {
		return this.#database.find(chainId)?.row.logCutTo ?? 0n;
	}

	async rollbacks(chainId: ChainId): Promise<readonly RollbackMark[]> {
		return entriesOf(this.#database.find(chainId))
			.filter(({ kind }) => kind === "rollback")
			.map(({ position, generation, height }) => ({ position, generation, ancestor: height }));
	}

	async hasGroups(chainId: ChainId, range: Range): Promise<boolean> {
		const entries = entriesOf(this.#database.find(chainId));
		return entries.some((entry) => entry.kind === "derived" && isIn(entry, range));
	}

	async entries(
		chainId: ChainId,
		{ limit, ...range }: Range & { readonly limit: number },
	): Promise<readonly LoggedEntry[]> {
		const tables = this.#database.find(chainId);
		return entriesOf(tables)
			.filter((entry) => isIn(entry, range))
			.flatMap((entry) => logged(tables, entry))
			.slice(0, limit);
	}
}

function entriesOf(tables: ChainTables | undefined): readonly LogEntry[] {
	return (tables?.log.all() ?? []).toSorted((a, b) => rising(a.position, b.position));
}

function isIn({ position }: LogEntry, { above, to }: Range): boolean {
	return position > above && position <= to;
}

function logged(tables: ChainTables | undefined, entry: LogEntry): readonly LoggedEntry[] {
	const { position, height, kind, operationId } = entry;
	if (!isStateKind(kind)) return [];
	const admitted = kind === "verdict" ? admittedBy(tables, operationId) : undefined;
	return [{ position, height, kind, operationId, body: parseContent(entry.body), admitted }];
}

function isStateKind(kind: string): kind is StateKind {
	return (STATE_KINDS as readonly string[]).includes(kind);
}

function admittedBy(
	tables: ChainTables | undefined,
	operationId: LogEntry["operationId"],
): LoggedEntry["admitted"] {
	const operation = operationId === undefined ? undefined : tables?.operations.get(operationId);
	const entry = tables?.log.get(`${operation?.position}`);
	if (entry === undefined) return undefined;
	return { position: entry.position, height: entry.height, body: parseContent(entry.body) };
}
