import { type ChainId, FOREVER } from "../../domain/ids.ts";
import type { LogCutter } from "../../writer/retention.ts";
import type { Database } from "../database.ts";

export class PostgresLogCutter implements LogCutter {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	/**
	 * The rule stands in the statement itself, so that no caller can cut more: at most up to the log
	 * position of the oldest verified snapshot that was made here, of a final block of the present
	 * branch; and below the first entry of an operation that is not final, suspended ones among them.
	 * Positions are dense, so that a range of them is a number of rows.
	 */
	async cutLog(chainId: ChainId, fence: bigint, limit: number): Promise<boolean> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ cut: bigint; bound: bigint }[]>`
				with chain as (
					select log_cut_to, finalized_height from chains
					where chain_id = ${chainId} and fence = ${fence} for update
				), oldest as (
					select min(s.log_position) as position from snapshots s
					join blocks b on b.chain_id = s.chain_id and b.height = s.height
						and b.hash = s.block_hash and b.to_gen = ${FOREVER} and b.from_gen <= s.generation
					where s.chain_id = ${chainId} and s.state = 'verified' and s.cause <> 'import'
						and s.height <= (select finalized_height from chain)
				), bound as (
					select least(oldest.position, (
						select min(position) - 1 from operations
						where chain_id = ${chainId} and not final and position is not null
					)) as position
					from oldest where oldest.position is not null
				), step as (
					select least(bound.position, chain.log_cut_to + ${limit}) as cut, bound.position as bound
					from chain, bound where bound.position > chain.log_cut_to
				), moved as (
					update chains set log_cut_to = step.cut from step
					where chain_id = ${chainId} returning step.cut, step.bound
				), gone as (
					delete from log using step where chain_id = ${chainId} and position <= step.cut
				)
				select cut, bound from moved`;
			return row !== undefined && row.cut < row.bound;
		});
	}
}
