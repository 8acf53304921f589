/**
 * An operator brings a chain to a snapshot of before: one is made, taken out of the books with its files kept, and
 * imported as if it came from elsewhere, in the place of all that stands. Nobody but handlers writes.
 */
import { isDeepStrictEqual } from "node:util";
import { RecantError } from "../../src/domain/errors.ts";
import type { StateStore } from "../../src/service/reading/state-store.ts";
import { SnapshotService } from "../../src/service/snapshots.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { encodeManifest, type Manifest } from "../../src/snapshots/manifest.ts";
import { recordSnapshot } from "../../src/snapshots/record-snapshot.ts";
import { visible } from "./held-rows.ts";
import { ConnectionLost } from "./machine.ts";
import { requireRoots } from "./oracle-roots.ts";
import { requireVectors } from "./oracle-vectors.ts";
import { SimulationError } from "./sim-clock.ts";
import { LEDGER, SIM_CHAIN_ID } from "./sim-ledger.ts";
import { EMBEDDER, type ProcessLife } from "./sim-process.ts";
import type { World } from "./simulation.ts";

/** How often the operator looks whether it is done, and asks again for what is not. */
const LOOK_MS = 2_500;
const BLOCKS = 24;
const APPLY = { dryRun: false, replace: true };

export class ImportScene {
	isOver = false;
	#manifest: Manifest | undefined;
	#world: World | undefined;

	begin(world: World): void {
		this.#world = world;
		while (world.chain.head.number < BLOCKS) world.chain.step();
		this.#in(LOOK_MS, () => this.#makeOne(world));
	}

	#in(ms: number, step: () => Promise<void>): void {
		this.#world?.time.in(ms, () => {
			void step();
		});
	}

	/** At the highest final block. */
	async #makeOne(world: World): Promise<void> {
		const { store, reader } = snapshotsOf(world);
		const final = finalOf(world);
		const cut = final === undefined ? undefined : await reader.cutAtOrBelow(SIM_CHAIN_ID, final);
		if (cut === undefined) return this.#in(LOOK_MS, () => this.#makeOne(world));
		await recordSnapshot(store, { cut, cause: "operator", kind: "full", fullEvery: 0 });
		this.#in(LOOK_MS, () => this.#takeOut(world));
	}

	/** The row goes, as of another installation; the files are there. */
	async #takeOut(world: World): Promise<void> {
		const { store, archive } = snapshotsOf(world);
		const row = await store.newest(SIM_CHAIN_ID);
		if (row?.state !== "verified" || row.manifestId === undefined) {
			return this.#in(LOOK_MS, () => this.#takeOut(world));
		}
		this.#manifest = await new ArchiveSource(archive).manifest(row.manifestId);
		const { fence } = await world.stores.standing();
		await store.remove(SIM_CHAIN_ID, { fence }, [row.snapshotId]);
		this.#in(0, () => this.#ask(world, this.#manifest));
	}

	async #ask(world: World, manifest: Manifest | undefined): Promise<void> {
		if (manifest === undefined) throw new SimulationError("there is no snapshot to import");
		const { logReader } = world.stores.ports;
		if ((await logReader.cutTo(SIM_CHAIN_ID)) === manifest.logPosition) {
			world.note("the snapshot is imported");
			this.isOver = true;
			return;
		}
		this.#in(LOOK_MS, () => this.#ask(world, manifest));
		const machine = world.machines.find(({ life }) => life?.chain.writer !== undefined);
		world.note("an operator imports the snapshot");
		await machine
			?.request(async (life) => {
				const wire: unknown = JSON.parse(Buffer.from(encodeManifest(manifest)).toString());
				const wish = { manifest: wire, goal: "apply", options: APPLY } as const;
				await serviceOf(life, world).import("sim", wish);
			})
			.catch((error: unknown) => {
				if (!(error instanceof RecantError || error instanceof ConnectionLost)) throw error;
				world.note(
					`the operator is told ${error instanceof RecantError ? error.code : error.name}`,
				);
			});
	}
}

function snapshotsOf({ stores }: World) {
	const { snapshots } = stores.ports;
	if (snapshots === undefined) throw new SimulationError("no snapshots are made");
	return snapshots;
}

function finalOf({ machines }: World): bigint | undefined {
	const leader = machines.find(({ life }) => life?.chain.writer !== undefined);
	const final = leader?.life?.chain.writer?.state.finalized;
	return final === 0n ? undefined : final;
}

/** As the process serves it. */
function serviceOf(life: ProcessLife, { chain }: World): SnapshotService {
	const { snapshots } = life.ports;
	if (snapshots === undefined) throw new SimulationError("no snapshots are made");
	return new SnapshotService({
		chains: [
			{
				chainId: SIM_CHAIN_ID,
				name: "sim",
				fullEvery: 0,
				hashOnNode: async (height) => chain.at(chain.head, height)?.hash,
				due: () => life.chain.snapshots?.poke(),
			},
		],
		state: NOT_READ,
		store: snapshots.store,
		reader: snapshots.reader,
		source: new ArchiveSource(snapshots.archive),
		canApply: true,
	});
}

/** An import reads no state. */
const NOT_READ = new Proxy({} as StateStore, {
	get: () => {
		throw new SimulationError("state was read");
	},
});

/** What handlers hold at the node's head, with its roots and vectors, and nothing else. */
export async function requireLedger({ stores, chain }: World): Promise<void> {
	const held = await stores.reads.held();
	requireRoots(held);
	await requireVectors(held, EMBEDDER);
	const at = { height: held.head.height, generation: held.generation };
	const shown = new Map(
		visible(held.versions, at).map(({ namespace, id, content }) => {
			if (namespace !== LEDGER) throw new SimulationError(`${namespace}/${id} is nobody's`);
			return [id, content] as const;
		}),
	);
	const expected = new Map([...chain.head.ledger].map(([id, { content }]) => [id, content]));
	if (isDeepStrictEqual(sorted(shown), sorted(expected))) return;
	throw new SimulationError(
		`held is ${JSON.stringify(sorted(shown))}, and should be ${JSON.stringify(sorted(expected))}`,
	);
}

function sorted(held: ReadonlyMap<string, unknown>) {
	return [...held].sort(([a], [b]) => (a < b ? -1 : 1));
}
