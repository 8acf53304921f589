/** What API keys ask of Postgres. The adapter is store/records/postgres-key-store.ts. */
import type { Scope } from "../../domain/caller.ts";

/** Never with its secret, which is kept nowhere. */
export interface ApiKey {
	/** UUID; the caller's id of requests with this key. */
	readonly id: string;
	readonly name: string;
	readonly scopes: readonly Scope[];
	/** Undefined: all. */
	readonly namespaces: readonly string[] | undefined;
	/** Undefined: LIMITS.defaultRequestsPerMinute. */
	readonly requestsPerMinute: number | undefined;
	readonly createdAt: Date;
	/** Opens nothing from then on; undefined: no end. */
	readonly expiresAt: Date | undefined;
	readonly revokedAt: Date | undefined;
}

export interface NewKey extends Omit<ApiKey, "createdAt" | "revokedAt"> {
	/** SHA-256 of the secret. */
	readonly hash: Uint8Array;
}

export type KeyChange =
	| { readonly type: "add"; readonly key: NewKey }
	| { readonly type: "revoke"; readonly id: string };

export interface KeyStore {
	/** Those that are not revoked, with their hashes, expired ones too. */
	known(): Promise<readonly (ApiKey & Pick<NewKey, "hash">)[]>;
	/** The newest first; those that were made before `after`. */
	list(query: {
		readonly limit: number;
		readonly after: string | undefined;
	}): Promise<readonly ApiKey[]>;
	/**
	 * One change at a time, over all processes: `decide` is told what is not revoked and answers what is to
	 * change, or throws. Answers the key that was added or revoked.
	 */
	change(decide: (known: readonly ApiKey[]) => KeyChange): Promise<ApiKey>;
}
