/** A commit with more vectors than one statement takes: all of them, or none. */
import { expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { MemoryKey, VersionId } from "../../src/domain/ids.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { commitLargeBatch } from "../../src/store/writing/large-commit.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import type { CommitBatch } from "../../src/writer/commit-batch.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
/** More than eight million floats. */
const VECTORS = 2_200;
const DIMENSIONS = 4_096;
function batchOf(vectors: number): CommitBatch {
	const vector = new Float32Array(DIMENSIONS).fill(0.5);
	return {
		...{ chainId: CHAIN, generation: 0n, basePosition: 0n, logPosition: 1n },
		...{ versionSeq: BigInt(vectors), head: undefined, safe: undefined, finalized: undefined },
		roots: EMPTY_ROOTS,
		log: [],
		changes: { closeBlock: [], closeGen: [], insert: [], newMemories: [] },
		vectors: Array.from({ length: vectors }, (_, n) => ({
			collection: "default",
			versionId: BigInt(n + 1) as VersionId,
			memoryKey: `00000000-0000-4000-8000-${n.toString().padStart(12, "0")}` as MemoryKey,
			...{ namespace: "default", layer: "semantic", fromBlock: 1n, vector },
		})),
		...{
			blocks: [],
			checkpoints: [],
			operations: [],
			derivations: [],
			settledEntries: [],
			thinned: undefined,
		},
	} as CommitBatch;
}

async function vectorsIn(database: Database): Promise<bigint> {
	const rows = await database.run(
		(sql) => sql<{ count: bigint }[]>`select count(*) as count from vector_rows
			where octet_length(vector) = ${DIMENSIONS * 4}`,
	);
	return rows[0]?.count ?? -1n;
}

test("is whole, and nothing of it stays when the lease is another's", async () => {
	const { url } = await createTestDatabase("large_commit");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const lease = await new PostgresWriterStore(database, () => false).acquireLease(
		CHAIN,
		"a",
		60_000,
	);
	if ("heldBy" in lease) throw new RangeError("somebody has the lease");
	const commit = (fence: bigint) =>
		database.transaction((tx) => commitLargeBatch(tx, batchOf(VECTORS), { fence, generation: 0n }));

	await expect(commit(lease.fence - 1n)).rejects.toMatchObject({ code: "lease_lost" });
	expect(await vectorsIn(database)).toBe(0n);
	await commit(lease.fence);
	expect(await vectorsIn(database)).toBe(BigInt(VECTORS));
});
