/**
 * The composition root: builds the adapters, hands them out, and ends them in the other order.
 *
 * Which part runs in which role:
 *
 * | part | follower | worker | api |
 * | --- | --- | --- | --- |
 * | stores, chains' files and nodes, notices, health (`foundation.ts`) | yes | yes | yes |
 * | lease, following, writing, flushing, retention, snapshots (`open-chains.ts`) | yes | | |
 * | checks by the clock (`open-consistency.ts`); an api only asks for them | yes | | |
 * | rollbacks: recorded by all, prepared by follower and worker, committed by the follower | yes | yes | |
 * | jobs sent from the outbox; taken by workers alone (`open-rollbacks.ts`) | yes | yes | |
 * | reports sent, old records deleted (`worker-role.ts`) | | yes | |
 * | everything under /v1 (`api-role.ts`) | | | yes |
 */
import { openApi, openRestores } from "./composition/api-role.ts";
import { Ending } from "./composition/ending.ts";
import { type Foundation, openFoundation } from "./composition/foundation.ts";
import { hearNotices } from "./composition/hear-notices.ts";
import { type Chains, openChains } from "./composition/open-chains.ts";
import { openConsistency } from "./composition/open-consistency.ts";
import { openDispatch, openRollbacks, type Rollbacks } from "./composition/open-rollbacks.ts";
import { openService } from "./composition/open-service.ts";
import { CLOSE_MS, type StartOptions } from "./composition/start-options.ts";
import { openWorker } from "./composition/worker-role.ts";
import { rolesText } from "./domain/role.ts";
import { createProbeApp } from "./http/probe-app.ts";
import { serveHttp } from "./http/server.ts";
import type { RollbackDispatch } from "./rollback/dispatch.ts";
import type { RecantService } from "./service/recant-service.ts";
import type { PartialRestoreService } from "./service/restoring/partial-restore-service.ts";
import { RollbackWatch } from "./service/rollback-watch.ts";

export type { StartOptions };

export interface RunningRecant {
	readonly url: string;
	readonly service: RecantService;
	readonly restores: PartialRestoreService;
	stop(): Promise<void>;
}

/** Starts what the roles ask for; when something cannot be started, what was started is ended again. */
export async function startRecant(options: StartOptions): Promise<RunningRecant> {
	const ending = new Ending();
	try {
		return await start(options, ending);
	} catch (error) {
		await ending.run();
		throw error;
	}
}

async function start(options: StartOptions, ending: Ending): Promise<RunningRecant> {
	const base = await openFoundation(options, ending);
	const { roles, environment, log } = base;
	const rollbacks = await openRollbacks(base);
	const chains = await openChains(base, rollbacks);
	const checks = await openConsistency(base, chains);
	const opened = openService(base, { chains, rollbacks, checks });
	const { service } = opened;
	const restores = openRestores(base, opened);
	const worker = roles.includes("worker") ? openWorker(base, service) : undefined;
	if (worker !== undefined) ending.add(() => worker.stop());
	const dispatch = dispatchOf(base, rollbacks, chains);
	const watch = watchOf(base);
	const http = await serveHttp({
		app: roles.includes("api")
			? openApi(base, { chains, checks, opened, restores })
			: createProbeApp({ service, roles, log }),
		host: environment.host,
		port: environment.port,
		log,
	});
	// Before anything that can fail: a port that is open keeps the process alive.
	ending.add(async () => {
		rollbacks.fanOut.stop();
		await Promise.all([http.close(CLOSE_MS), dispatch?.stop(), checks.stop(), watch.stop()]);
		await checks.close(CLOSE_MS);
		await Promise.all(chains.all.map(({ process }) => process?.stop()));
	});
	await base.notices.start(hearNotices(base, { chains, rollbacks, dispatch, worker, watch }));
	await dispatch?.start();
	checks.start();
	worker?.start();
	watch.start();
	for (const { process } of chains.all) process?.start();
	const names = base.specs.map((spec) => spec.name);
	log.info({ url: http.url, role: rolesText(roles), chains: names }, "Recant answers");
	return { url: http.url, service, restores, stop: () => ending.run() };
}

/** Undefined: this process neither sends jobs nor takes any. */
function dispatchOf(
	base: Foundation,
	rollbacks: Rollbacks,
	chains: Chains,
): RollbackDispatch | undefined {
	const { roles } = base;
	if (!roles.includes("follower") && !roles.includes("worker")) return undefined;
	return openDispatch(base, rollbacks, (chainId) => {
		const chain = chains.of(chainId);
		if (chain === undefined) return undefined;
		const { deriver, process } = chain;
		return {
			leads: process?.follower !== undefined,
			deriver,
			rollbackDue: () => chain.rollbackDue(),
		};
	});
}

function watchOf({ specs, rollbackStore, holder, events }: Foundation): RollbackWatch {
	return new RollbackWatch({
		chainIds: specs.map(({ id }) => id),
		store: rollbackStore,
		holder,
		isWanted: () => events.isRead,
		onProgress: (event) => events.progressed(event),
	});
}
