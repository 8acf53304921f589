/** A request that is repeated after an import gave its operations up. */
import { expect, test } from "vitest";
import type { OperationId } from "../../src/domain/ids.ts";
import { AgentWrites, type AgentWritesOptions } from "../../src/service/writing/agent-writes.ts";
import type { OperationRecord } from "../../src/writer/inbox-store.ts";

const [KEPT, GONE] = ["kept", "gone"] as readonly string[] as readonly [OperationId, OperationId];

/** Writes that were taken in before under the key; of these operations there are records. */
function repeated(operationIds: readonly OperationId[], known: readonly OperationId[]) {
	const records = known.map((operationId) => ({ operationId, status: "applied" }));
	const writes = new AgentWrites({
		spec: { id: 1 },
		writer: () => undefined,
		inbox: {
			earlier: async () => ({ type: "repeated", operationIds }),
			operations: async () => records as unknown as readonly OperationRecord[],
		},
	} as unknown as AgentWritesOptions);
	return writes.write({ writes: [], idempotencyKey: "key", deadlineMs: 1_000 });
}

test("is not told that they are committed", async () => {
	await expect(repeated([GONE], [])).rejects.toMatchObject({ code: "idempotency_conflict" });
	await expect(repeated([KEPT, GONE], [KEPT])).rejects.toMatchObject({
		code: "idempotency_conflict",
	});
});

test("is answered as before where they are all there", async () => {
	expect(await repeated([KEPT], [KEPT])).toMatchObject({ committed: true, repeated: true });
});
