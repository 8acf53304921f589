import { FakePostgres } from "../fakes/fake-postgres.ts";
import { plainDump } from "./plain-rows.ts";
import { GONE, type StoresUnderTest } from "./stores-under-test.ts";

/** Some day of 2026. */
const BEGIN_MS = 1_767_225_600_000;

export function fakeStores(): StoresUnderTest {
	let nowMs = BEGIN_MS;
	const postgres = new FakePostgres({ now: () => nowMs });
	const isGone = (holder: string) => holder === GONE;
	return {
		ports: {
			writer: postgres.writerStore(isGone),
			rollbacks: postgres.rollbackStore(isGone),
			tasks: postgres.taskStore(),
			inbox: postgres.inboxStore(),
			outbox: postgres.outbox(),
			flush: postgres.flushStore(),
			retention: postgres.retentionStore(),
			logCutter: postgres.logCutter(),
			log: postgres.logReader(),
			shadows: postgres.shadowStore(),
			restored: postgres.restoredStates(),
			snapshots: postgres.snapshotStore(),
			snapshotReader: postgres.snapshotReader(),
			imports: postgres.importStore(),
		},
		registerChain: async (chain) => postgres.registerChain(chain, isGone),
		pass: async (ms) => {
			nowMs += ms;
		},
		addSnapshot: async (snapshot) => postgres.addSnapshot(snapshot),
		dump: async () => plainDump(postgres.dump()),
	};
}
