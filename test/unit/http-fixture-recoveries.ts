/** Recoveries that answer fixed views and remember what they were asked, for the HTTP tests. */
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import type {
	RecoveryPlanView,
	RecoveryService,
	RecoveryView,
} from "../../src/service/recoveries.ts";

const HASH: Hex = `0x${"a".repeat(64)}`;
const HALT = { code: "fork_below_finality", message: "it forked", hint: "recant recover" };

export const RECOVERY: RecoveryView = {
	id: "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c02",
	chainId: 31_337,
	kind: "accept",
	state: "done",
	problem: HALT,
	attempt: 1,
	evidence: { quorum: { configured: 2, needed: 2 }, witnesses: [] },
	rollbackId: "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01" as RollbackId,
	error: undefined,
	startedAt: new Date(0),
	finishedAt: new Date(1),
};

const PLAN: RecoveryPlanView = {
	from: { height: 7n, hash: HASH },
	ancestor: { height: 7n, hash: HASH },
	target: { height: 20n, hash: HASH },
	depthBlocks: 12,
	memories: 30,
	operations: 4,
	strategy: "rewind",
	strategyReason: "what changed above the ancestor is set back",
	snapshot: undefined,
};

export function fakeRecoveries(
	calls: { readonly method: string; readonly args: readonly unknown[] }[],
): RecoveryService {
	const note = (method: string, ...args: unknown[]) => void calls.push({ method, args });
	return {
		recoveries: async (...args) => {
			note("recoveries", ...args);
			const no = { possible: false, reason: "there is no verified snapshot", plan: undefined };
			return {
				outlook: {
					chainId: 31_337,
					halt: HALT,
					attemptsLeft: 4,
					evidence: RECOVERY.evidence,
					options: [
						{ kind: "accept", possible: true, reason: undefined, plan: PLAN },
						{ kind: "import", ...no },
					],
				},
				items: [RECOVERY],
				cursor: undefined,
			};
		},
		recovery: async (...args) => {
			note("recovery", ...args);
			return RECOVERY;
		},
		planRecovery: async (...args) => {
			note("planRecovery", ...args);
			return { dryRun: true, kind: "accept", plan: PLAN };
		},
		recover: async (...args) => {
			note("recover", ...args);
			return { ...RECOVERY, state: "running" };
		},
	};
}
