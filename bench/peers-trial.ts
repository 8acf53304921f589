/** One side at work: with a database, a folder and a proxy of its own, before the node that all share. */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import type { Hex } from "viem";
import type { PostgresServer } from "../scripts/support/postgres-server.ts";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { NodeProxy } from "./peers-node-proxy.ts";
import type { KeptEvent, RunningSide, Side, Wanted } from "./peers-side.ts";

const LOOK_MS = 2;

/** What all sides of a measurement have in common. */
export interface Ground {
	readonly server: PostgresServer;
	readonly rpcUrl: string;
	readonly chainId: number;
	readonly token: Hex;
}

export interface Trial {
	readonly name: string;
	readonly webSocket: boolean;
	readonly proxy: NodeProxy;
	readonly running: RunningSide;
	readonly databaseUrl: string;
	/** Of the start of its process. */
	readonly startedAt: number;
	/** Ends it and removes all that it left. */
	stop(): Promise<void>;
}

let databases = 0;

export async function startTrial(
	ground: Ground,
	side: Side,
	options: { readonly webSocket: boolean } = { webSocket: false },
): Promise<Trial> {
	const { server, rpcUrl, chainId, token } = ground;
	const { webSocket } = options;
	databases += 1;
	const name = `peer_${databases}`;
	await onServer(server, (sql) => sql`create database ${sql(name)}`);
	const url = new URL(server.url);
	url.pathname = `/${name}`;
	const dir = makeServerDir("peer");
	const proxy = await NodeProxy.before(rpcUrl);
	const startedAt = performance.now();
	const running = await side.start({
		...{ proxy, webSocket, databaseUrl: url.href, chainId, token },
		folder: dir.path,
	});
	return {
		name: side.name,
		webSocket,
		proxy,
		running,
		databaseUrl: url.href,
		startedAt,
		stop: async () => {
			proxy.release();
			await running.stop();
			await proxy.stop();
			await onServer(server, (sql) => sql`drop database ${sql(name)} with (force)`);
			dir.remove();
		},
	};
}

async function onServer(
	server: PostgresServer,
	work: (sql: postgres.Sql) => Promise<unknown>,
): Promise<void> {
	const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
	try {
		await work(sql);
	} finally {
		await sql.end();
	}
}

export type Outcome =
	| {
			readonly type: "right";
			/** When its database had all of it. */
			readonly committedAt: number;
			/** When its HTTP API had answered with it; NaN where it was not asked. */
			readonly answeredAt: number;
	  }
	| {
			readonly type: "wrong";
			/** How things stood at the end. */
			readonly why: string;
	  };

export interface Patience {
	readonly limitMs: number;
	/** Whether its HTTP API is asked as well. */
	readonly ask: boolean;
	/** Pause between looks: a look takes processor time from both. 2 if left out. */
	readonly lookMs?: number;
}

/**
 * Looks until the side has exactly the wanted events, and answers so where `ask` is given. Never
 * rejects for what the side does; after `limitMs` the outcome is wrong.
 */
export async function outcomeOf(
	{ running }: Trial,
	wanted: Wanted,
	{ limitMs, ask, lookMs = LOOK_MS }: Patience,
): Promise<Outcome> {
	const until = performance.now() + limitMs;
	let why = "its database never had the block";
	let committedAt: number | undefined;
	while (performance.now() < until) {
		if (running.process.hasEnded()) return wrong(`its process ended: ${words(running)}`);
		if (await running.hasBlock(wanted)) {
			const at = performance.now();
			const [difference, asked] = await Promise.all([
				running.events(wanted.above).then((found) => differenceOf(found, wanted.events)),
				ask ? askedOf(running, wanted) : Number.NaN,
			]);
			if (difference === undefined) committedAt ??= at;
			if (committedAt !== undefined && difference === undefined && typeof asked === "number") {
				return { type: "right", committedAt, answeredAt: asked };
			}
			why = difference ?? `its database has all, and its API ${asked}`;
		}
		await sleep(lookMs);
	}
	return wrong(`not within ${limitMs} ms: ${why}; ${words(running)}`);
}

/** When it answered; else what it did. */
async function askedOf(running: RunningSide, wanted: Wanted): Promise<number | string> {
	try {
		return (await running.answers(wanted)) ? performance.now() : "answers otherwise";
	} catch (error) {
		return `fails: ${String(error)}`;
	}
}

function wrong(why: string): Outcome {
	return { type: "wrong", why };
}

function words({ process }: RunningSide): string {
	const lines = process.output().trim().split("\n");
	// Node's own warnings explain no failure.
	const said = lines
		.filter((line) => !/^\(node:\d+\)|^\(Use `node /.test(line))
		.slice(-3)
		.join(" / ");
	return said === "" ? "it said nothing" : `it said: ${said.slice(0, 600)}`;
}

/** Undefined: there is none. */
function differenceOf(
	found: readonly KeptEvent[],
	wanted: readonly KeptEvent[],
): string | undefined {
	const hashes = new Map(found.map(({ id, blockHash }) => [id, blockHash]));
	const missing = wanted.filter(({ id }) => !hashes.has(id)).length;
	const orphaned = wanted.filter(
		({ id, blockHash }) => hashes.has(id) && hashes.get(id) !== blockHash,
	).length;
	const known = new Set(wanted.map(({ id }) => id));
	const more = found.filter(({ id }) => !known.has(id)).length;
	if (missing === 0 && orphaned === 0 && found.length === wanted.length) return undefined;
	return `${missing} of ${wanted.length} events missing, ${orphaned} of another block, ${more} that are not on the chain`;
}
