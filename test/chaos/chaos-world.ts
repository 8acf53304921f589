/**
 * A world that can be hurt: service processes on real servers, each of which can be killed, frozen,
 * slowed and cut off, and an agent whose every operation is written down (world.ts).
 *
 * - `two processes`: an external Postgres, Redis, one LanceDB for both; the one holds the lease, the other
 *   stands by. Everything they talk to stands behind a proxy.
 * - `embedded`: one process with the embedded Postgres, the queue on it and LanceDB in its data directory.
 *
 * The world's own instance runs only while the others do not: it sees what they left.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RecantClient } from "../../src/client/client.ts";
import { HANDLERS_CODE } from "../support/handlers-code.ts";
import { type KillablePostgres, startKillablePostgres } from "../support/killable-postgres.ts";
import { type KillableRedis, startKillableRedis } from "../support/killable-redis.ts";
import {
	type ServiceOptions,
	type ServiceProcess,
	startService,
} from "../support/service-process.ts";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

export type Layout = "two processes" | "embedded";

/** So few that LanceDB is written to all the time. */
const FLUSH_ROWS = 4;
/** Before each stage of a rollback, at random: else hardly a kill would meet one. */
const STAGE_DELAY_MS = 120;
/** Nobody waits longer for a process that stands still. */
const CLIENT_TIMEOUT_MS = 4_000;

/** What stands between the processes and what they talk to. */
interface Proxies {
	readonly node: SeverableProxy;
	readonly postgres: SeverableProxy | undefined;
	readonly redis: SeverableProxy | undefined;
}

interface ChaosWorldOptions {
	readonly layout: Layout;
	readonly service?: Omit<ServiceOptions, "environment">;
	readonly environment?: Readonly<Record<string, string>>;
	/** Folder with the world's data and LanceDB; undefined: one of its own. */
	readonly dataDir?: string;
	/** Folder in which Postgres keeps its data; undefined: one of its own. */
	readonly postgresDir?: string;
}

/** A place where a service process runs, or is to be started again. */
export class Seat {
	readonly name: string;
	readonly #options: ServiceOptions;
	#process: ServiceProcess | undefined;
	#client: RecantClient | undefined;
	/** It stands still. */
	frozen = false;

	constructor(name: string, options: ServiceOptions) {
		this.name = name;
		this.#options = options;
	}

	/** Undefined: none runs. */
	get process(): ServiceProcess | undefined {
		return this.#process?.isRunning() === true ? this.#process : undefined;
	}

	get client(): RecantClient | undefined {
		return this.process === undefined ? undefined : this.#client;
	}

	/** What the process that ran last wrote. */
	get output(): string {
		return this.#process?.output() ?? "nothing";
	}

	async start(
		options: Partial<ServiceOptions> = {},
		more: Readonly<Record<string, string>> = {},
	): Promise<ServiceProcess> {
		const environment = { ...this.#options.environment, ...more };
		this.#process = await startService({ ...this.#options, ...options, environment });
		const { url } = this.#process;
		this.#client = new RecantClient({ url, timeoutMs: CLIENT_TIMEOUT_MS });
		return this.#process;
	}

	async kill(): Promise<void> {
		this.frozen = false;
		await this.#process?.kill();
	}

	freeze(): void {
		this.frozen = true;
		this.process?.freeze();
	}

	wake(): void {
		if (!this.frozen) return;
		this.frozen = false;
		this.process?.wake();
	}
}

export class ChaosWorld {
	readonly layout: Layout;
	readonly world: World;
	readonly seats: readonly Seat[];
	readonly proxies: Proxies;
	/** Undefined: it is the embedded one. */
	readonly postgres: KillablePostgres | undefined;
	readonly redis: KillableRedis | undefined;
	readonly #dataDir: string;

	private constructor(parts: {
		readonly layout: Layout;
		readonly world: World;
		readonly seats: readonly Seat[];
		readonly proxies: Proxies;
		readonly postgres: KillablePostgres | undefined;
		readonly redis: KillableRedis | undefined;
		readonly dataDir: string;
	}) {
		this.layout = parts.layout;
		this.world = parts.world;
		this.seats = parts.seats;
		this.proxies = parts.proxies;
		this.postgres = parts.postgres;
		this.redis = parts.redis;
		this.#dataDir = parts.dataDir;
	}

