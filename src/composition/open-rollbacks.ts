/**
 * The engine of rollbacks, in every process: `api` records them, `worker` prepares them, `follower` prepares
 * and commits them. The queue carries their jobs.
 */

import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { openPatientQueue, type PatientQueue } from "../queue/patient-queue.ts";
import { RollbackCoordinator } from "../rollback/coordinator.ts";
import { type DispatchChain, RollbackDispatch } from "../rollback/dispatch.ts";
import { FanOut } from "../rollback/fan-out.ts";
import { PostgresHandlersStore } from "../store/rederiving/postgres-handlers-store.ts";
import { forget, unattendedRollbacks, waitingRollbacks } from "../store/writing/outbox.ts";
import { PostgresTaskStore } from "../store/writing/postgres-task-store.ts";
import type { Foundation } from "./foundation.ts";
import { CLOSE_MS } from "./start-options.ts";

export interface Rollbacks {
	readonly coordinator: RollbackCoordinator;
	readonly fanOut: FanOut;
	readonly queue: PatientQueue;
	/** False: rollbacks are prepared by whoever takes their job. */
	readonly areInline: boolean;
}

export async function openRollbacks(base: Foundation): Promise<Rollbacks> {
	const { options, database, embedder, layers, holder, log, ending } = base;
	const queue = await openPatientQueue({ backend: base.backend, prefix: base.prefix, log });
	ending.add(() => queue.close(CLOSE_MS));
	const fanOut = new FanOut({
		store: new PostgresTaskStore(database),
		embedder,
		queue,
		holder,
		log,
	});
	const coordinator = new RollbackCoordinator({
		store: base.rollbackStore,
		writerStore: base.writerStore,
		restorer: base.restorer,
		states: base.restoredStates,
		handlers: new PostgresHandlersStore(database),
		changesLimit: options.rollbackChanges ?? LIMITS.rollbackChanges,
		embedder,
		fanOut,
		collections: base.collectionsOf,
		settings: layers.writerSettings,
		consolidator: layers.consolidator,
		holder,
		log,
		beforeStage: options.beforeStage ?? (async () => undefined),
		onProgress: (event) => base.events.progressed(event),
	});
	return { coordinator, fanOut, queue, areInline: options.inlineRollbacks ?? true };
}

/** Brings recorded rollbacks to the queue; a worker takes their jobs too. */
export function openDispatch(
	{ database, roles, log }: Foundation,
	{ coordinator, fanOut, queue, areInline }: Rollbacks,
	chain: (chainId: ChainId) => DispatchChain | undefined,
): RollbackDispatch {
	return new RollbackDispatch({
		queue,
		coordinator,
		inlineRollbacks: areInline,
		takesJobs: roles.includes("worker"),
		fanOut,
		log,
		outbox: {
			waiting: () => waitingRollbacks(database),
			unattended: (ageMs) => unattendedRollbacks(database, ageMs),
			forget: (outboxId) => forget(database, outboxId),
		},
		chain,
	});
}
