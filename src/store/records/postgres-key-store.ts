import { SCOPES } from "../../domain/caller.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ApiKey, KeyChange, KeyStore, NewKey } from "../../service/keys/key-store.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";

/** Distinguishes our advisory locks from other programs' in one database. */
const KEYS_LOCK = 7_263_228;

export class PostgresKeyStore implements KeyStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async known(): Promise<readonly (ApiKey & Pick<NewKey, "hash">)[]> {
		const rows = await this.#database.run(
			(sql) => sql<KeyRow[]>`select * from api_keys where revoked_at is null`,
		);
		return rows.map((row) => ({ ...keyOf(row), hash: row.hash }));
	}

	async list(query: { readonly limit: number; readonly after: string | undefined }) {
		const after = query.after ?? null;
		const rows = await this.#database.run(
			(sql) => sql<KeyRow[]>`
				select * from api_keys
				where ${after}::uuid is null or (created_at, key_id) < (
					select created_at, key_id from api_keys where key_id = ${after}::uuid)
				order by created_at desc, key_id desc limit ${query.limit}`,
		);
		return rows.map(keyOf);
	}

	async change(decide: (known: readonly ApiKey[]) => KeyChange): Promise<ApiKey> {
		return this.#database.transaction(async (tx) => {
			await tx`select pg_advisory_xact_lock(${KEYS_LOCK})`;
			const rows = await tx<KeyRow[]>`select * from api_keys where revoked_at is null`;
			const change = decide(rows.map(keyOf));
			return change.type === "add" ? add(tx, change.key) : revoke(tx, change.id);
		});
	}
}

async function add(tx: Tx, key: NewKey): Promise<ApiKey> {
	const namespaces = key.namespaces === undefined ? null : pgArray(key.namespaces);
	const rows = await tx<KeyRow[]>`
		insert into api_keys (key_id, name, hash, scopes, namespaces, requests_per_minute, expires_at)
		values (${key.id}, ${key.name}, ${key.hash}, ${pgArray(key.scopes)}::text[],
			${namespaces}::text[], ${key.requestsPerMinute ?? null}, ${key.expiresAt ?? null})
		returning *`;
	return only(rows, key.id);
}

async function revoke(tx: Tx, id: string): Promise<ApiKey> {
	const rows = await tx<KeyRow[]>`
		update api_keys set revoked_at = now() where key_id = ${id} returning *`;
	return only(rows, id);
}

function only(rows: readonly KeyRow[], id: string): ApiKey {
	const [row] = rows;
	if (row !== undefined) return keyOf(row);
	throw new FatalError("internal", {
		message: `key ${id} is not there after it was written`,
		hint: "this is a defect of Recant; please report it with the log",
		fields: { id },
	});
}

interface KeyRow {
	readonly key_id: string;
	readonly name: string;
	readonly hash: Uint8Array;
	readonly scopes: readonly string[];
	readonly namespaces: readonly string[] | null;
	readonly requests_per_minute: number | null;
	readonly created_at: Date;
	readonly expires_at: Date | null;
	readonly revoked_at: Date | null;
}

function keyOf(row: KeyRow): ApiKey {
	return {
		id: row.key_id,
		name: row.name,
		scopes: SCOPES.filter((scope) => row.scopes.includes(scope)),
		namespaces: row.namespaces ?? undefined,
		requestsPerMinute: row.requests_per_minute ?? undefined,
		createdAt: row.created_at,
		expiresAt: row.expires_at ?? undefined,
		revokedAt: row.revoked_at ?? undefined,
	};
}
