/**
 * An OpenAI-compatible endpoint as embedder: `POST <url>/embeddings`.
 *
 * 1. Texts go in batches of bounded count and bytes, a few at once over all callers; who would have to
 *    wait behind too many is refused.
 * 2. A batch is tried again when the endpoint did not answer, answered 429 or 5xx; after what Retry-After
 *    says where that is short, else after a wait that doubles and is jittered.
 * 3. A breaker stands before it: while the endpoint is away nobody waits for it.
 * 4. What it answers is checked (embedding-answer.ts). A text that it does not take is an error of the
 *    text; everything else is the endpoint's, and may pass.
 * 5. Its own words may hold secrets, such as the key that it was sent. Errors name the status and what to
 *    check; the words are for the log, shortened and without what looks like a secret.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import { boundedPost, type Posted, reasonOf } from "../resilience/bounded-post.ts";
import { Gate } from "../resilience/gate.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import type { Embedder } from "./embedder.ts";
import {
	embedderBusy,
	embedderInvalid,
	embedderNotAsked,
	embedderRefused,
	embedderUnavailable,
} from "./embedder-errors.ts";
import { vectorsOf } from "./embedding-answer.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** Before the second try; doubled for each further one, less up to half by chance. */
const RETRY_MS = 250;
/** Of what a text is to blame for: malformed, too large, not to be processed. */
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 422]);

export interface HttpEmbedderOptions {
	/** Base URL; `/embeddings` is asked under it. */
	readonly url: string;
	/** Name that the endpoint knows, and that goes into collections' records. */
	readonly model: string;
	readonly dimensions: number;
	readonly apiKey: string | undefined;
	readonly log?: GuardLog | undefined;
	/** Tests shorten it; default LIMITS.embedderRequestMs. */
	readonly timeoutMs?: number;
}

export class HttpEmbedder implements Embedder {
	readonly model: string;
	readonly dimensions: number;
	readonly #options: HttpEmbedderOptions;
	readonly #gate: Gate;
	readonly #guard: StoreGuard;
	#retries = 0;
	/** What the log has of its last error: an endpoint that repeats itself fills no log. */
	#logged: string | undefined;

