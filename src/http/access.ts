/**
 * Who may call. With keys: a bearer key, compared in constant time. Without keys the service is for
 * programs on this machine only, and a web page must not reach it: neither by a name that it points
 * at a loopback address (DNS rebinding, told by Host) nor by a cross-origin form or fetch (Origin).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

/** Open without a key: what a supervisor asks. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/** Throws `configuration_invalid` for too many or empty keys. */
export function requireAccess(apiKeys: readonly string[]): MiddlewareHandler {
	if (apiKeys.length === 0) return requireLoopback;
	if (apiKeys.length > LIMITS.apiKeys || apiKeys.includes("")) {
		throw new FatalError("configuration_invalid", {
			message: `${apiKeys.length} API keys are set, some may be empty`,
			hint: `set 1 to ${LIMITS.apiKeys} keys, none of them empty`,
			fields: { limit: "apiKeys", value: apiKeys.length, max: LIMITS.apiKeys },
		});
	}
	return requireKey(apiKeys.map(digest));
}

function requireKey(digests: readonly Buffer[]): MiddlewareHandler {
	return async (context, next) => {
		if (!OPEN_PATHS.has(context.req.path)) {
			const key = bearerKey(context.req.header("authorization"));
			if (key === undefined || !isKnown(digest(key), digests)) throw unauthorized(key);
		}
		await next();
	};
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
		hint: "send `Authorization: Bearer <key>` with one of the keys that the service was given",
	});
}

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

const requireLoopback: MiddlewareHandler = async (context, next) => {
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
	await next();
};

/** `host` as in a Host header, with or without a port. */
export function isLoopbackHost(host: string): boolean {
	const name = host.toLowerCase().replace(/:\d+$/, "");
	if (name === "localhost" || name.endsWith(".localhost") || name === "[::1]") return true;
	return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

function isLoopbackOrigin(origin: string): boolean {
	return URL.canParse(origin) && isLoopbackHost(new URL(origin).host);
}
