/**
 * API keys: making, listing and revoking them.
 *
 * The first key is made without one: a service that has none, in its environment or its database, answers
 * programs of its own machine, and from the first key on it asks everybody for one. Keys of the environment
 * (RECANT_API_KEYS) are root keys: they may do everything, stand in no list and are revoked by a start
 * without them. Whoever has lost all others comes in again with one of these.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Scope } from "../../domain/caller.ts";
import { FatalError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "../reading/cursor.ts";
import type { Page } from "../recant-service.ts";
import type { ApiKey, KeyStore, NewKey } from "./key-store.ts";

/** 256 bits: nobody finds one by trying. */
const SECRET_BYTES = 32;
const SECRET_PREFIX = "rk_";

export interface KeyRequest {
	readonly name: string;
	/** Not empty. */
	readonly scopes: readonly Scope[];
	/** Undefined: all; not empty. */
	readonly namespaces: readonly string[] | undefined;
	readonly requestsPerMinute: number | undefined;
	readonly expiresAt: Date | undefined;
}

/** Told once, when it is made. */
export interface MadeKey extends ApiKey {
	readonly secret: string;
}

export interface KeyService {
	/** Throws `last_key` for a first key that could not make others, and `limit_exceeded`. */
	create(request: KeyRequest): Promise<MadeKey>;
	/** The newest first, revoked ones too. */
	list(query: {
		readonly limit: number;
		readonly cursor: string | undefined;
	}): Promise<Page<ApiKey>>;
	/** Throws `key_not_found`, and `last_key` for the last that can make others while there are others. */
	revoke(id: string): Promise<ApiKey>;
}

export interface KeysOptions {
	readonly store: KeyStore;
	/** There are keys in the environment. */
	readonly hasRootKeys: boolean;
	/** Keys have changed. */
	readonly onChange: () => void;
}

export class Keys implements KeyService {
	readonly #options: KeysOptions;

	constructor(options: KeysOptions) {
		this.#options = options;
	}

	async create(request: KeyRequest): Promise<MadeKey> {
		const { store, hasRootKeys, onChange } = this.#options;
		const secret = `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
		const key: NewKey = { ...request, id: randomUUID(), hash: hashOfSecret(secret) };
		requireFuture(key.expiresAt);
		const made = await store.change((known) => {
			if (known.length >= LIMITS.storedKeys) throw tooManyKeys(known.length);
			if (known.length === 0 && !hasRootKeys && !makesKeys(key)) throw firstKey();
			return { type: "add", key };
		});
		onChange();
		return { ...made, secret };
	}

	async list({ limit, cursor }: Parameters<KeyService["list"]>[0]): Promise<Page<ApiKey>> {
		const after = cursor === undefined ? undefined : idOfCursor(cursor);
		const found = await this.#options.store.list({ limit: limit + 1, after });
		const items = found.slice(0, limit);
		const last = found.length > limit ? items.at(-1) : undefined;
		return { items, cursor: last && encodeCursor({ k: last.id }) };
	}

	async revoke(id: string): Promise<ApiKey> {
		const { store, hasRootKeys, onChange } = this.#options;
		const revoked = await store.change((known) => {
			const key = known.find((each) => each.id === id);
			if (key === undefined) throw keyNotFound(id);
			const others = known.filter((each) => each.id !== id);
			const closes = others.length > 0 && !hasRootKeys && !others.some(makesKeys);
			if (closes) throw lastKey(key);
			return { type: "revoke", id };
		});
		onChange();
		return revoked;
	}
}

export function hashOfSecret(secret: string): Uint8Array {
	return createHash("sha256").update(secret).digest();
}

/** Whether keys can be made and revoked with it, for good. */
function makesKeys({
	scopes,
	namespaces,
	expiresAt,
}: Pick<ApiKey, "scopes" | "namespaces" | "expiresAt">): boolean {
	return scopes.includes("operate") && namespaces === undefined && expiresAt === undefined;
}

function requireFuture(expiresAt: Date | undefined): void {
	if (expiresAt === undefined || expiresAt.getTime() > Date.now()) return;
	throw new FatalError("invalid_request", {
		message: `the key would have expired at ${expiresAt.toISOString()}`,
		hint: "name a time to come, or none",
		fields: { expiresAt: expiresAt.toISOString() },
	});
}

function firstKey(): FatalError {
	return new FatalError("last_key", {
		message: "from the first key on every request needs one, and this one could make no others",
		hint: "make the first key with the scope operate, for all namespaces and without an end; or start the service with RECANT_API_KEYS",
	});
}

function lastKey({ id }: ApiKey): FatalError {
	return new FatalError("last_key", {
		message: `key ${id} is the last one that can make and revoke others`,
		hint: "make another with the scope operate, for all namespaces and without an end, or revoke the others first",
		fields: { id },
	});
}

function keyNotFound(id: string): FatalError {
	return new FatalError("key_not_found", {
		message: `there is no key ${id}, or it is revoked`,
		hint: "see the list of keys",
		fields: { id },
	});
}

function tooManyKeys(count: number): FatalError {
	return new FatalError("limit_exceeded", {
		message: `there are ${count} keys, as many as may be`,
		hint: "revoke keys that are not used",
		fields: { limit: "storedKeys", value: count + 1, max: LIMITS.storedKeys },
	});
}

function idOfCursor(cursor: string): string {
	const { k } = decodeCursor(cursor, ["k"]);
	if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(k)) throw cursorInvalid();
	return k;
}
