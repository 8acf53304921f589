/**
 * The message that tells of a committed rollback: what of the report fits into LIMITS.webhookBytes, what
 * matters most first, and where the whole of it is.
 */
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject, JsonValue } from "../domain/operation.ts";

/** The report's lists, in the order in which they are let in. */
const LISTS = [
	"actions",
	"recanted",
	"suspended",
	"withdrawn",
	"flagged",
	"cleared",
	"reinstated",
	"replayed",
	"derivedAnew",
] as const;

export interface ReportedRollback {
	/** Of the rollback, as the API shows it: JSON. */
	readonly rollback: JsonObject & { readonly id: string; readonly chainId: number };
	/** The report's lists and `truncated`, as the API shows them. */
	readonly report: JsonObject;
	readonly committedAt: Date;
	/** Where people and programs reach this service; undefined: links are paths. */
	readonly publicUrl: string | undefined;
}

/** JSON of the message; the same at every try. */
export function reportMessage(
	{ rollback, report, committedAt, publicUrl }: ReportedRollback,
	limitBytes: number = LIMITS.webhookBytes,
): string {
	const path = `/v1/chains/${rollback.chainId}/rollbacks/${rollback.id}/report`;
	const lists = Object.fromEntries(LISTS.map((name) => [name, [] as JsonValue[]]));
	const data = { rollback, report: `${publicUrl ?? ""}${path}`, truncated: false, ...lists };
	const message = { type: "rollback.committed", timestamp: committedAt.toISOString(), data };
	let room = limitBytes - Buffer.byteLength(JSON.stringify(message));
	let whole = report["truncated"] !== true;
	for (const name of LISTS) {
		for (const line of linesOf(report[name])) {
			// With its comma.
			const bytes = Buffer.byteLength(JSON.stringify(line)) + 1;
			if (bytes > room) {
				// What follows is of less weight, and would hide that something is missing here.
				whole = false;
				room = 0;
				break;
			}
			lists[name]?.push(line);
			room -= bytes;
		}
	}
	return JSON.stringify({ ...message, data: { ...data, truncated: !whole } });
}

function linesOf(list: JsonValue | undefined): readonly JsonValue[] {
	return Array.isArray(list) ? list : [];
}
