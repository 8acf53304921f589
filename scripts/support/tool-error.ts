/**
 * The one error of the scripts: tools of this repository failing, never the service. The service's
 * own codes are public and stand in src/domain/errors.ts; these are for whoever runs a script.
 */
export type ToolErrorCode =
	| "account_unknown"
	| "arguments_invalid"
	| "contract_invalid"
	| "measurement_failed"
	| "demo_failed"
	| "demo_interrupted"
	| "node_failed"
	| "output_outdated"
	| "platform_unsupported"
	| "process_failed"
	| "process_timeout"
	| "redis_missing"
	| "transaction_failed";

export class ToolError extends Error {
	override readonly name = "ToolError";
	readonly code: ToolErrorCode;
	/** What the reader can do about it. */
	readonly hint: string;

	constructor(
		code: ToolErrorCode,
		detail: { readonly message: string; readonly hint: string; readonly cause?: unknown },
	) {
		super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
		this.code = code;
		this.hint = detail.hint;
	}
}
