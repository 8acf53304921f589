/** Who calls, and what they may do. Without API keys everybody on this machine may do everything. */
import { FatalError } from "./errors.ts";

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

/** Whether the caller may see that namespace. */
export function sees({ namespaces }: Caller, namespace: string): boolean {
	return namespaces === undefined || namespaces.includes(namespace);
}

/** Throws `forbidden_scope`. */
export function requireScope(caller: Caller, scope: Scope): void {
	if (caller.scopes.has(scope)) return;
	throw new FatalError("forbidden_scope", {
		message: `the API key's scopes are ${[...caller.scopes].join(", ")}; this needs ${scope}`,
		hint: `use a key with the scope ${scope}`,
		fields: { scope },
	});
}

/** Throws `forbidden_namespace`, whether or not there is such a namespace. */
export function requireNamespace(caller: Caller, namespace: string): void {
	if (sees(caller, namespace)) return;
	throw new FatalError("forbidden_namespace", {
		message: `the API key is not for namespace "${namespace}"`,
		hint: `it is for ${caller.namespaces?.join(", ")}; use another key`,
		fields: { namespace },
	});
}

/**
 * What concerns a chain as a whole, with everybody's memories in it. Throws `forbidden_scope` and
 * `forbidden_namespace`.
 */
export function requireOperator(caller: Caller): void {
	requireScope(caller, "operate");
	if (caller.namespaces === undefined) return;
	throw new FatalError("forbidden_namespace", {
		message: `this concerns all namespaces, and the API key is for ${caller.namespaces.join(", ")}`,
		hint: "use a key that is not bound to namespaces",
		fields: {},
	});
}