	/** Everything is started but the service processes; it ends with the running test. */
	static async create(options: ChaosWorldOptions): Promise<ChaosWorld> {
		const isEmbedded = options.layout === "embedded";
		const dataDir = options.dataDir ?? testDir("chaos");
		const postgres = isEmbedded ? undefined : await startKillablePostgres(options.postgresDir);
		const redis = isEmbedded ? undefined : await startKillableRedis();
		if (isEmbedded) atTestEnd(() => endEmbedded(dataDir));
		const home = {
			dataDir,
			get databaseUrl() {
				return postgres?.url ?? embeddedUrl(dataDir);
			},
		};
		const world = await World.create({
			name: "chaos",
			home,
			redisUrl: redis?.url,
			flushRows: FLUSH_ROWS,
			// Postgres has a place of its own before anybody can name it.
			...(isEmbedded ? { environment: { DATABASE_URL: "" } } : {}),
		});
		await world.stop();
		const proxies = {
			node: await startSeverableProxy(world.gate.url),
			postgres: postgres && (await startSeverableProxy(postgres.url)),
			redis: redis && (await startSeverableProxy(redis.url)),
		};
		const names = isEmbedded ? ["only"] : ["first", "second"];
		const seats = names.map((name) => {
			const seatDir = isEmbedded ? dataDir : testDir(`chaos-${name}`);
			const environment = {
				RECANT_RPC_URL: proxies.node.url,
				RECANT_TOKEN: world.chain.token.address,
				RECANT_POLL_INTERVAL_MS: "40",
				RECANT_DATA_DIR: seatDir,
				...(proxies.postgres && { DATABASE_URL: proxies.postgres.url }),
				...(proxies.redis && { REDIS_URL: proxies.redis.url }),
				...(isEmbedded ? {} : { LANCEDB_URI: join(dataDir, "lancedb") }),
				...options.environment,
			};
			const service = { flushRows: FLUSH_ROWS, stageDelayMs: STAGE_DELAY_MS, ...options.service };
			return new Seat(name, { handlersCode: HANDLERS_CODE, ...service, environment });
		});
		const { layout } = options;
		return new ChaosWorld({ layout, world, seats, proxies, postgres, redis, dataDir });
	}

	/** Past the proxies. */
	get databaseUrl(): string {
		return this.postgres?.url ?? embeddedUrl(this.#dataDir);
	}

	/** Of the processes that run and do not stand still. */
	get clients(): readonly RecantClient[] {
		return this.seats.flatMap(({ client, frozen }) =>
			client === undefined || frozen ? [] : [client],
		);
	}

	/**
	 * Where the process with the lease runs; undefined: nobody who runs here has it, or another fault has just
	 * struck Postgres, so that it cannot be told.
	 */
	async leader(): Promise<Seat | undefined> {
		const [row] = await withSql(
			this.databaseUrl,
			(sql) => sql<{ lease_holder: string | null }[]>`select lease_holder from chains`,
		).catch(() => []);
		const pid = Number(row?.lease_holder?.split(":")[1]);
		return this.seats.find(({ process }) => process?.pid === pid);
	}

	/** Starts whatever does not run. */
	async startMissing(): Promise<void> {
		await Promise.all(
			this.seats.map(async (seat) => {
				if (seat.process === undefined) await seat.start();
			}),
		);
	}

	/** Postgres' own process, where it is the embedded one. */
	get embeddedPid(): number {
		return Number(pidFile(this.#dataDir)[0]);
	}

	/** Kills the processes, and has the world's own instance look at what they left. */
	async inspect(look: (world: World) => Promise<void>): Promise<void> {
		await Promise.all(this.seats.map((seat) => seat.kill()));
		await this.world.start();
		try {
			await look(this.world);
		} finally {
			await this.world.stop();
		}
	}
}

function pidFilePath(dataDir: string): string {
	return join(dataDir, "postgres", "cluster", "postmaster.pid");
}

function pidFile(dataDir: string): readonly string[] {
	return readFileSync(pidFilePath(dataDir), "utf8").split("\n");
}

/** See src/store/embedded/postgres.ts: the server says its port, and a file the password. */
function embeddedUrl(dataDir: string): string {
	// Asked for before the server was ever there: what starts it does not use this.
	if (!existsSync(pidFilePath(dataDir))) return "postgres://nowhere.invalid";
	const password = readFileSync(join(dataDir, "postgres", "password"), "utf8").trim();
	return `postgres://recant:${password}@127.0.0.1:${pidFile(dataDir)[3]}/recant`;
}

/** Where the test failed while the service was killed. */
function endEmbedded(dataDir: string): void {
	if (!existsSync(pidFilePath(dataDir))) return;
	try {
		process.kill(Number(pidFile(dataDir)[0]), "SIGINT");
	} catch (error) {
		// Gone already; its file stayed.
		if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
	}
}
