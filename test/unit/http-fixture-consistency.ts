/** Consistency checks as the HTTP tests see them: every call is written down, every answer is fixed. */
import type { ConsistencyService, RunView } from "../../src/service/consistency.ts";
import type { Call } from "./http-fixture.ts";

const RUN_ID = "0197a000-0000-7000-8000-00000000c0de";

const RUN: RunView = {
	id: RUN_ID,
	chainId: 31_337,
	level: "full",
	state: "done",
	cause: "operator",
	sample: { seed: "s", confidence: 0.9, tolerance: 0.1, memories: 22 },
	at: { generation: 0n, height: 20n, logPosition: 12n },
	score: 0.95,
	counts: { info: 0, warning: 0, error: 1, critical: 0 },
	rules: [{ name: "spans", checked: 10, found: 1, ms: 3, error: undefined }],
	error: undefined,
	startedAt: new Date(0),
	finishedAt: new Date(1),
};

export function fakeConsistency(calls: Call[]): ConsistencyService {
	const said = (method: string, args: readonly unknown[]) => void calls.push({ method, args });
	return {
		check: async (...args) => {
			said("check", args);
			return RUN;
		},
		runs: async (...args) => {
			said("runs", args);
			return { items: [RUN], cursor: "next" };
		},
		run: async (...args) => {
			said("run", args);
			return {
				run: RUN,
				findings: [
					{
						seq: 1,
						rule: "spans",
						class: "span_wrong",
						severity: "error",
						subject: {
							store: "postgres",
							table: "versions",
							memoryKey: undefined,
							namespace: "default",
							id: "fact:1",
							versionId: 3n,
							fromBlock: 4n,
							fromGen: 0n,
							position: undefined,
							collection: undefined,
						},
						message: "the span of version 3 is wrong",
						since: 4n,
						remedy: { by: "repair", commands: ["recant repair"] },
					},
				],
				truncated: false,
				cursor: undefined,
			};
		},
	};
}
