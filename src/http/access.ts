/**
 * Who may call. While there is any key, in the environment or the database: a bearer key, compared in
 * constant time. Without keys the service is for programs on this machine only, and a web page must not
 * reach it: neither by a name that it points at a loopback address (DNS rebinding, told by Host) nor by a
 * cross-origin form or fetch (Origin).
 *
 * Keys of the environment are root keys: all scopes, all namespaces, no limit of their rate, since they are
 * the operator's own; so is whoever needs no key. Keys of the database are what they were made for.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { type Caller, EVERYBODY } from "../domain/caller.ts";
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KnownKeys } from "../service/access/key-ring.ts";
import type { Admitted } from "./admitted.ts";
import type { HttpEnvironment } from "./openapi-app.ts";

/** Open without a key: what a supervisor asks. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
/** Who has shown no key may see nothing of any memory. */
const OPEN: Admitted = {
	caller: { id: "", scopes: new Set(), namespaces: [] },
	holds: async () => true,
};
/** Keys of the environment are what they are until the process ends. */
const ROOT: Admitted = { caller: EVERYBODY, holds: async () => true };

/** `known` undefined: there are no keys in a database. Throws `configuration_invalid` for too many or empty keys. */
export function requireAccess(
	apiKeys: readonly string[],
	known: KnownKeys | undefined,
): MiddlewareHandler<HttpEnvironment> {
	if (apiKeys.length > LIMITS.apiKeys || apiKeys.includes("")) {
		throw new FatalError("configuration_invalid", {
			message: `${apiKeys.length} API keys are set, some may be empty`,
			hint: `set 1 to ${LIMITS.apiKeys} keys, none of them empty`,
			fields: { limit: "apiKeys", value: apiKeys.length, max: LIMITS.apiKeys },
		});
	}
	const roots = apiKeys.map(digest);
	return async (context, next) => {
		const isOpen = OPEN_PATHS.has(context.req.path);
		if (isOpen && roots.length === 0) requireLoopback(context);
		context.set("admitted", isOpen ? OPEN : await admittedOf(context, roots, known));
		await next();
	};
}

/** Throws `unauthorized`, `rate_limited`, `forbidden_host` and `forbidden_origin`. */
async function admittedOf(
	context: Context<HttpEnvironment>,
	roots: readonly Buffer[],
	known: KnownKeys | undefined,
): Promise<Admitted> {
	const key = bearerKey(context.req.header("authorization"));
	if (key !== undefined && isKnown(digest(key), roots)) return ROOT;
	const admission = await known?.admit(key);
	if (admission?.type === "known") return admittedBy(admission.caller, known);
	if (roots.length > 0 || admission?.type === "unknown") throw unauthorized(key);
	requireLoopback(context);
	return admittedBy(EVERYBODY, known);
}

function admittedBy(caller: Caller, known: KnownKeys | undefined): Admitted {
	return { caller, holds: async () => known === undefined || known.holds(caller.id) };
}

function bearerKey(authorization: string | undefined): string | undefined {
	return /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

/** Hashes have one length, and every one is compared, so that time tells nothing about a key. */
function isKnown(candidate: Buffer, digests: readonly Buffer[]): boolean {
	return digests.reduce((found, known) => timingSafeEqual(candidate, known) || found, false);
}

function digest(key: string): Buffer {
	return createHash("sha256").update(key).digest();
}

function unauthorized(key: string | undefined): FatalError {
	return new FatalError("unauthorized", {
		message: key === undefined ? "the request carries no API key" : "the API key is not known",
		hint: "send `Authorization: Bearer <key>` with a key that is not revoked and has not expired",
	});
}

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

function requireLoopback(context: Context<HttpEnvironment>): void {
	const host = context.req.header("host") ?? new URL(context.req.url).host;
	if (!isLoopbackHost(host)) {
		throw new FatalError("forbidden_host", {
			message: `without API keys the service answers only to loopback names, not to ${host}`,
			hint: "call it as localhost or 127.0.0.1, or give the service API keys",
			fields: { host },
		});
	}
	const origin = context.req.header("origin");
	if (origin !== undefined && !SAFE_METHODS.has(context.req.method) && !isLoopbackOrigin(origin)) {
		throw new FatalError("forbidden_origin", {
			message: `without API keys a page of ${origin} may not write`,
			hint: "write from a page of this machine, or give the service API keys",
			fields: { origin },
		});
	}
}

/** `host` as in a Host header, with or without a port. */
export function isLoopbackHost(host: string): boolean {
	const name = host.toLowerCase().replace(/:\d+$/, "");
	if (name === "localhost" || name.endsWith(".localhost") || name === "[::1]") return true;
	return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

function isLoopbackOrigin(origin: string): boolean {
	return URL.canParse(origin) && isLoopbackHost(new URL(origin).host);
}
