/** One HTTP exchange with the service, over fetch. */
import { problemError, unexpectedAnswer, unreachable } from "./api-error.ts";

export interface ClientOptions {
	/** Base URL, such as http://127.0.0.1:8080. */
	readonly url: string;
	readonly apiKey?: string | undefined;
	/** Time limit of one request; 30,000 if left out. Streams have none. */
	readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

export type QueryValue = string | number | bigint | undefined;

export interface ApiRequest {
	readonly method?: "GET" | "POST";
	/** Segments under the base URL; each is encoded. */
	readonly path: readonly string[];
	readonly query?: Readonly<Record<string, QueryValue>>;
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
}

export class Transport {
	readonly #options: ClientOptions;

	constructor(options: ClientOptions) {
		this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
	}

	/** The answer's JSON. Throws RecantApiError. */
	async json<Answer>(request: ApiRequest): Promise<Answer> {
		const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
		const response = await this.send(request, AbortSignal.timeout(timeoutMs));
		// The service's own types describe it; see http/answer-schema.ts, which its routes must fit.
		return (await bodyOf(response)) as Answer;
	}

	/** A response whose status says success. Throws RecantApiError. */
	async send(request: ApiRequest, signal: AbortSignal): Promise<Response> {
		const url = this.#urlOf(request);
		const response = await fetchAnswer(url, {
			method: request.method ?? "GET",
			headers: this.#headersOf(request),
			signal,
			...(request.body === undefined ? {} : { body: stringify(request.body) }),
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
			...(body === undefined ? {} : { "content-type": "application/json" }),
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

/** JSON with bigints as decimal strings. */
function stringify(body: unknown): string {
	return JSON.stringify(body, (_key, value: unknown) =>
		typeof value === "bigint" ? value.toString() : value,
	);
}
