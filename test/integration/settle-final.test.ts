/** When an operation is out of reach of every fork, over rows as commits leave them. */
import { expect, test } from "vitest";
import { Database } from "../../src/store/database.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { STORED_CHAIN as CHAIN, storeChain } from "../support/stored-versions.ts";
import { atTestEnd } from "../support/test-end.ts";

interface Row {
	readonly status: "applied" | "suspended";
	readonly suspect?: boolean;
	readonly anchorHeight?: bigint;
	readonly hasSources?: boolean;
	readonly originalSlot: bigint;
	readonly effectiveSlot?: bigint;
	readonly judgedSlot: bigint;
}

/** The lowest of these finalized heights at which the operation is final. */
async function finalFrom(row: Row, heights: readonly bigint[]): Promise<bigint | undefined> {
	const { url } = await createTestDatabase("final");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	await storeChain(database);
	const id = "00000000-0000-4000-8000-000000000001";
	await database.run(
		(sql) => sql`
			insert into operations (chain_id, operation_id, kind, namespace, id, status, position, suspect,
				anchor_height, sources, policy, original_slot, effective_slot, judged_slot)
			values (${CHAIN}, ${id}, 'put', 'n', 'm', ${row.status}, 5, ${row.suspect ?? false},
				${row.anchorHeight ?? null}, ${row.hasSources === true ? "[]" : null}, 'flag',
				${row.originalSlot}, ${row.effectiveSlot ?? null}, ${row.judgedSlot})`,
	);
	const [chain] = await database.run(
		(sql) => sql<{ fence: bigint }[]>`select fence from chains where chain_id = ${CHAIN}`,
	);
	const store = new PostgresWriterStore(database, () => false);
	for (const finalized of heights) {
		await store.settleFinal(CHAIN, chain?.fence ?? 0n, { safe: finalized, finalized });
		const [stands] = await database.run(
			(sql) => sql<{ final: boolean }[]>`select final from operations where operation_id = ${id}`,
		);
		if (stands?.final === true) return finalized;
	}
	return undefined;
}

test("what is suspect is carried on by forks until its own slot is final", async () => {
	const row: Row = {
		status: "applied",
		suspect: true,
		anchorHeight: 9n,
		originalSlot: 15n,
		effectiveSlot: 15n,
		judgedSlot: 15n,
	};
	expect(await finalFrom(row, [9n, 14n, 15n])).toBe(15n);
});

test("what waits for a source is judged as long as the fork that took it can be", async () => {
	const row: Row = { status: "suspended", hasSources: true, originalSlot: 10n, judgedSlot: 17n };
	expect(await finalFrom(row, [10n, 16n, 17n])).toBe(17n);
	const anchored: Row = {
		status: "suspended",
		anchorHeight: 9n,
		originalSlot: 15n,
		judgedSlot: 17n,
	};
	expect(await finalFrom(anchored, [8n, 9n])).toBe(9n);
});
