/**
 * BullMQ on Postgres: a schema of its own in the service's database.
 *
 * Two things of BullMQ's Postgres backend are mended here (seen with 6.7.0): it asks again without
 * any pause while the server refuses connections by a Unix socket or is still starting, and it never
 * says that the server is back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
	type IQueueBackend,
	PostgresConnection,
	PostgresQueueBackend,
	type QueueBaseOptions,
	runMigrations,
} from "bullmq";
import pg from "pg";
import { LIMITS } from "../domain/limits.ts";
import type { BullBackend } from "./bull-backend.ts";
import type { QueueTiming } from "./queue-timing.ts";

/** Enqueueing is one short statement. */
const PRODUCER_CONNECTIONS = 2;
/** One for each job that is being finished, and one each for renewing locks and for the stalled check. */
const CONSUMER_CONNECTIONS = LIMITS.rollbackConcurrency + 2;

export function createPostgresBullBackend(
	databaseUrl: string,
	schema: string,
	timing: QueueTiming,
): BullBackend {
	const { connectionString, options } = splitServerOptions(databaseUrl);
	const config = {
		connectionString,
		...(options === undefined ? {} : { options }),
		connectionTimeoutMillis: LIMITS.queueRequestMs,
		// Every statement is short. A connection whose server vanished without a word would hold it for
		// as long as the kernel tries: hours, in which the consumer takes nothing.
		query_timeout: timing.connectMs,
		keepAlive: true,
		keepAliveInitialDelayMillis: timing.connectMs,
	};
	const open = (name: string, queue: QueueBaseOptions<object>, max: number, blocking: boolean) => {
		const pool = { ...config, max, schema, idleTimeoutMillis: 0 };
		return createBackend(name, { ...queue, connection: pool }, blocking, timing);
	};
	return {
		kind: "postgres",
		keyPrefix: schema,
		producer: (name, queue) => open(name, queue, PRODUCER_CONNECTIONS, false),
		consumer: (name, queue) => open(name, queue, CONSUMER_CONNECTIONS, true),
		prepare: () => migrate(config, schema),
	};
}

/**
 * A URL's own `options` would replace the search path that BullMQ sets, so they are taken out of it
 * and given apart: BullMQ then adds to them.
 */
export function splitServerOptions(databaseUrl: string): {
	readonly connectionString: string;
	readonly options: string | undefined;
} {
	const mark = databaseUrl.indexOf("?");
	if (mark === -1) return { connectionString: databaseUrl, options: undefined };
	const parameters = new URLSearchParams(databaseUrl.slice(mark + 1));
	const options = parameters.get("options") ?? undefined;
	parameters.delete("options");
	const rest = parameters.toString();
	const base = databaseUrl.slice(0, mark);
	return { connectionString: rest === "" ? base : `${base}?${rest}`, options };
}

/** Safe to run from many processes at once: BullMQ takes an advisory lock. */
async function migrate(config: pg.ClientConfig, schema: string): Promise<void> {
	const client = new pg.Client(config);
	// A connection that breaks between two statements is reported here only; the statement fails too.
	client.on("error", ignoreReportedTwice);
	await client.connect();
	try {
		await runMigrations(client, schema);
	} finally {
		await client.end();
	}
}

function ignoreReportedTwice(): void {
	// The statement under way, or the next one, rejects with the same error.
}

type PostgresQueueOptions = ConstructorParameters<typeof PostgresQueueBackend>[2];

function createBackend(
	name: string,
	options: PostgresQueueOptions,
	blocking: boolean,
	timing: QueueTiming,
): IQueueBackend {
	const connection = new PostgresConnection(options.connection);
	// While it is checked out of the pool, a client whose server dies would throw its error event.
	connection.pool.on("connect", (client) => client.on("error", ignoreReportedTwice));
	const listener = blocking ? name : undefined;
	return new PacedPostgresBackend(connection, name, options, listener, timing.reconnectMs);
}

class PacedPostgresBackend extends PostgresQueueBackend {
	readonly #pauseMs: number;

	constructor(
		connection: PostgresConnection,
		name: string,
		options: PostgresQueueOptions,
		listener: string | undefined,
		pauseMs: number,
	) {
		super(connection, name, options, true, listener);
		this.#pauseMs = pauseMs;
	}

	/** BullMQ's loop asks again at once after an error that it does not know as one of connecting. */
	override async moveToActive(token: string, name?: string) {
		try {
			return await super.moveToActive(token, name);
		} catch (cause) {
			await sleep(this.#pauseMs);
			throw cause;
		}
	}

	/** Runs every few seconds in each consumer, so its success shows that the server is back. */
	override async moveStalledJobsToWait() {
		const moved = await super.moveStalledJobsToWait();
		this.emit("ready");
		return moved;
	}
}
