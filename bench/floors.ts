/**
 * What no follower of this stack can go below on this machine: the node's bare answers to what a block and a fork
 * must be asked for, and Postgres making one row durable. Measured beside what they are the floors of.
 */
import postgres from "postgres";

export interface Floors {
	/** The new head, then its logs by its hash: one cannot be asked for before the other is known. */
	readonly blockFromNode: readonly number[];
	/** The new head, the headers below it in one batch, and the branch's logs by one range. */
	readonly forkFromNode: readonly number[];
	/** A statement that does nothing, there and back. */
	readonly roundTrip: readonly number[];
	/** One row in one statement, durable. */
	readonly durableRow: readonly number[];
}

export async function measureFloors(
	{ rpcUrl, databaseUrl }: { readonly rpcUrl: string; readonly databaseUrl: string },
	{ depth, repetitions }: { readonly depth: number; readonly repetitions: number },
): Promise<Floors> {
	const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
	const floors = {
		blockFromNode: [] as number[],
		forkFromNode: [] as number[],
		roundTrip: [] as number[],
		durableRow: [] as number[],
	};
	try {
		await sql`create table bench_floor (id int primary key, at int not null)`;
		await sql`insert into bench_floor values (1, 0)`;
		// The first round warms connections up.
		for (let round = -1; round < repetitions; round += 1) {
			const took = {
				blockFromNode: await timed(() => askBlock(rpcUrl)),
				forkFromNode: await timed(() => askFork(rpcUrl, depth)),
				roundTrip: await timed(() => sql`select 1`),
				durableRow: await timed(() => sql`update bench_floor set at = ${round} where id = 1`),
			};
			if (round < 0) continue;
			for (const name of Object.keys(took) as (keyof typeof took)[]) floors[name].push(took[name]);
		}
		await sql`drop table bench_floor`;
		return floors;
	} finally {
		await sql.end();
	}
}

async function timed(work: () => PromiseLike<unknown>): Promise<number> {
	const start = performance.now();
	await work();
	return performance.now() - start;
}

interface Head {
	readonly hash: string;
	readonly number: string;
}

async function askBlock(rpcUrl: string): Promise<void> {
	const [{ hash }] = await ask(rpcUrl, [["eth_getBlockByNumber", ["latest", false]]]);
	await ask(rpcUrl, [["eth_getLogs", [{ blockHash: hash }]]]);
}

async function askFork(rpcUrl: string, depth: number): Promise<void> {
	const [{ number }] = await ask(rpcUrl, [["eth_getBlockByNumber", ["latest", false]]]);
	const heights = Array.from(
		{ length: depth },
		(_, below) => `0x${(Number(number) - 1 - below).toString(16)}`,
	);
	await ask(
		rpcUrl,
		heights.map((height) => ["eth_getBlockByNumber", [height, false]] as const),
	);
	await ask(rpcUrl, [["eth_getLogs", [{ fromBlock: heights.at(-2), toBlock: number }]]]);
}

/** One HTTP request; the first answer's result is taken for a block's. */
async function ask(
	rpcUrl: string,
	calls: readonly (readonly [string, readonly unknown[]])[],
): Promise<readonly [Head, ...Head[]]> {
	const body = calls.map(([method, params], id) => ({ jsonrpc: "2.0", id, method, params }));
	const response = await fetch(rpcUrl, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(body),
	});
	const answers = (await response.json()) as readonly { readonly result: Head }[];
	const [first, ...others] = answers.map(({ result }) => result);
	if (first === undefined) throw new TypeError(`${rpcUrl} answered nothing`);
	return [first, ...others];
}
