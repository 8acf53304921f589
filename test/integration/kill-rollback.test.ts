/** SIGKILL of the service in the middle of a rollback: the next start finishes it, and nothing shows. */
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { STAGES } from "../../src/rollback/rollback-record.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import {
	type ServiceOptions,
	type ServiceProcess,
	startService,
} from "../support/service-process.ts";
import { onlyOne, World } from "../support/world.ts";

/** Starts of four services, a rollback and a straight run, on a machine with other tests on it. */
const TIMEOUT_MS = 180_000;
const FLUSH_ROWS = 4;

/** A history, and agents' memories of each kind, some of which the fork takes back. */
async function inhabited(inlineRollbacks: boolean) {
	const world = await World.create({ name: "kill", inlineRollbacks });
	await world.write(
		{ op: "put", id: "early", content: { n: 0 }, text: "the whale sleeps" },
		{ op: "put", id: "overwritten", content: { n: 0 }, text: "the whale is calm" },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	const returning = onlyOne((await world.block({ from: 2, to: 3, value: 7n })).sent);
	const lost = onlyOne((await world.block({ from: 3, to: 1, value: 9n })).sent);
	const { block } = await world.block({ from: 1, to: 1, value: 1n });
	const put = { op: "put", content: { n: 1 } } as const;
	await world.write(
		{ ...put, id: "late", text: "the whale wakes" },
		{ ...put, id: "on returning", text: "it sold", anchor: { transaction: returning.hash } },
		{ ...put, id: "on lost", text: "it bought", anchor: { transaction: lost.hash } },
		{ ...put, id: "on block", text: "it watched", anchor: { block: block.hash } },
		{ ...put, id: "overwritten", text: "the whale is angry" },
		{ op: "patch", id: "early", content: { patched: true } },
	);
	await world.remember();
	const fork = () =>
		world.gate.hold(async () => {
			await world.chain.drop(3);
			await world.chain.block(returning);
			await world.chain.block({ from: 1, to: 3, value: 11n });
			await world.chain.empty(2);
		});
	return { world, fork };
}

/** The service on the world's home, in a process that can be killed. */
async function startOn(
	world: World,
	options: Omit<ServiceOptions, "environment">,
): Promise<ServiceProcess> {
	const { home } = world.recant;
	await world.stop();
	const service = await startService({
		flushRows: FLUSH_ROWS,
		...options,
		environment: {
			RECANT_RPC_URL: world.gate.url,
			RECANT_TOKEN: world.chain.token.address,
			RECANT_POLL_INTERVAL_MS: "25",
			RECANT_DATA_DIR: home.dataDir,
			DATABASE_URL: home.databaseUrl,
		},
	});
	await untilFollowed(service.client, CHAIN, world.gate.url);
	return service;
}

/** What an agent writes during the rollback is durable at once, and admitted after it. */
async function writeMeanwhile(world: World, service: ServiceProcess): Promise<void> {
	const operation = { op: "put", id: "meanwhile", content: {}, text: "it forks" } as const;
	const input = { ...operation, layer: "semantic" } as const;
	const { committed, operations } = await service.client.write(CHAIN, input, { waitMs: 0 });
	expect(committed).toBe(false);
	world.adopt(operations[0]?.operationId ?? "none", operation);
}

/** Leases and claims of the dead process would hold for an hour if anyone waited for them to lapse. */
async function prolongLeases({ recant }: World): Promise<void> {
	const sql = postgres(recant.home.databaseUrl, { max: 1 });
	try {
		await sql`update recant.chains set lease_until = now() + interval '1 hour'
			where lease_holder is not null`;
		await sql`update recant.rollbacks set claim_until = now() + interval '1 hour'
			where claim_until is not null`;
	} finally {
		await sql.end();
	}
}

async function expectFinished(world: World, service: ServiceProcess): Promise<void> {
	await service.kill();
	await prolongLeases(world);
	await world.start();
	await expectStraightRun(world);
	expect((await world.rollbacks()).map(({ state }) => state)).toEqual(["committed"]);
	expect((await world.service.chain(CHAIN)).generation).toBe(1n);
}

describe.each([
	{ how: "inline", inlineRollbacks: true },
	{ how: "by job", inlineRollbacks: false },
])("a rollback that is worked on $how", ({ inlineRollbacks }) => {
	test.each(STAGES)(
		"survives a SIGKILL before its stage %s",
		async (stage) => {
			const { world, fork } = await inhabited(inlineRollbacks);
			const service = await startOn(world, { hangBefore: stage, inlineRollbacks });
			await fork();
			await service.said((event) => event.event === "stage" && event.stage === stage);
			await writeMeanwhile(world, service);
			await expectFinished(world, service);
		},
		TIMEOUT_MS,
	);

	test(
		"survives a SIGKILL right after its commit",
		async () => {
			const { world, fork } = await inhabited(inlineRollbacks);
			const service = await startOn(world, { hangAfterCommit: true, inlineRollbacks });
			await fork();
			await service.said((event) => event.event === "committed");
			await expectFinished(world, service);
		},
		TIMEOUT_MS,
	);
});
