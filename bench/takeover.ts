/**
 * From the SIGKILL of the process that works on a rollback, in each of its stages, to the rollback's commit by
 * the one that stands by; default settings, but that nodes are polled as other sections do.
 *
 * On one host whoever stands by sees that the process is gone. On another host it cannot, and the lease
 * and the claim must lapse.
 */
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { startAnvil } from "../scripts/support/anvil.ts";
import { devAccount } from "../scripts/support/dev-accounts.ts";
import { startPostgres } from "../scripts/support/postgres-server.ts";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { deployToken, type Token } from "../scripts/support/token.ts";
import { ToolError } from "../scripts/support/tool-error.ts";
import { STAGES, type Stage } from "../src/rollback/rollback-record.ts";
import { type ServiceProcess, startService } from "../test/support/service-process.ts";
import { figure, type Row, type Table } from "./figures.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 100;
const DEPTH = 5;
const FIRST_BLOCKS = 20;
const GOAL_MS = 10_000;
/** Far beyond the goal; what takes longer is no figure any more. */
const GIVEN_UP_MS = 60_000;
const LOOK_MS = 5;
const OTHER_HOST = fileURLToPath(new URL("../test/support/other-host.ts", import.meta.url));

const PLACES = [
	{ name: "on one host", preloads: [] },
	{ name: "on two hosts", preloads: [OTHER_HOST] },
] as const;
type Place = (typeof PLACES)[number];

export const takeoverSection: Section = {
	name: "takeover",
	title: "from the SIGKILL of the working process to the commit by the one that stands by",
	run: async (context) => {
		const rig = await Rig.start();
		try {
			return await measure(rig, context);
		} finally {
			await rig.stop();
		}
	},
};

async function measure(rig: Rig, { quick, say }: SectionContext): Promise<Measured> {
	const repetitions = quick ? 1 : 5;
	const tables: Table[] = [];
	for (const place of PLACES) {
		const rows: Row[] = [];
		for (const stage of STAGES) {
			const samples: number[] = [];
			for (let round = 1; round <= repetitions; round += 1) {
				const ms = await rig.takeover(stage, place);
				say(`${place.name}, killed before ${stage}, ${round}/${repetitions}: ${Math.round(ms)} ms`);
				samples.push(ms);
			}
			const most = Math.max(...samples);
			rows.push({
				"killed before": stage,
				"to the commit": figure("ms", samples),
				"goal 10 s": most <= GOAL_MS ? "met" : "missed",
			});
		}
		const notes = [
			"Both processes run before the fork; the one killed had the lease and the rollback's claim.",
			place.preloads.length === 0
				? "Its pid is looked up, so it is known to be gone at the next try for the lease."
				: "Each believes to be on a host of its own, so lease (4 s) and claim (5 s) lapse by themselves.",
		];
		tables.push({ title: `Two processes ${place.name}`, rows, notes });
	}
	return {
		settings: { repetitions, "polling every ms": POLL_INTERVAL_MS, "depth of the fork": DEPTH },
		tables,
	};
}

/** Servers and a chain, on which one pair of processes after another runs. */
class Rig {
	readonly #ending: AsyncDisposableStack;
	readonly #environment: Readonly<Record<string, string>>;
	readonly #sql: postgres.Sql;
	readonly #anvil: Awaited<ReturnType<typeof startAnvil>>;
	readonly #token: Token;
	readonly #dirs: readonly [string, string];
	#value = 0n;

	private constructor(parts: {
		readonly ending: AsyncDisposableStack;
		readonly environment: Readonly<Record<string, string>>;
		readonly sql: postgres.Sql;
		readonly anvil: Awaited<ReturnType<typeof startAnvil>>;
		readonly token: Token;
		readonly dirs: readonly [string, string];
	}) {
		this.#ending = parts.ending;
		this.#environment = parts.environment;
		this.#sql = parts.sql;
		this.#anvil = parts.anvil;
		this.#token = parts.token;
		this.#dirs = parts.dirs;
	}

	static async start(): Promise<Rig> {
		await using started = new AsyncDisposableStack();
		const directory = () => {
			const dir = makeServerDir("bench-takeover");
			started.defer(dir.remove);
			return dir.path;
		};
		const dirs = [directory(), directory()] as const;
		const lancedb = directory();
		const server = await startPostgres();
		started.defer(server.stop);
		const anvil = await startAnvil();
		started.defer(anvil.stop);
		const token = await deployToken(anvil.rpcUrl);
		const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
		started.defer(() => sql.end());
		const environment = {
			RECANT_RPC_URL: anvil.rpcUrl,
			RECANT_TOKEN: token.address,
			RECANT_POLL_INTERVAL_MS: `${POLL_INTERVAL_MS}`,
			DATABASE_URL: server.url,
			LANCEDB_URI: lancedb,
		};
		const rig = new Rig({ ending: started.move(), environment, sql, anvil, token, dirs });
		await rig.#mine(FIRST_BLOCKS);
		return rig;
	}

	stop(): Promise<void> {
		return this.#ending.disposeAsync();
	}

	/** Milliseconds from the SIGKILL to the commit. */
	async takeover(stage: Stage, { preloads }: Place): Promise<number> {
		const [ownDir, otherDir] = this.#dirs;
		const working = await this.#service(ownDir, { hangBefore: stage, preloads });
		let standing: ServiceProcess | undefined;
		try {
			await this.#followed();
			standing = await this.#service(otherDir, { preloads });
			await this.#mine(2);
			await this.#followed();
			const generation = await this.#generation();
			await this.#fork();
			await working.said((event) => event.event === "stage" && event.stage === stage);
			const startMs = performance.now();
			await working.kill();
			await this.#until("the rollback is committed", async () => {
				return (await this.#generation()) > generation;
			});
			return performance.now() - startMs;
		} finally {
			await working.kill();
			await standing?.stop();
		}
	}

	#service(
		dataDir: string,
		options: { readonly hangBefore?: Stage; readonly preloads: readonly string[] },
	): Promise<ServiceProcess> {
		const environment = { ...this.#environment, RECANT_DATA_DIR: dataDir };
		return startService({ ...options, environment });
	}

	async #mine(blocks: number): Promise<void> {
		for (let block = 0; block < blocks; block += 1) {
			this.#value += 1n;
			const to = devAccount(1 + Number(this.#value % 5n)).address;
			await this.#token.mint({ to, value: this.#value });
			await this.#anvil.mine();
		}
	}

	async #fork(): Promise<void> {
		await this.#anvil.reorg(DEPTH);
		await this.#mine(1);
	}

	async #generation(): Promise<number> {
		const [row] = await this.#sql<{ generation: string }[]>`select generation from recant.chains`;
		return Number(row?.generation ?? -1);
	}

	/** A process has the lease, and committed the node's head. */
	async #followed(): Promise<void> {
		const height = await this.#anvil.blockNumber();
		await this.#until("the head is followed", async () => {
			const rows = await this.#sql`
				select 1 from recant.chains where head_height >= ${height.toString()}
					and lease_until > now()`;
			return rows.length > 0;
		});
	}

	async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
		const deadlineMs = performance.now() + GIVEN_UP_MS;
		while (!(await holds())) {
			if (performance.now() > deadlineMs) {
				throw new ToolError("process_timeout", {
					message: `${what}: not within ${GIVEN_UP_MS} ms`,
					hint: "run the chaos tests: a rollback was not taken over",
				});
			}
			await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
		}
	}
}
