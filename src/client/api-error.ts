/** A request that did not succeed, as the client reports it. */
import type { ErrorCode } from "../domain/errors.ts";

/** unreachable: no answer came. unexpected_answer: what came is not of this service. */
export type ApiErrorCode = ErrorCode | "unreachable" | "unexpected_answer";

/** Fields of a problem, RFC 9457. */
export type ProblemFields = Readonly<Record<string, unknown>>;

export class RecantApiError extends Error {
	override readonly name = "RecantApiError";
	/** Stable; programs compare this one. A newer service may send codes that are not listed. */
	readonly code: ApiErrorCode;
	/** What the reader can do about it. */
	readonly hint: string;
	/** HTTP status; undefined when no answer came. */
	readonly status: number | undefined;
	/** True: the same request may succeed later. */
	readonly retryable: boolean;
	/** Everything that the answer said. */
	readonly problem: ProblemFields;

	constructor(detail: {
		readonly code: ApiErrorCode;
		readonly message: string;
		readonly hint: string;
		readonly status: number | undefined;
		readonly retryable: boolean;
		readonly problem?: ProblemFields;
		readonly cause?: unknown;
	}) {
		super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
		this.code = detail.code;
		this.hint = detail.hint;
		this.status = detail.status;
		this.retryable = detail.retryable;
		this.problem = detail.problem ?? {};
	}
}

export function unreachable(url: string, cause: unknown): RecantApiError {
	return new RecantApiError({
		code: "unreachable",
		message: `no answer from ${url}: ${reasonOf(cause)}`,
		hint: "start the service with `recant start`, or name its URL with --url or RECANT_URL",
		status: undefined,
		retryable: true,
		cause,
	});
}

export function unexpectedAnswer(url: string, status: number, cause?: unknown): RecantApiError {
	return new RecantApiError({
		code: "unexpected_answer",
		message: `${url} answered with status ${status}, but not as Recant does`,
		hint: "check the URL: another program may listen there",
		status,
		retryable: false,
		cause,
	});
}

/** The error that a problem of the service states. */
export function problemError(url: string, status: number, body: unknown): RecantApiError {
	if (!isProblem(body)) return unexpectedAnswer(url, status);
	return new RecantApiError({
		// Of the service's list or newer.
		code: body.code as ErrorCode,
		message: body.detail,
		hint: body.hint,
		status,
		retryable: body.retryable === true,
		problem: body,
	});
}

interface WireProblem extends ProblemFields {
	readonly code: string;
	readonly detail: string;
	readonly hint: string;
	readonly retryable?: unknown;
}

function isProblem(body: unknown): body is WireProblem {
	if (typeof body !== "object" || body === null) return false;
	const { code, detail, hint } = body as Record<string, unknown>;
	return typeof code === "string" && typeof detail === "string" && typeof hint === "string";
}

/** fetch says `fetch failed` and hides why in its cause. */
function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	if (cause instanceof Error && "code" in cause) return String(cause.code);
	return cause instanceof Error ? cause.message : error.message;
}