	constructor(options: HttpEmbedderOptions) {
		this.model = options.model;
		this.dimensions = options.dimensions;
		this.#options = options;
		this.#gate = new Gate({
			running: LIMITS.embedderRequests,
			waiting: LIMITS.embedderRequestsWaiting,
			full: embedderBusy,
		});
		this.#guard = new StoreGuard({
			name: "embedder",
			isAway: (error) =>
				error instanceof RetryableError &&
				error.code === "embedder_unavailable" &&
				error.fields["embedderStatus"] !== 429,
			refusal: embedderNotAsked,
			pool: () => this.#gate.health(),
			log: options.log,
		});
	}

	/**
	 * Throws `embedder_unavailable`, `embedder_invalid`, and for a text that it does not take
	 * `embedder_refused`.
	 */
	async embed(texts: readonly string[]): Promise<readonly Float32Array[]> {
		const batches = batchesOf(texts);
		const vectors = new Array<readonly Float32Array[]>(batches.length);
		const next = batches.entries();
		// Each takes the next batch when it is done with one; together no more than may run at once.
		const lane = async () => {
			for (const [index, batch] of next) vectors[index] = await this.#batch(batch);
		};
		await Promise.all(Array.from({ length: LIMITS.embedderRequests }, lane));
		return vectors.flat();
	}

	health(): StoreHealth {
		const health = this.#guard.health();
		return { ...health, retries: health.retries + this.#retries };
	}

	/** What it refuses as a batch may be too much at once: halves are asked for, down to single texts. */
	async #batch(texts: readonly string[]): Promise<readonly Float32Array[]> {
		try {
			return await this.#tried(texts);
		} catch (error) {
			if (!(error instanceof FatalError) || texts.length === 1) throw error;
			const middle = Math.ceil(texts.length / 2);
			const first = await this.#batch(texts.slice(0, middle));
			return [...first, ...(await this.#batch(texts.slice(middle)))];
		}
	}

	async #tried(texts: readonly string[]): Promise<readonly Float32Array[]> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await this.#gate.run(() => this.#guard.run(() => this.#ask(texts)));
			} catch (error) {
				const waitMs = this.#waitMs(error, attempt);
				if (waitMs === undefined) throw error;
				this.#retries += 1;
				await sleep(waitMs);
			}
		}
	}

	/** Undefined: it is not worth another try. */
	#waitMs(error: unknown, attempt: number): number | undefined {
		if (attempt >= LIMITS.embedderAttempts || !(error instanceof PassingFailure)) return undefined;
		const { retryAfterMs: asked } = error;
		if (asked !== undefined) return asked <= LIMITS.embedderRetryAfterMs ? asked : undefined;
		return RETRY_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
	}

	async #ask(texts: readonly string[]): Promise<readonly Float32Array[]> {
		const { model, dimensions } = this;
		const { url, apiKey } = this.#options;
		const posted = await boundedPost({
			url: `${url.replace(/\/+$/, "")}/embeddings`,
			headers: {
				"content-type": "application/json",
				accept: "application/json",
				...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
			},
			body: JSON.stringify({ model, input: texts, encoding_format: "float" }),
			timeoutMs: this.#options.timeoutMs ?? LIMITS.embedderRequestMs,
			answerBytes: LIMITS.embedderAnswerBytes,
		}).catch((cause: unknown) => {
			throw new PassingFailure(withoutSecrets(reasonOf(cause), [apiKey]), { cause });
		});
		try {
			const vectors = vectorsIn(posted, { count: texts.length, dimensions });
			this.#logged = undefined;
			return vectors;
		} catch (error) {
			this.#log(posted);
			throw error;
		}
	}

	#log({ status, text }: Posted): void {
		const said = withoutSecrets(text, [this.#options.apiKey]);
		const logged = `${status} ${said}`;
		if (logged === this.#logged) return;
		this.#logged = logged;
		const fields = { embedderStatus: status, said };
		this.#options.log?.warn(fields, "the embedder answered with what is no embedding");
	}
}

function vectorsIn(
	posted: Posted,
	wanted: Parameters<typeof vectorsOf>[1],
): readonly Float32Array[] {
	if (posted.status !== 200) throw failureOf(posted);
	if (posted.whole) return vectorsOf(posted.text, wanted);
	const what = `it has more than ${LIMITS.embedderAnswerBytes} bytes`;
	throw embedderInvalid(what, "check what EMBEDDER names");
}

/** One that is worth another try within the same call. */
class PassingFailure extends RetryableError {
	readonly retryAfterMs: number | undefined;

	constructor(why: string, of: Parameters<typeof embedderUnavailable>[1] = {}) {
		const { message, hint, fields } = embedderUnavailable(why, of);
		super("embedder_unavailable", { message, hint, fields, cause: of.cause });
		this.retryAfterMs = of.retryAfterMs;
	}
}

function failureOf({ status, retryAfterMs }: Posted) {
	const why = `it answered ${status}`;
	const hint = hintFor(status);
	if (status === 429 || status >= 500) {
		return new PassingFailure(why, { status, retryAfterMs, hint });
	}
	if (REFUSALS.has(status)) return embedderRefused(why, status);
	return embedderUnavailable(why, { status, hint });
}

function hintFor(status: number): string {
	if (status === 401 || status === 403) return `check EMBEDDER_API_KEY; ${IN_LOG}`;
	if (status === 429) return `try again later, or check the endpoint's rate limit; ${IN_LOG}`;
	if (status >= 500)
		return `try again later, and check the endpoint that EMBEDDER names; ${IN_LOG}`;
	return `check EMBEDDER, the base URL, and EMBEDDER_MODEL; ${IN_LOG}`;
}

const IN_LOG = "the service's log has the start of its answer";

/** In order, each within the limits; a text that passes them alone is a batch of its own. */
function batchesOf(texts: readonly string[]): readonly (readonly string[])[] {
	const batches: string[][] = [];
	let room = 0;
	for (const text of texts) {
		const bytes = Buffer.byteLength(text);
		const last = batches.at(-1);
		if (last !== undefined && last.length < LIMITS.embedderBatchTexts && bytes <= room) {
			last.push(text);
			room -= bytes;
		} else {
			batches.push([text]);
			room = LIMITS.embedderBatchBytes - bytes;
		}
	}
	return batches;
}
