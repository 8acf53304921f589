/** Embeddings in the table `embeddings`. */
import type { EmbeddingStore, KeptEmbedding } from "../../vectors/embedding-store.ts";
import { bytesVector, vectorBytes } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";

/** Rows of one statement: 6 MB of vectors of 1,536 floats, in hexadecimal twice that. */
const STATEMENT_ROWS = 1_000;

export class PostgresEmbeddingStore implements EmbeddingStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async find(model: string, hashes: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
		const found = new Map<string, Float32Array>();
		for (let from = 0; from < hashes.length; from += STATEMENT_ROWS) {
			const wanted = bytesArray(hashes.slice(from, from + STATEMENT_ROWS));
			const rows = await this.#database.run(
				(sql) => sql<{ input_hash: Uint8Array; vector: Uint8Array }[]>`
					select input_hash, vector from embeddings
					where model = ${model} and input_hash = any(${wanted}::bytea[])`,
			);
			for (const row of rows) {
				found.set(Buffer.from(row.input_hash).toString("hex"), bytesVector(row.vector));
			}
			if (rows.length > 0) await this.#used(model, wanted);
		}
		return found;
	}

	async keep(model: string, embeddings: readonly KeptEmbedding[]): Promise<void> {
		for (let from = 0; from < embeddings.length; from += STATEMENT_ROWS) {
			// In one order, so that two who keep the same texts do not wait for each other in a circle.
			const part = embeddings
				.slice(from, from + STATEMENT_ROWS)
				.toSorted((a, b) => (a.hash < b.hash ? -1 : 1));
			const hashes = bytesArray(part.map((each) => each.hash));
			const vectors = pgArray(part.map((each) => vectorBytes(each.vector)));
			await this.#database.run(
				(sql) => sql`
					insert into embeddings (model, input_hash, vector)
					select ${model}, hash, vector
					from unnest(${hashes}::bytea[], ${vectors}::bytea[]) as kept(hash, vector)
					on conflict do nothing`,
			);
		}
	}

	/** To the hour, which is fine enough for a retention of months and writes little. */
	async #used(model: string, hashes: string): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update embeddings set used_at = now() from (
					select model, input_hash from embeddings
					where model = ${model} and input_hash = any(${hashes}::bytea[])
						and used_at < now() - interval '1 hour' for update skip locked
				) as found
				where embeddings.model = found.model and embeddings.input_hash = found.input_hash`,
		);
	}
}

function bytesArray(hashes: readonly string[]): string {
	return pgArray(hashes.map((each) => Buffer.from(each, "hex")));
}
