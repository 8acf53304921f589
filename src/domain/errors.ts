/**
 * The two roots of every error that Recant throws on purpose.
 *
 * Retryable: the same call may succeed later without anybody changing anything.
 * Fatal: it will not; somebody has to change the request, the settings or the data.
 *
 * A code is stable and public (HTTP problem details, CLI, log). `hint` says what the reader can do.
 * `fields` carries the values that the message names. http/problem.ts maps codes to statuses and is
 * the only place that does.
 */

export type RetryableCode =
	| "anchor_not_committed"
	| "archive_unavailable"
	| "chain_busy"
	| "database_unavailable"
	| "embedder_invalid"
	| "embedder_unavailable"
	| "inbox_full"
	| "lease_lost"
	| "not_ready"
	| "queue_unavailable"
	| "rate_limited"
	| "redis_unavailable"
	| "rollback_fenced"
	| "rollback_interrupted"
	| "rollback_paused"
	| "rpc_failed"
	| "rpc_unavailable"
	| "tail_full"
	| "too_many_clients"
	| "vectors_unavailable";

export type FatalCode =
	| "address_in_use"
	| "anchor_not_canonical"
	| "anchor_unknown"
	| "append_only"
	| "below_finality"
	| "body_too_large"
	| "call_reverted"
	| "chain_halted"
	| "chain_id_mismatch"
	| "chain_not_empty"
	| "chains_file_invalid"
	| "condition_failed"
	| "configuration_invalid"
	| "consolidation_failed"
	| "cursor_invalid"
	| "data_directory_corrupt"
	| "data_directory_foreign"
	| "data_directory_in_use"
	| "data_directory_unwritable"
	| "database_incompatible"
	| "database_unreachable"
	| "delivery_not_found"
	| "dimension_mismatch"
	| "embedder_missing"
	| "embedder_refused"
	| "finalized_block_changed"
	| "forbidden_host"
	| "forbidden_namespace"
	| "forbidden_origin"
	| "forbidden_scope"
	| "fork_below_finality"
	| "fork_below_window"
	| "genesis_changed"
	| "handler_failed"
	| "handler_owned"
	| "handlers_changed"
	| "handlers_differ"
	| "height_in_future"
	| "height_not_retained"
	| "history_pruned"
	| "idempotency_conflict"
	| "internal"
	| "invalid_request"
	| "key_not_found"
	| "last_key"
	| "layer_conflict"
	| "limit_exceeded"
	| "link_cycle"
	| "link_end_missing"
	| "link_invalid"
	| "memory_exists"
	| "memory_not_found"
	| "merge_failed"
	| "method_not_allowed"
	| "namespace_isolated"
	| "not_found"
	| "not_sealed"
	| "port_in_use"
	| "postgres_missing"
	| "recovery_exhausted"
	| "recovery_impossible"
	| "repair_not_found"
	| "result_conflict"
	| "result_not_found"
	| "rollback_failed"
	| "rollback_not_cancellable"
	| "rollback_not_failed"
	| "rollback_not_found"
	| "rollback_outdated"
	| "rollback_over"
	| "run_not_found"
	| "snapshot_chain_differs"
	| "snapshot_damaged"
	| "snapshot_format_newer"
	| "snapshot_incomplete"
	| "snapshot_not_found"
	| "snapshot_orphaned"
	| "snapshot_root_differs"
	| "source_unknown"
	| "unauthorized"
	| "unknown_block"
	| "unknown_chain"
	| "unknown_checkpoint"
	| "unknown_collection"
	| "unknown_operation"
	| "unsupported_media_type"
	| "vectors_unwritable"
	| "verification_failed"
	| "version_conflict"
	| "webhook_removed";

export type ErrorCode = RetryableCode | FatalCode;

/** One thing that is wrong with a request. */
export interface RequestProblem {
	/** Where: `query.at`, `body.operations[3].layer`, `operations[2].content.amount`. */
	readonly path: string;
	/** Stable; undefined: the request has not the right form. */
	readonly code?: string | undefined;
	readonly message: string;
}

interface Detail {
	/** What happened, with the values. */
	readonly message: string;
	/** What the reader can do about it. */
	readonly hint: string;
	/** The values that the message names; JSON-safe. */
	readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
	/** Everything that is wrong, where that is more than the message says. */
	readonly problems?: readonly RequestProblem[];
	readonly cause?: unknown;
}

export abstract class RecantError extends Error {
	abstract readonly code: ErrorCode;
	abstract readonly retryable: boolean;
	readonly hint: string;
	readonly fields: Readonly<Record<string, string | number | boolean | null>>;
	/** Empty: the message says it all. */
	readonly problems: readonly RequestProblem[];

	constructor(detail: Detail) {
		super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
		this.hint = detail.hint;
		this.fields = detail.fields ?? {};
		this.problems = detail.problems ?? [];
	}
}

export class RetryableError extends RecantError {
	override readonly name = "RetryableError";
	readonly retryable = true;
	readonly code: RetryableCode;

	constructor(code: RetryableCode, detail: Detail) {
		super(detail);
		this.code = code;
	}
}

export class FatalError extends RecantError {
	override readonly name = "FatalError";
	readonly retryable = false;
	readonly code: FatalCode;

	constructor(code: FatalCode, detail: Detail) {
		super(detail);
		this.code = code;
	}
}

/** For a `switch` that must have no other case: fails to compile when a case is missing. */
export function unreachable(value: never): never {
	throw new FatalError("internal", {
		message: `a case was not handled: ${JSON.stringify(value)}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
