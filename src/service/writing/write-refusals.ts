/** Why a request was refused when the writer came to it: one error that lists every operation's reason. */
import { FatalError, type RequestProblem } from "../../domain/errors.ts";
import type { OperationReason } from "../../domain/operation.ts";
import type { OperationRecord } from "../../writer/inbox-store.ts";

const REFUSAL_HINTS = {
	append_only: "write another episode; one that is written is not changed",
	anchor_not_canonical: "look the block or transaction up again; the chain moved",
	layer_conflict: "a memory keeps its layer; delete it first, or choose another id",
	limit_exceeded: "stay within the limit",
	link_cycle: "take one of the links away that lead back, or turn this one round",
	link_end_missing: "put both memories first, or in the same request before the link",
	link_invalid: "choose another type, or link other memories",
	memory_exists: "leave ifVersion out to overwrite it, or choose another id",
	memory_not_found: "put the memory first",
	source_unknown: "name sources by the contentHash that reading them gives",
	version_conflict: "read the memory again and decide on what it says now",
} as const;

type RefusalCode = keyof typeof REFUSAL_HINTS;

/** Throws when any of the records was refused; the first reason gives the error its code. */
export function throwRefusal(records: readonly OperationRecord[]): void {
	const refused = records.flatMap((record, index) =>
		record.status === "refused" && record.reason !== undefined
			? [{ record, index, reason: record.reason }]
			: [],
	);
	const own = refused.filter(({ reason }) => !isOfAnother(reason));
	const [first] = own.length === 0 ? refused : own;
	if (first === undefined) return;
	const { record, reason } = first;
	const code = codeOf(reason);
	const hint = code === "invalid_request" ? "correct the operation" : REFUSAL_HINTS[code];
	throw new FatalError(code, {
		message: reason.message,
		hint,
		fields: {
			...reason.fields,
			operationId: record.operationId,
			namespace: record.namespace,
			id: record.id,
		},
		problems: own.map(
			(each): RequestProblem => ({
				path: `operations[${each.index}]`,
				code: each.reason.code,
				message: each.reason.message,
			}),
		),
	});
}

/** An operation is refused with the others of its request; its reason then begins so. */
function isOfAnother({ message }: OperationReason): boolean {
	return message.startsWith("operation ");
}

function codeOf({ code }: OperationReason): RefusalCode | "invalid_request" {
	return Object.hasOwn(REFUSAL_HINTS, code) ? (code as RefusalCode) : "invalid_request";
}
