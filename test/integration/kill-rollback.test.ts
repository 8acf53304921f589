/** SIGKILL of the service in the middle of a rollback: the next start finishes it, and nothing shows. */
import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import { RecantClient } from "../../src/client/client.ts";
import { STAGES } from "../../src/rollback/rollback-record.ts";
import { type ForkedLedger, startForkedLedger } from "../support/forked-ledger.ts";
import { ledgerChain, startHere } from "../support/ledger-chain.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import {
	type ServiceOptions,
	type ServiceProcess,
	startService,
} from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";

const CHAIN = "anvil";
/** Starts of two services and a rollback, on a machine with other tests on it. */
const TIMEOUT_MS = 180_000;

/** The service on a fork of the chain, with agents' memories of each kind from before the fork. */
async function before(ledger: ForkedLedger, service: ServiceProcess): Promise<void> {
	const { client } = service;
	await ledger.grow(5);
	await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
	await note(client, "early", undefined);
	const { returning, lost } = await ledger.growForkable();
	await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
	await note(client, "late", undefined);
	await note(client, "returning", { transaction: returning });
	await note(client, "lost", { transaction: lost });
}

async function note(
	client: RecantClient,
	id: string,
	anchor: { readonly transaction: string } | undefined,
): Promise<void> {
	const answer = await client.write(CHAIN, {
		op: "put",
		id,
		layer: "long_term",
		content: { id },
		text: `the agent noted ${id}`,
		anchor,
	});
	expect(answer.committed).toBe(true);
}

/** Leases and claims of the dead process would hold for an hour if anyone waited for them to lapse. */
async function prolongLeases(databaseUrl: string): Promise<void> {
	const sql = postgres(databaseUrl, { max: 1 });
	try {
		await sql`update recant.chains set lease_until = now() + interval '1 hour'`;
		await sql`update recant.rollbacks set claim_until = now() + interval '1 hour'
			where claim_until is not null`;
	} finally {
		await sql.end();
	}
}

async function expectAsFresh(client: RecantClient, ledger: ForkedLedger): Promise<void> {
	const database = await createTestDatabase("fresh");
	const fresh = await startHere({
		chains: [ledgerChain({ rpcUrl: ledger.anvil.rpcUrl, token: ledger.token.address })],
		databaseUrl: database.url,
	});
	const freshClient = new RecantClient({ url: fresh.url });
	await untilFollowed(freshClient, CHAIN, ledger.anvil.rpcUrl);
	const [state, expected] = [
		await ledgerState(client, CHAIN, "ledger"),
		await ledgerState(freshClient, CHAIN, "ledger"),
	];
	// The agents' layer is judged by its content below; nobody wrote to the fresh instance.
	const { long_term: _agents, state: _whole, ...digests } = state.digests;
	const { long_term: _none, state: _other, ...expectedDigests } = expected.digests;
	expect(digests).toEqual(expectedDigests);
	expect({ ...state, digests }).toEqual({ ...expected, digests });
	await fresh.stop();
}

async function expectAgentsJudged(client: RecantClient): Promise<void> {
	const { items } = await client.memories(CHAIN, { namespace: "default" });
	expect(items.map(({ id }) => id)).toEqual(["early", "late", "returning"]);
	await expect(client.memory(CHAIN, "lost")).rejects.toThrow(RecantApiError);
	const { results } = await client.search(CHAIN, { text: "noted", namespace: "default", k: 10 });
	expect(results.map(({ memory }) => memory.id).sort()).toEqual(["early", "late", "returning"]);
	for (const id of ["early", "late", "returning"]) {
		const { items: versions } = await client.history(CHAIN, id);
		expect(versions.filter(({ present }) => present)).toHaveLength(1);
	}
}

interface Run {
	readonly ledger: ForkedLedger;
	readonly environment: Record<string, string>;
	readonly databaseUrl: string;
}

async function prepareRun(name: string): Promise<Run> {
	const ledger = await startForkedLedger();
	const { url: databaseUrl } = await createTestDatabase(name);
	const environment = {
		RECANT_RPC_URL: ledger.anvil.rpcUrl,
		RECANT_TOKEN: ledger.token.address,
		RECANT_POLL_INTERVAL_MS: "50",
		RECANT_DATA_DIR: testDir(name),
		DATABASE_URL: databaseUrl,
	};
	return { ledger, environment, databaseUrl };
}

async function killedRun(
	run: Run,
	options: Omit<ServiceOptions, "environment">,
	until: (service: ServiceProcess) => Promise<unknown>,
): Promise<void> {
	const { ledger, environment, databaseUrl } = run;
	const first = await startService({ environment, ...options });
	await before(ledger, first);
	await ledger.forkAway();
	await until(first);
	await first.kill();
	await prolongLeases(databaseUrl);
	const { inlineRollbacks = true } = options;
	const second = await startService({ environment, inlineRollbacks });
	await untilFollowed(second.client, CHAIN, ledger.anvil.rpcUrl);
	await expectAsFresh(second.client, ledger);
	await expectAgentsJudged(second.client);
	const { items } = await second.client.rollbacks(CHAIN);
	expect(items.map(({ state }) => state)).toEqual(["committed"]);
	await second.stop();
}

describe.each([
	{ how: "inline", inlineRollbacks: true },
	{ how: "by job", inlineRollbacks: false },
])("a rollback that is worked on $how", ({ how, inlineRollbacks }) => {
	it.each(STAGES)(
		"survives a SIGKILL before its stage %s",
		async (stage) => {
			const run = await prepareRun(`kill ${how} ${stage}`);
			await killedRun(run, { hangBefore: stage, inlineRollbacks }, (service) =>
				service.said((event) => event.event === "stage" && event.stage === stage),
			);
		},
		TIMEOUT_MS,
	);

	it(
		"survives a SIGKILL right after its commit",
		async () => {
			const run = await prepareRun(`kill ${how} committed`);
			await killedRun(run, { hangAfterCommit: true, inlineRollbacks }, (service) =>
				service.said((event) => event.event === "committed"),
			);
		},
		TIMEOUT_MS,
	);
});
