/** What was acknowledged, what was durable, and what was refused. */
import { require } from "./oracle-failure.ts";
import type { HeldRun } from "./run-reads.ts";
import type { SimHistory } from "./sim-history.ts";
import type { SimRequest } from "./workload.ts";

export function requireWrites(
	held: HeldRun,
	history: SimHistory,
	requests: readonly SimRequest[],
): void {
	const { admitted } = history;
	const stored = new Map(held.operations.map((each) => [each.operationId, each]));
	const waiting = new Set(held.inbox);
	for (const request of requests) {
		const ids = new Set(request.answers.map(({ operations }) => idsOf(operations).join()));
		require("writes", ids.size <= 1, () =>
			`request ${request.index} got ${[...ids].join(" and ")}`);
		for (const { committed, operations } of request.answers) {
			for (const { operationId, position, originalSlot, status } of operations) {
				const what = () => `operation ${operationId} of request ${request.index} (${status})`;
				const now = stored.get(operationId);
				const entry = admitted.get(operationId);
				require("writes", now !== undefined, () => `${what()} is gone`);
				if (!committed) {
					const isSomewhere = entry !== undefined || waiting.has(operationId);
					require("writes", isSomewhere, () => `${what()} was durable and is lost`);
					continue;
				}
				const isThere = entry !== undefined && entry.position === position;
				require("writes", isThere, () => `${what()} is not at log position ${position}`);
				const isRefused = entry?.kind === "refused";
				require("writes", isRefused === (status === "refused"), () => `${what()}: ${entry?.kind}`);
				const isSame = now?.originalSlot === originalSlot && entry?.height === originalSlot;
				require("writes", isSame, () => `${what()} is not in slot ${originalSlot}`);
			}
		}
	}
	const counted = Map.groupBy(held.operations, ({ operationId }) => operationId);
	for (const [id, rows] of counted) {
		require("writes", rows.length === 1, () => `operation ${id} is there ${rows.length} times`);
		const isKnown = admitted.has(id) || waiting.has(id);
		require("writes", isKnown, () => `operation ${id} (${rows[0]?.status}) is in no log`);
	}
	require("writes", history.wronglyRefused.length === 0, () => history.wronglyRefused.join("; "));
}

function idsOf(operations: readonly { readonly operationId: string }[]): readonly string[] {
	return operations.map(({ operationId }) => operationId);
}
