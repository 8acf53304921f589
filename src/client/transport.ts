/** One HTTP exchange with the service, over fetch. */
import { LIMITS } from "../domain/limits.ts";
import { problemError, unexpectedAnswer, unreachable } from "./api-error.ts";

export interface ClientOptions {
	/** Base URL, such as http://127.0.0.1:8080. */
	readonly url: string;
	readonly apiKey?: string | undefined;
	/**
	 * Time limit of one request; 30,000 if left out. Streams have none. Under 10,000 a write whose `waitMs`
	 * is left out waits for its commit for half of it, so that the service answers before it.
	 */
	readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** Statuses of what is not there, not whole, or damaged. */
const SAYS_NO: ReadonlySet<number> = new Set([404, 409, 422]);

export type QueryValue = string | number | bigint | undefined;

export interface ApiRequest {
	readonly method?: "DELETE" | "GET" | "POST" | "PUT";
	/** Segments under the base URL; each is encoded. */
	readonly path: readonly string[];
	readonly query?: Readonly<Record<string, QueryValue>>;
	/** Bytes are sent as they are, everything else as JSON. */
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
}

export class Transport {
	readonly #options: ClientOptions;

	constructor(options: ClientOptions) {
		this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
	}

	/**
	 * How long the service is to wait for a commit; undefined: as long as it does by itself. It answers that
	 * a write is durable when that has passed, of which who hung up before would not hear.
	 */
	commitWaitMs(asked: number | undefined): number | undefined {
		const { timeoutMs } = this.#options;
		if (asked !== undefined || timeoutMs === undefined) return asked;
		const halfMs = Math.floor(timeoutMs / 2);
		return halfMs < LIMITS.writeDeadlineMs ? halfMs : undefined;
	}

	/** The answer's JSON. Throws RecantApiError. */
	async json<Answer>(request: ApiRequest): Promise<Answer> {
		const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
		const response = await this.send(request, AbortSignal.timeout(timeoutMs));
		// The service's own types describe it; see http/answer-schema.ts, which its routes must fit.
		return (await bodyOf(response)) as Answer;
	}

	/** The answer's bytes. Throws RecantApiError. */
	async bytes(request: ApiRequest): Promise<Uint8Array> {
		const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
		const response = await this.send(request, AbortSignal.timeout(timeoutMs));
		try {
			return await response.bytes();
		} catch (cause) {
			throw unreachable(response.url, cause);
		}
	}

	/** Whether a GET would answer; false for what is missing or refused. Throws RecantApiError. */
	async answers(request: ApiRequest): Promise<boolean> {
		const url = this.#urlOf(request);
		const headers = this.#headersOf(request);
		const signal = AbortSignal.timeout(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
		const { ok, status } = await fetchAnswer(url, { method: "HEAD", headers, signal });
		if (ok || SAYS_NO.has(status)) return ok;
		throw problemError(url, status, undefined);
	}

	/** A response whose status says success. Throws RecantApiError. */
	async send(request: ApiRequest, signal: AbortSignal): Promise<Response> {
		const url = this.#urlOf(request);
		const response = await fetchAnswer(url, {
			method: request.method ?? "GET",
			headers: this.#headersOf(request),
			signal,
			...(request.body === undefined ? {} : { body: bodyOfRequest(request.body) }),
		});
		if (response.ok) return response;
		throw problemError(url, response.status, await bodyOf(response));
	}

	#urlOf({ path, query }: ApiRequest): string {
		const search = new URLSearchParams();
		for (const [key, value] of Object.entries(query ?? {})) {
			if (value !== undefined) search.set(key, value.toString());
		}
		const suffix = search.size === 0 ? "" : `?${search}`;
		return `${this.#options.url}/${path.map(encodeURIComponent).join("/")}${suffix}`;
	}

	#headersOf({ body, headers }: ApiRequest): Record<string, string> {
		const { apiKey } = this.#options;
		return {
			accept: "application/json",
			...(body === undefined ? {} : { "content-type": contentTypeOf(body) }),
			...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
			...headers,
		};
	}
}

async function fetchAnswer(url: string, init: RequestInit): Promise<Response> {
	try {
		return await fetch(url, init);
	} catch (cause) {
		throw unreachable(url, cause);
	}
}

async function bodyOf(response: Response): Promise<unknown> {
	const text = await response.text().catch((cause: unknown) => {
		throw unreachable(response.url, cause);
	});
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw unexpectedAnswer(response.url, response.status, cause);
	}
}

function contentTypeOf(body: unknown): string {
	return body instanceof Uint8Array ? "application/octet-stream" : "application/json";
}

function bodyOfRequest(body: unknown): string | Uint8Array<ArrayBuffer> {
	// A copy: bytes of a file may stand in a pool, which fetch's types exclude.
	return body instanceof Uint8Array ? Uint8Array.from(body) : stringify(body);
}

/** JSON with bigints as decimal strings. */
function stringify(body: unknown): string {
	return JSON.stringify(body, (_key, value: unknown) =>
		typeof value === "bigint" ? value.toString() : value,
	);
}
