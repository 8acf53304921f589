/** A chain in a database of its own, with the stores of its writer. */
import type { ChainId, Hex } from "../../src/domain/ids.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresInboxStore } from "../../src/store/writing/postgres-inbox-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { createTestDatabase } from "./postgres.ts";
import { SILENT } from "./silent-log.ts";
import { atTestEnd } from "./test-end.ts";

export type RegisteredChain = Awaited<ReturnType<typeof openRegisteredChain>>;

/** A lease of the holder "dead" may be taken at any time. Closed with the test. */
export async function openRegisteredChain(databaseName: string, id: ChainId) {
	const { url } = await createTestDatabase(databaseName);
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id, name: "test", startBlock: 0n, handlersHash: "0x00" as Hex };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const inbox = new PostgresInboxStore(database);
	const store = new PostgresWriterStore(database, (holder) => holder === "dead");
	return { url, inbox, store };
}
