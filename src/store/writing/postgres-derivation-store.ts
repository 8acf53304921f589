import type { ChainId, Hex, LogPosition } from "../../domain/ids.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import type { DerivationStore } from "../../service/layers/consolidation-runner.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";

export class PostgresDerivationStore implements DerivationStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async sourcesOf(chainId: ChainId, positions: readonly LogPosition[]) {
		const rows = await this.#database.run(
			(sql) => sql<SourceRow[]>`
				select position, source_namespace, source_id, source_hash from derivations
				where chain_id = ${chainId} and position = any(${pgArray(positions)}::bigint[])
				order by position, set_no, source_no`,
		);
		const found = new Map<LogPosition, SourceRef[]>();
		for (const row of rows) {
			const contentHash: Hex = `0x${Buffer.from(row.source_hash).toString("hex")}`;
			const source = { namespace: row.source_namespace, id: row.source_id, contentHash };
			const sources = found.get(row.position) ?? [];
			sources.push(source);
			found.set(row.position, sources);
		}
		return found;
	}
}

interface SourceRow {
	readonly position: bigint;
	readonly source_namespace: string;
	readonly source_id: string;
	readonly source_hash: Uint8Array;
}
