import { RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Hex } from "../../domain/ids.ts";
import type { HandlerPart } from "../../rederive/handler-changes.ts";
import type { DerivedBy, HandlersStore, Rederivation } from "../../rederive/handlers-store.ts";
import type { ShadowRow } from "../../restore/shadow-store.ts";
import { ownerNumber, toJson, type VersionRow } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { putShadowRows, SHARED_COLUMNS, shadowRowOf } from "../restoring/shadow-rows.ts";
import type { Queryable } from "../sql.ts";

/** Rows that were written over above the height, of one page. */
const PAGE_ROWS = 2_000;
/** Rows of one write: a group may have written any number of memories. */
const WRITE_ROWS = 5_000;

export class PostgresHandlersStore implements HandlersStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async derivedBy(chainId: ChainId): Promise<DerivedBy | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<{ hash: Hex; parts: string | null }[]>`
				select coalesce(derived_hash, handlers_hash) as hash, derived_parts as parts
				from chains where chain_id = ${chainId}`,
		);
		return row && { handlersHash: row.hash, parts: partsOf(row.parts) };
	}

	async current(chainId: ChainId): Promise<Rederivation | undefined> {
		return this.#database.run((sql) => storedRederivation(sql, chainId));
	}

	async begin(chainId: ChainId, rederivation: Rederivation): Promise<void> {
		const { shadowId, target } = rederivation;
		await this.#database.transaction(async (tx) => {
			await dropRederivations(tx, chainId);
			await tx`
				insert into shadows (shadow_id, chain_id, purpose, owner_id, height, progress)
				values (${shadowId}, ${chainId}, 'handlers', ${shadowId}, ${target.height},
					${progressOf(rederivation)})`;
		});
	}

	async advance(
		before: Rederivation,
		now: Pick<Rederivation, "next" | "versions">,
		rows: readonly ShadowRow[],
	): Promise<void> {
		const { shadowId } = before;
		await this.#database.transaction(async (tx) => {
			// Who had the lease before may still be at it: of two that do the same group one is refused.
			const { count } = await tx`
				update shadows set progress = ${progressOf({ ...before, ...now })}
				where shadow_id = ${shadowId} and purpose = 'handlers'
					and progress::jsonb ->> 'next' = ${before.next.toString()}`;
			if (count === 0) throw overtaken(before);
			for (let start = 0; start < rows.length; start += WRITE_ROWS) {
				await putShadowRows(tx, shadowId, rows.slice(start, start + WRITE_ROWS));
			}
		});
	}

	async takeOver(
		{ shadowId, chainId, height }: Parameters<HandlersStore["takeOver"]>[0],
		{ rederivation, fromGen }: Parameters<HandlersStore["takeOver"]>[1],
	): Promise<void> {
		const { added, namespaces } = rederivation;
		const own = `v.owner <> ${ownerNumber("handler")}`;
		const wanted = added === undefined ? own : `(${own} or not v.namespace = any($4::text[]))`;
		const rest = added === undefined ? [] : [pgArray(namespaces)];
		const parameters = [shadowId, chainId.toString(), height.toString(), ...rest];
		const vector = `case when v.vector_hash is null then null else (select r.vector from vector_rows r
			where r.chain_id = v.chain_id and r.collection = v.collection
				and r.version_id = v.version_id) end as vector`;
		const there = `from versions v where v.chain_id = $2::bigint and v.to_gen = ${FOREVER}
			and v.from_block <= $3::bigint and v.to_block > $3::bigint and ${wanted}`;
		const open = `v.to_block = coalesce(v.expires_block, ${FOREVER})`;
		await this.#database.run((sql) =>
			sql.unsafe(
				`insert into shadow_versions (shadow_id, kept, ${SHARED_COLUMNS}, vector)
					select $1::uuid, true, ${SHARED_COLUMNS}, ${vector} ${there} and ${open}`,
				parameters,
			),
		);
		// Written over above the height: they hold again, as rows of their own.
		for (;;) {
			const rows = await this.#database.run((sql) =>
				sql.unsafe<(VersionRow & { readonly vector: Uint8Array | null })[]>(
					`select v.*, ${vector} ${there} and not (${open})
						and not exists (select 1 from shadow_versions s where s.shadow_id = $1::uuid
							and s.memory_key = v.memory_key) limit ${PAGE_ROWS}`,
					parameters,
				),
			);
			const reopened = rows.map((row) => ({ ...shadowRowOf(row), fromGen }));
			await this.#database.run((sql) => putShadowRows(sql, shadowId, reopened));
			if (rows.length < PAGE_ROWS) return;
		}
	}
}

/** Numbers and parts as JSON has them. */
interface StoredProgress {
	readonly handlersHash: Hex;
	readonly parts: readonly HandlerPart[];
	readonly hash: Hex;
	readonly from: string;
	readonly next: string;
	readonly versions: string;
	readonly namespaces: readonly string[];
	readonly added?: readonly string[];
}

export async function storedRederivation(
	sql: Queryable,
	chainId: ChainId,
): Promise<Rederivation | undefined> {
	const [row] = await sql<{ shadow_id: string; height: bigint; progress: string }[]>`
		select shadow_id, height, progress from shadows
		where chain_id = ${chainId} and purpose = 'handlers' limit 1`;
	if (row === undefined) return undefined;
	const { hash, from, next, versions, added, ...rest } = JSON.parse(row.progress) as StoredProgress;
	return {
		...rest,
		shadowId: row.shadow_id,
		target: { height: row.height, hash },
		from: BigInt(from),
		next: BigInt(next),
		versions: BigInt(versions),
		added,
	};
}

/** Their rows are deleted by retention, in steps. */
export async function dropRederivations(sql: Queryable, chainId: ChainId): Promise<void> {
	await sql`delete from shadows where chain_id = ${chainId} and purpose = 'handlers'`;
}

export function partsOf(json: string | null): readonly HandlerPart[] | undefined {
	return json === null ? undefined : (JSON.parse(json) as readonly HandlerPart[]);
}

function progressOf(rederivation: Rederivation): string {
	const { handlersHash, parts, target, from, next, versions, namespaces, added } = rederivation;
	const heights = { from: from.toString(), next: next.toString(), versions: versions.toString() };
	return toJson({ handlersHash, parts, hash: target.hash, ...heights, namespaces, added });
}

function overtaken({ shadowId }: Rederivation): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `another process goes on with the handlers' shadow ${shadowId}`,
		hint: "this one looks again how far it is",
		fields: { shadowId },
	});
}
