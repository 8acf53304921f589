/** Which snapshots a restore may begin from, once the chain's state was imported. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresRestoredStates } from "../../src/store/restoring/postgres-restored-states.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const HASH: Hex = `0x${"11".repeat(32)}`;
/** Imported at block 5 in generation 4, forked above block 9 since; generation 4 is past its time. */
async function imported() {
	const { url, query } = await createTestDatabase("usable_snapshots");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: HASH };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	await query(async (sql) => {
		await sql`update recant.chains set retained_from = 5, log_cut_to = 6, generation = 5`;
		await sql`delete from recant.generations`;
		await sql`insert into recant.generations (chain_id, generation) values (${CHAIN}, 5)`;
		await sql`
			insert into recant.blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp, checksum)
			values (${CHAIN}, 8, 4, 9223372036854775807, ${HASH}, ${HASH}, 8, '\\x00')`;
	});
	const snapshot = (generation: number) =>
		query(async (sql) => {
			const snapshotId = randomUUID();
			await sql`
				insert into recant.snapshots (snapshot_id, chain_id, state, kind, cause, height, generation,
					block_hash, log_position, version_id, roots, manifest_hash)
				values (${snapshotId}, ${CHAIN}, 'verified', 'full', 'operator', 8, ${generation}, ${HASH}, 9,
					9, '{}', ${HASH})`;
			return snapshotId;
		});
	return { snapshot, states: new PostgresRestoredStates(database) };
}

test("one that was made after the import stays, though its generation is pruned", async () => {
	const { snapshot, states } = await imported();
	const snapshotId = await snapshot(4);
	expect(await states.snapshots(CHAIN, 10n)).toMatchObject([{ snapshotId, height: 8n }]);
});

test("one that was made before is of another log", async () => {
	const { snapshot, states } = await imported();
	await snapshot(3);
	expect(await states.snapshots(CHAIN, 10n)).toEqual([]);
});
