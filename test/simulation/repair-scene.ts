/**
 * A table of vectors loses a row and gets another wrong, and an operator has it repaired, again and again until a
 * repair is carried out. What a check would have found is given; how it finds it is tested elsewhere.
 */

import type { KeptFinding } from "../../src/consistency/consistency-run.ts";
import type { Repair, RepairStore } from "../../src/consistency/repair/repair-store.ts";
import { type RepairedChain, Repairer } from "../../src/consistency/repair/repairer.ts";
import { BY_REPAIR, subject } from "../../src/consistency/subject.ts";
import { RecantError } from "../../src/domain/errors.ts";
import { DEFAULT_COLLECTION } from "../../src/domain/operation.ts";
import { PostgresConsistencyStore } from "../../src/store/checking/postgres-consistency-store.ts";
import { PostgresRepairStore } from "../../src/store/checking/postgres-repair-store.ts";
import { SILENT } from "../support/silent-log.ts";
import type { FakeTables } from "./fakes/fake-tables.ts";
import { ConnectionLost, type Machine } from "./machine.ts";
import type { OpenedRun } from "./postgres-run.ts";
import { SimulationError } from "./sim-clock.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";
import { EMBEDDER, type ProcessLife } from "./sim-process.ts";
import type { World } from "./simulation.ts";

const DAMAGE_AT_MS = 4_000;
const LOOK_MS = 1_000;
const RUN_ID = "00000000-0000-4000-8000-000000000001";

const FINDING: KeptFinding = {
	seq: 1,
	chainId: SIM_CHAIN_ID,
	rule: "vectors",
	class: "vector_missing",
	severity: "error",
	subject: subject({ store: "lancedb", table: "vectors", collection: DEFAULT_COLLECTION }),
	message: "a vector is not in its table",
	since: undefined,
	remedy: BY_REPAIR,
};

export class RepairScene {
	isOver = false;
	#opened: OpenedRun | undefined;

	/** Of the run that begins next. */
	readonly onOpen = (opened: OpenedRun): void => {
		this.#opened = opened;
	};

	begin(world: World): void {
		world.time.in(DAMAGE_AT_MS, () => {
			const tables = this.#parts().tables;
			for (const name of tables.names()) tables.damage(name);
			world.note("tables are damaged");
			void this.#ask(world);
		});
	}

	#parts(): OpenedRun {
		if (this.#opened === undefined) throw new SimulationError("no stores were opened");
		return this.#opened;
	}

	async #ask(world: World): Promise<void> {
		const machine = world.machines.find(({ life }) => life?.chain.writer !== undefined);
		const repair = machine && (await this.#repair(world, machine));
		if (repair?.state === "done") {
			world.note("the repair is done");
			this.isOver = true;
			return;
		}
		world.time.in(LOOK_MS, () => {
			void this.#ask(world);
		});
	}

	async #repair(world: World, machine: Machine): Promise<Repair | undefined> {
		const { database, tables } = this.#parts();
		const runs = new PostgresConsistencyStore(database);
		const store = onlyFinding(new PostgresRepairStore(database, runs), world);
		const request = { chainId: SIM_CHAIN_ID, runId: RUN_ID, classes: undefined };
		world.note("an operator has the tables repaired");
		try {
			return await machine.request((life) =>
				new Repairer({ store, log: SILENT }).apply(REPAIR, request, repaired(life, tables, world)),
			);
		} catch (error) {
			if (error instanceof RecantError || error instanceof ConnectionLost) return undefined;
			throw error;
		}
	}
}

const REPAIR: Repair = {
	repairId: "00000000-0000-4000-8000-000000000002",
	chainId: SIM_CHAIN_ID,
	runId: RUN_ID,
	state: "running",
	counts: { planned: 0, repaired: 0, sound: 0, person: 0 },
	outcomes: [],
	error: undefined,
	startedAt: new Date(0),
	finishedAt: undefined,
};

/** The store's reading and writing, at the simulation's time; the repair itself is not recorded. */
function onlyFinding(store: RepairStore, { stores }: World): RepairStore {
	const call = <Answer>(invoke: () => Promise<Answer>) =>
		stores.call("postgres", invoke) as Promise<Answer>;
	return {
		read: (chainId, work) => call(() => store.read(chainId, work)),
		apply: (batch, expected) => call(() => store.apply(batch, expected)),
		findings: async () => [FINDING],
		run: async () => undefined,
		lastRun: async () => undefined,
		begin: async () => REPAIR,
		end: async () => undefined,
		load: async () => undefined,
		repairs: async () => [],
	};
}

/** Tables are written through the port, by which a process dies. */
function repaired({ chain, ports }: ProcessLife, tables: FakeTables, world: World): RepairedChain {
	return {
		writer: () => chain.writer,
		tables: {
			installationId: async () => undefined,
			storedRows: (table, version) => tables.storedRows(table, version),
			health: (table, version) => tables.health(table, version),
			create: (table, dimensions) => ports.tables.create(table, dimensions),
			append: (table, base, rows) => ports.tables.append(table, base, rows),
			rewrite: (table, base, change) => ports.tables.rewrite(table, base, change),
		},
		embedder: EMBEDDER,
		node: {
			blocksByNumber: async (heights) =>
				heights.map((height) => world.chain.at(world.chain.head, height)),
		},
		deriver: undefined,
		snapshots: undefined,
		drop: undefined,
		resume: () => chain.follower?.rollbackDue(),
	};
}
