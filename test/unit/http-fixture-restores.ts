/** Partial restores and merges that are answered by fixed views. */
import type { AnsweredAt } from "../../src/domain/coordinate.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { OperationView } from "../../src/service/recant-service.ts";
import type {
	ApplyMode,
	PartialAnswer,
	PartialRestoreService,
} from "../../src/service/restoring/partial-restore-service.ts";
import type { Call } from "./http-fixture.ts";

const HASH: Hex = `0x${"a".repeat(64)}`;
const AT: AnsweredAt = {
	chainId: 31_337,
	height: 21n,
	generation: 1n,
	blockHash: undefined,
	logPosition: 12n,
	pending: true,
};

const PLAN: PartialAnswer["plan"] = {
	ours: AT,
	theirs: { ...AT, height: 5n, blockHash: HASH, pending: false },
	pending: AT,
	counts: { add: 0, change: 1, remove: 0, skip: 1, operations: 1 },
	planHash: HASH,
	items: [
		{
			namespace: "default",
			id: "fact:1",
			change: "change",
			before: { versionId: 3n, contentHash: HASH, layer: "semantic", content: { answer: 42 } },
			after: {
				contentHash: HASH,
				layer: "episodic",
				content: { answer: 41 },
				text: undefined,
				vectorHash: undefined,
				collection: undefined,
				importance: undefined,
				confidence: undefined,
				expiresAtBlock: undefined,
				expiresAtTime: undefined,
			},
		},
	],
	skipped: [
		{
			namespace: "ledger",
			id: "holder:1",
			layer: "semantic",
			reason: "handler_owned",
			message: "the chain's handlers own it",
		},
	],
	truncated: false,
};

export function fakeRestores(
	calls: Call[],
	operation: OperationView,
	overrides: Partial<PartialAnswer> = {},
): PartialRestoreService {
	const answered = (mode: ApplyMode): PartialAnswer =>
		mode.dryRun
			? { ...DRY, ...overrides }
			: {
					dryRun: false,
					repeated: false,
					committed: true,
					idempotencyKey: mode.idempotencyKey ?? "restore-1",
					plan: PLAN,
					outcome: {
						applied: 1,
						failed: 0,
						waiting: 0,
						operations: [operation],
						failures: [],
						truncated: false,
					},
					at: AT,
					...overrides,
				};
	return {
		restore: async (...args) => {
			calls.push({ method: "restore", args });
			return answered(args[2]);
		},
		merge: async (...args) => {
			calls.push({ method: "merge", args });
			return answered(args[2]);
		},
	};
}

const DRY: PartialAnswer = {
	dryRun: true,
	repeated: false,
	committed: false,
	idempotencyKey: undefined,
	plan: PLAN,
	outcome: undefined,
	at: undefined,
};
