/** Runs on stores whose snapshots are lost in part, and what must hold of snapshots at a run's end. */
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { recordSnapshot } from "../../src/snapshots/record-snapshot.ts";
import { manifestName } from "../../src/snapshots/snapshot-archive.ts";
import { verifySnapshot } from "../../src/snapshots/verify-snapshot.ts";
import { openSnapshotStores } from "./fake-stores.ts";
import { MemoryArchive } from "./memory-archive.ts";
import { SimulationError } from "./sim-clock.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";
import type { SharedPorts } from "./sim-process.ts";
import type { RunOptions, RunParts, World } from "./simulation.ts";
import type { Stores } from "./stores.ts";

const ALL = { limit: 1_000, after: undefined };
/** In which what is wanted of snapshots must be done. */
const WORK_MS = 40_000;

/**
 * When a rollback begins to restore for the first time, no snapshot's manifest can be read any more. When one was
 * stored for the second time, its manifest is lost before it is verified, and an operator wants an increment of it.
 */
export const openLossyStores: RunOptions["openStores"] = async (parts: RunParts) => {
	const stores = await openSnapshotStores(parts);
	const { snapshots } = stores.ports;
	if (snapshots === undefined || !(snapshots.archive instanceof MemoryArchive)) return stores;
	return { ...stores, ports: lossy(stores.ports, snapshots, snapshots.archive) };
};

function lossy(
	ports: SharedPorts,
	snapshots: NonNullable<SharedPorts["snapshots"]>,
	archive: MemoryArchive,
): SharedPorts {
	let begun = 0;
	let stored = 0;
	const shadows = hooked(ports.shadows, "begin", async (begin, shadow) => {
		await begin(shadow);
		begun += 1;
		if (begun > 1) return;
		for (const name of archive.names.filter((each) => each.includes("manifest"))) {
			archive.lose(name);
		}
	});
	const store = hooked(snapshots.store, "stored", async (store, row, lease, what) => {
		await store(row, lease, what);
		stored += 1;
		if (stored !== 2) return;
		archive.lose(manifestName(what.manifestId));
		const cut = await snapshots.reader.cutAtOrBelow(SIM_CHAIN_ID, row.height + 4n);
		if (cut === undefined || cut.height <= row.height) return;
		const wish = { cut, cause: "operator", kind: "incremental", fullEvery: 8 } as const;
		await recordSnapshot(snapshots.store, wish);
	});
	return { ...ports, shadows, snapshots: { ...snapshots, store } };
}

type Call = (...args: never[]) => Promise<unknown>;
type Hooked<Port, Name extends keyof Port> = Port[Name] extends Call
	? (call: Port[Name], ...args: Parameters<Port[Name]>) => Promise<void>
	: never;

/** The port, one of whose calls goes through `hook`. */
function hooked<Port extends object, Name extends keyof Port & string>(
	port: Port,
	name: Name,
	hook: Hooked<Port, Name>,
): Port {
	return new Proxy(port, {
		get: (target, key) => {
			const member: unknown = Reflect.get(target, key, target);
			if (typeof member !== "function") return member;
			const call = (...args: readonly unknown[]): unknown => Reflect.apply(member, target, args);
			if (key !== name) return call;
			return (...args: readonly unknown[]) => Reflect.apply(hook, undefined, [call, ...args]);
		},
	});
}

/** Everything that is wanted of snapshots is done, and those that count as verified can be read back whole. */
export async function requireSnapshots({ stores, time }: World): Promise<void> {
	const { snapshots } = stores.ports;
	if (snapshots === undefined) return;
	const { store, archive } = snapshots;
	for (const until = time.nowMs + WORK_MS; time.nowMs < until; ) {
		if ((await ask(stores, () => store.due(SIM_CHAIN_ID))) === undefined) break;
		await time.run(time.nowMs + 1_000);
	}
	const due = await ask(stores, () => store.due(SIM_CHAIN_ID));
	if (due !== undefined) {
		throw new SimulationError(`snapshot ${due.snapshotId} is ${due.state}, and nobody goes on`);
	}
	const source = new ArchiveSource(archive);
	for (const row of await ask(stores, () => store.list(SIM_CHAIN_ID, ALL))) {
		if (row.state === "creating" || row.state === "stored") {
			throw new SimulationError(`snapshot ${row.snapshotId} stays ${row.state}`);
		}
		if (row.state !== "verified" || row.manifestId === undefined) continue;
		await verifySnapshot(row.manifestId, source, async () => undefined);
	}
}

function ask<Answer>(stores: Stores, read: () => Promise<Answer>): Promise<Answer> {
	return stores.call("postgres", read) as Promise<Answer>;
}
