/**
 * One POST to a server of somebody else's: within a time, no further than the URL says, and no more of
 * the answer than was asked for. What the server says may be anything.
 */

export interface BoundedPost {
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	/** For all of it, the answer's body too. */
	readonly timeoutMs: number;
	/** Bytes of the answer that are read; the rest is not waited for. */
	readonly answerBytes: number;
}

export interface Posted {
	readonly status: number;
	/** As the answer asked in Retry-After; undefined: it did not. */
	readonly retryAfterMs: number | undefined;
	readonly text: string;
	/** False: the answer has more than was read. */
	readonly whole: boolean;
}

/**
 * Redirects are answers like any other: following one would show keys and contents to a server that
 * nobody named. Rejects with what fetch rejects with.
 */
export async function boundedPost(request: BoundedPost): Promise<Posted> {
	const response = await fetch(request.url, {
		method: "POST",
		headers: request.headers,
		body: request.body,
		redirect: "manual",
		signal: AbortSignal.timeout(request.timeoutMs),
	});
	const { bytes, whole } = await readBounded(response, request.answerBytes);
	return {
		status: response.status,
		retryAfterMs: retryAfterMs(response.headers.get("retry-after"), Date.now()),
		text: bytes.toString("utf8"),
		whole,
	};
}

async function readBounded(
	response: Response,
	limit: number,
): Promise<{ readonly bytes: Buffer; readonly whole: boolean }> {
	if (response.body === null) return { bytes: Buffer.alloc(0), whole: true };
	const chunks: Uint8Array[] = [];
	let size = 0;
	// Leaving the loop cancels the stream, which ends the connection.
	for await (const chunk of response.body) {
		chunks.push(chunk);
		size += chunk.byteLength;
		if (size > limit) break;
	}
	return { bytes: Buffer.concat(chunks).subarray(0, limit), whole: size <= limit };
}

/** RFC 9110, 10.2.3: seconds, or a date. Undefined for what is neither. */
function retryAfterMs(header: string | null, nowMs: number): number | undefined {
	if (header === null) return undefined;
	const text = header.trim();
	if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
	const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
	return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** fetch says `fetch failed` and hides why in its cause. */
export function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	if (error.name === "TimeoutError") return "it did not answer in time";
	const { cause } = error;
	if (cause instanceof Error && "code" in cause) return String(cause.code);
	return cause instanceof Error ? cause.message : error.message;
}
