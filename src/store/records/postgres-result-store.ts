/** Recorded results in the table `results`. */
import type { ChainId } from "../../domain/ids.ts";
import type { RecordedResults, StoredResult } from "../../service/records/recorded-results.ts";
import type { ResultName } from "../../service/records/results-service.ts";
import { hexBytes } from "../codec.ts";
import type { Database } from "../database.ts";

interface ResultRow {
	readonly output: string;
	readonly created_at: Date;
}

export class PostgresResultStore implements RecordedResults {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async get(chainId: ChainId, name: ResultName): Promise<StoredResult | undefined> {
		const { namespace, model, inputHash } = name;
		const hash = hexBytes(inputHash);
		const [row] = await this.#database.run(
			(sql) => sql<(ResultRow & { readonly idle: boolean })[]>`
				select output, created_at, used_at < now() - interval '1 hour' as idle from results
				where chain_id = ${chainId} and namespace = ${namespace} and model = ${model}
					and input_hash = ${hash}`,
		);
		if (row?.idle === true) await this.#used(chainId, name);
		return row && storedOf(row);
	}

	async put(
		chainId: ChainId,
		name: ResultName,
		{ output, replace }: { readonly output: string; readonly replace: boolean },
	): Promise<StoredResult & { readonly created: boolean }> {
		const { namespace, model, inputHash } = name;
		// A conflict writes too, so that the row is answered whoever made it.
		const [row] = await this.#database.run(
			(sql) => sql<(ResultRow & { readonly created: boolean })[]>`
				insert into results as kept (chain_id, namespace, model, input_hash, output)
				values (${chainId}, ${namespace}, ${model}, ${hexBytes(inputHash)}, ${output})
				on conflict (chain_id, namespace, model, input_hash) do update set used_at = now(),
					output = case when ${replace} then excluded.output else kept.output end,
					created_at = case when ${replace} and kept.output <> excluded.output
						then now() else kept.created_at end
				returning output, created_at, xmax = 0 as created`,
		);
		return { output, createdAt: new Date(), created: true, ...(row && rowOf(row)) };
	}

	/** To the hour, which is fine enough for a retention of months and writes little. */
	async #used(chainId: ChainId, { namespace, model, inputHash }: ResultName): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update results set used_at = now() where chain_id = ${chainId}
					and namespace = ${namespace} and model = ${model} and input_hash = ${hexBytes(inputHash)}`,
		);
	}
}

function rowOf(row: ResultRow & { readonly created: boolean }) {
	return { ...storedOf(row), created: row.created };
}

function storedOf(row: ResultRow): StoredResult {
	return { output: row.output, createdAt: row.created_at };
}
