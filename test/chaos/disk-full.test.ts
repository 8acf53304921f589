/**
 * No space left, for Postgres or for LanceDB: what cannot be done is refused with a typed error, what was
 * acknowledged stays, and everything goes on by itself when there is space again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { mountSmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";
import type { World } from "../support/world.ts";
import { ChaosWorld } from "./chaos-world.ts";
import { settled, storedViolations } from "./settled.ts";

/** A new cluster has 40 MB, and writes ahead in segments of 16. */
const POSTGRES_MIB = 128;
const LANCEDB_MIB = 16;
/** Of agents' writes while there is no space. */
const FULL_MS = 4_000;
/** Of each write, and nothing that Postgres could make shorter: tables grow by pages of 8 KiB. */
const LARGE_BYTES = 6_000;
/** Refusals that are waited for, and for how long. */
const REFUSALS = 3;
const REFUSED_MS = 30_000;
/** What a client may be told while Postgres has no space. */
const TYPED = ["database_unavailable", "not_ready", "lease_lost"];
const TIMEOUT_MS = 180_000;

/** Requests under their keys, sent again until they are known. */
class Writes {
	readonly #world: World;
	readonly #open = new Map<string, ReturnType<typeof saying>>();
	readonly acknowledged = new Map<string, string>();
	readonly refused = new Map<string, number>();
	#count = 0;

	constructor(world: World) {
		this.#world = world;
	}

	/** Writes until so many were refused. */
	async untilRefused(client: RecantClient): Promise<void> {
		for (const endMs = performance.now() + REFUSED_MS; performance.now() < endMs; ) {
			await this.during(client, 100);
			const refused = [...this.refused.values()].reduce((sum, count) => sum + count, 0);
			if (refused >= REFUSALS) return;
		}
		throw new Error(`nothing was refused within ${REFUSED_MS} ms, though the disk is full`);
	}

	/** Writes for so long, whatever it is answered. */
	async during(client: RecantClient, durationMs: number): Promise<void> {
		for (const endMs = performance.now() + durationMs; performance.now() < endMs; ) {
			this.#count += 1;
			const key = `full-${this.#count}`;
			this.#open.set(key, saying(this.#count));
			await this.#send(client, key).catch((error: unknown) => {
				if (!(error instanceof RecantApiError && error.retryable)) throw error;
				expect(error.hint).not.toBe("");
				this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
			});
			await sleep(10);
		}
	}

	/** Once there is space: every request gets its answer, and none another one than before. */
	async resolve(client: RecantClient): Promise<void> {
		for (const key of [...this.#open.keys()]) await this.#send(client, key);
		for (const [key, operationId] of this.acknowledged) {
			const number = Number(key.split("-")[1]);
			const again = await client.write(CHAIN, saying(number), { idempotencyKey: key });
			expect([again.repeated, again.operations[0]?.operationId]).toEqual([true, operationId]);
		}
	}

	async #send(client: RecantClient, key: string): Promise<void> {
		const said = this.#open.get(key);
		if (said === undefined) return;
		const { operations } = await client.write(CHAIN, said, { idempotencyKey: key, waitMs: 1_000 });
		const operationId = operations[0]?.operationId ?? "none";
		this.#open.delete(key);
		this.acknowledged.set(key, operationId);
		this.#world.adopt(operationId, said);
	}
}

function saying(n: number) {
	// The same at each call, as a repeated request must be.
	const random = new Random(n);
	const bytes = Uint8Array.from({ length: LARGE_BYTES }, () => random.between(0, 255));
	const content = { n, large: Buffer.from(bytes).toString("base64") };
	return { op: "put", id: `note ${n}`, layer: "semantic", content, text: `whale ${n}` } as const;
}

async function forked({ world }: ChaosWorld): Promise<void> {
	await world.gate.hold(async () => {
		await world.chain.block({ from: 1, to: 2, value: 5n });
		await world.chain.drop(1);
		await world.chain.block({ from: 2, to: 3, value: 7n });
		await world.chain.block({ from: 3, to: 1, value: 7n });
	});
}

async function onlyClient(chaos: ChaosWorld): Promise<RecantClient> {
	await chaos.startMissing();
	await settled(chaos);
	const client = (await chaos.leader())?.client;
	if (client === undefined) throw new Error("nobody has the lease");
	return client;
}

test(
	"a full disk under Postgres is told with typed errors, and nothing acknowledged is lost",
	async ({ skip }) => {
		const disk = mountSmallDisk(POSTGRES_MIB);
		if (disk === undefined) return skip("no small file system can be mounted here");
		const chaos = await ChaosWorld.create({ layout: "two processes", postgresDir: disk.path });
		const client = await onlyClient(chaos);
		const writes = new Writes(chaos.world);
		await writes.during(client, 500);
		const before = writes.acknowledged.size;
		expect(before).toBeGreaterThan(0);
		disk.fill();
		const writing = writes.untilRefused(client);
		await forked(chaos);
		await writing;
		console.info(
			JSON.stringify({ acknowledged: before, full: Object.fromEntries(writes.refused) }),
		);
		expect([...writes.refused.keys()].filter((code) => !TYPED.includes(code))).toEqual([]);
		expect(chaos.seats.map(({ process }) => process?.isRunning())).toEqual([true, true]);
		disk.free();
		// Postgres gives up where it cannot write ahead; whoever runs it starts it again.
		if (chaos.postgres?.isRunning() === false) await chaos.postgres.start();
		await settled(chaos);
		await writes.resolve(client);
		await settled(chaos);
		expect(await storedViolations(chaos)).toEqual([]);
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);

test(
	"a full disk under LanceDB is said, and its vectors wait in Postgres until there is space",
	async ({ skip }) => {
		const disk = mountSmallDisk(LANCEDB_MIB);
		if (disk === undefined) return skip("no small file system can be mounted here");
		const chaos = await ChaosWorld.create({ layout: "two processes", dataDir: disk.path });
		const client = await onlyClient(chaos);
		const writes = new Writes(chaos.world);
		await writes.during(client, 500);
		disk.fill();
		const writing = writes.during(client, FULL_MS);
		await forked(chaos);
		await writing;
		// Vectors wait, and nothing else does.
		expect([...writes.refused.keys()]).toEqual([]);
		await untilFollowed(client, CHAIN, chaos.world.gate.url);
		const { collections } = await client.chain(CHAIN);
		expect(collections[0]?.tail).toBeGreaterThan(4);
		const { results } = await client.search(CHAIN, { text: `whale ${writes.acknowledged.size}` });
		expect(results[0]?.memory.id).toBe(`note ${writes.acknowledged.size}`);
		disk.free();
		await until("the tail is flushed", async () => {
			const now = (await client.chain(CHAIN)).collections[0]?.tail;
			return now !== undefined && now < 4;
		});
		await writes.resolve(client);
		await settled(chaos);
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);
