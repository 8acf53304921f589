/** Who calls, and what they may do. Without API keys everybody on this machine may do everything. */

/** read: read and search. write: write memories too. operate: roll back, restore, repair, settings, keys. */
export const SCOPES = ["read", "write", "operate"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Caller {
	/** Id of the API key; empty: none was needed. */
	readonly id: string;
	readonly scopes: ReadonlySet<Scope>;
	/** Undefined: all. */
	readonly namespaces: readonly string[] | undefined;
}

/** Of a service without keys, and of what Recant does by itself. */
export const EVERYBODY: Caller = { id: "", scopes: new Set(SCOPES), namespaces: undefined };
