/** What judges read from the stores in memory. */
import type { OperationId } from "../../src/domain/ids.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import type { FakePostgres } from "./fakes/fake-postgres.ts";
import type { HeldRun, HeldVector, RunReads } from "./run-reads.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";

/** `rowsAt`: of a collection's table at one of its versions. */
export type RowsAt = (table: string, version: bigint) => readonly VectorRow[];

export function fakeRunReads({ read }: FakePostgres, rowsAt: RowsAt): RunReads {
	return {
		log: async (after) => read.log(SIM_CHAIN_ID).filter(({ position }) => position > after),
		keys: async () =>
			new Map(
				read.idempotencyKeys(SIM_CHAIN_ID).map(({ key, operationIds }) => [key, operationIds]),
			),
		versionOf: async (operationId: OperationId) =>
			read.operations(SIM_CHAIN_ID).find((each) => each.operationId === operationId)?.versionId,
		held: async () => held(read, rowsAt),
	};
}

function held(read: FakePostgres["read"], rowsAt: RowsAt): HeldRun {
	const { generation, logPosition, headHeight, roots, pointers } = read.chain(SIM_CHAIN_ID);
	const head = read.branch(SIM_CHAIN_ID, generation).find(({ number }) => number === headHeight);
	if (head === undefined) throw new RangeError("the chain has no head");
	return {
		generation,
		logPosition,
		head: { height: head.number, hash: head.hash },
		roots,
		versions: read.versions(SIM_CHAIN_ID),
		checkpoints: read.checkpoints(SIM_CHAIN_ID),
		operations: read.operations(SIM_CHAIN_ID),
		reports: read
			.rollbacks(SIM_CHAIN_ID)
			.filter(({ state }) => state === "committed")
			.toSorted((a, b) => Number(a.fromGeneration - b.fromGeneration))
			.flatMap(({ report }) => report ?? []),
		inbox: read.inbox(SIM_CHAIN_ID).flatMap(({ body }) => operationIdsIn(body)),
		tail: read
			.vectorRows(SIM_CHAIN_ID)
			.filter(({ collection, versionId }) => versionId > (pointers[collection]?.versionId ?? 0n)),
		tables: read
			.collections(SIM_CHAIN_ID)
			.flatMap(({ name, table, pointer }) =>
				pointer.tableVersion === 0n
					? []
					: rowsAt(table, pointer.tableVersion).map((row) => vectorOf(name, row)),
			),
	};
}

function vectorOf(collection: string, row: VectorRow): HeldVector {
	const { versionId, memoryKey, vector } = row;
	return { collection, versionId, memoryKey, vector: Float32Array.from(vector) };
}

function operationIdsIn(body: string): readonly OperationId[] {
	const operations = JSON.parse(body) as readonly { readonly operationId: OperationId }[];
	return operations.map(({ operationId }) => operationId);
}
