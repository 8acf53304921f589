/**
 * Errors as RFC 9457 problem details. The only place that maps codes to HTTP statuses: a code that
 * is missing here fails to compile.
 */
import { randomUUID } from "node:crypto";
import { type ErrorCode, RecantError, type RequestProblem } from "../domain/errors.ts";

export const STATUS_OF = {
	address_in_use: 500,
	anchor_not_canonical: 409,
	anchor_not_committed: 409,
	anchor_unknown: 422,
	archive_unavailable: 503,
	below_finality: 409,
	body_too_large: 413,
	chain_busy: 409,
	call_reverted: 500,
	chain_halted: 409,
	chain_id_mismatch: 500,
	chain_not_empty: 409,
	chains_file_invalid: 500,
	condition_failed: 412,
	configuration_invalid: 500,
	consolidation_failed: 422,
	cursor_invalid: 400,
	data_directory_corrupt: 500,
	data_directory_foreign: 500,
	data_directory_in_use: 500,
	data_directory_unwritable: 500,
	database_incompatible: 500,
	database_unavailable: 503,
	database_unreachable: 500,
	delivery_not_found: 404,
	dimension_mismatch: 400,
	embedder_invalid: 502,
	embedder_missing: 500,
	embedder_refused: 422,
	embedder_unavailable: 503,
	finalized_block_changed: 409,
	forbidden_host: 403,
	forbidden_namespace: 403,
	forbidden_origin: 403,
	forbidden_scope: 403,
	fork_below_finality: 409,
	fork_below_window: 409,
	genesis_changed: 409,
	handler_failed: 500,
	handler_owned: 403,
	handlers_changed: 409,
	handlers_differ: 500,
	height_in_future: 404,
	height_not_retained: 410,
	history_pruned: 410,
	idempotency_conflict: 409,
	inbox_full: 429,
	internal: 500,
	invalid_request: 400,
	key_not_found: 404,
	last_key: 409,
	layer_conflict: 409,
	lease_lost: 503,
	limit_exceeded: 422,
	memory_exists: 409,
	memory_not_found: 404,
	merge_failed: 422,
	method_not_allowed: 405,
	not_found: 404,
	not_ready: 503,
	not_sealed: 409,
	port_in_use: 500,
	postgres_missing: 500,
	queue_unavailable: 503,
	rate_limited: 429,
	redis_unavailable: 503,
	result_conflict: 409,
	result_not_found: 404,
	recovery_exhausted: 409,
	recovery_impossible: 409,
	rollback_failed: 500,
	rollback_fenced: 503,
	rollback_interrupted: 503,
	rollback_not_cancellable: 409,
	rollback_not_failed: 409,
	rollback_not_found: 404,
	rollback_outdated: 409,
	rollback_over: 409,
	rollback_paused: 409,
	repair_not_found: 404,
	run_not_found: 404,
	rpc_failed: 502,
	rpc_unavailable: 503,
	snapshot_chain_differs: 409,
	snapshot_damaged: 422,
	snapshot_format_newer: 422,
	snapshot_incomplete: 409,
	snapshot_not_found: 404,
	snapshot_orphaned: 409,
	snapshot_root_differs: 422,
	tail_full: 429,
	too_many_clients: 503,
	unauthorized: 401,
	unknown_block: 404,
	unknown_chain: 404,
	unknown_checkpoint: 404,
	unknown_collection: 404,
	unknown_operation: 404,
	unsupported_media_type: 415,
	vectors_unavailable: 503,
	vectors_unwritable: 500,
	verification_failed: 500,
	version_conflict: 409,
	webhook_removed: 409,
	append_only: 409,
	link_cycle: 409,
	link_end_missing: 422,
	link_invalid: 422,
	namespace_isolated: 403,
	source_unknown: 422,
} as const satisfies Record<ErrorCode, number>;

/** Every code, in alphabetical order. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(STATUS_OF).filter(isErrorCode).sort();

function isErrorCode(code: string): code is ErrorCode {
	return Object.hasOwn(STATUS_OF, code);
}

export type ProblemStatus = (typeof STATUS_OF)[ErrorCode];

/** RFC 9457. The fields of the error stand beside these members. */
export interface Problem {
	readonly type: string;
	readonly title: string;
	readonly status: ProblemStatus;
	/** What happened, with the values. */
	readonly detail: string;
	/** Stable; programs compare this one. */
	readonly code: ErrorCode;
	/** What the reader can do about it. */
	readonly hint: string;
	/** Names this one occurrence; the service's log has it for statuses from 500. */
	readonly instance: string;
	/** True: the same request may succeed later. */
	readonly retryable: boolean;
	/** Every problem of an invalid request, with its path. */
	readonly problems?: readonly RequestProblem[];
	readonly [field: string]: unknown;
}

export const PROBLEM_TYPE = "application/problem+json";

/** Anything that was thrown, as a problem. What is not a RecantError says nothing about its inside. */
export function problemOf(error: unknown): Problem {
	if (!(error instanceof RecantError)) return internalProblem();
	return {
		...error.fields,
		...(error.problems.length === 0 ? {} : { problems: error.problems }),
		type: `urn:recant:error:${error.code}`,
		title: titleOf(error.code),
		status: STATUS_OF[error.code],
		detail: error.message,
		code: error.code,
		hint: error.hint,
		instance: `urn:uuid:${randomUUID()}`,
		retryable: error.retryable,
	};
}

function internalProblem(): Problem {
	return {
		type: "urn:recant:error:internal",
		title: titleOf("internal"),
		status: STATUS_OF.internal,
		detail: "the service met an error that it did not expect",
		code: "internal",
		hint: "this is a defect of Recant; please report it with the log entry of this instance",
		instance: `urn:uuid:${randomUUID()}`,
		retryable: false,
	};
}

export function problemResponse(
	problem: Problem,
	headers: Readonly<Record<string, string>> = {},
): Response {
	return new Response(JSON.stringify(problem), {
		status: problem.status,
		headers: { "content-type": PROBLEM_TYPE, ...retryHeader(problem), ...headers },
	});
}

/** Retry-After in seconds, for what may succeed later; `retryAfterMs` among the fields says when. */
function retryHeader({ retryable, retryAfterMs }: Problem): Record<string, string> {
	if (!retryable) return {};
	const afterMs = typeof retryAfterMs === "number" ? retryAfterMs : 0;
	const seconds = Math.max(1, Math.ceil(afterMs / 1_000));
	return { "retry-after": seconds.toString() };
}

/** `unknown_chain` → `Unknown chain`. */
export function titleOf(code: ErrorCode): string {
	const words = code.replaceAll("_", " ");
	return words.charAt(0).toUpperCase() + words.slice(1);
}
