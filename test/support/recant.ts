/** Recant in this process, as main.ts starts it, on a database and a data directory of its own. */

import { tokenLedger } from "../../chains/anvil.ts";
import { chainSpec } from "../../src/config/chains.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { ChainDefinition } from "../../src/follower/define-chain.ts";
import { type RunningRecant, type StartOptions, startRecant } from "../../src/main.ts";
import { HANDLERS_CODE } from "./handlers-code.ts";
import { createTestDatabase } from "./postgres.ts";
import { testDir } from "./temp-dir.ts";
import { atTestEnd } from "./test-end.ts";

/** Name of the chain that `startTestRecant` follows. */
export const CHAIN = "anvil";
/** Often enough that a test waits for Recant and not for its clock. */
const POLL_INTERVAL_MS = 25;

export interface TestRecantOptions
	extends Pick<StartOptions, "beforeStage" | "inlineRollbacks" | "flushRows" | "rollbackChanges"> {
	/** For the names of what it leaves when the test fails. */
	readonly name: string;
	readonly rpcUrl: string;
	readonly token: Hex;
	/** Undefined: the queue is on Postgres. */
	readonly redisUrl?: string | undefined;
	/** Settings beside those that a test always has; see src/config/environment.ts. */
	readonly environment?: Readonly<Record<string, string>>;
	/** What the chain's file says beside its contracts. */
	readonly chainFile?: Pick<
		ChainDefinition,
		"consistency" | "snapshots" | "log" | "history" | "merges" | "memory" | "consolidations"
	>;
	/** From an instance that was stopped: goes on with what that one left. */
	readonly home?: Home;
}

/** What outlives a stop. */
export interface Home {
	readonly databaseUrl: string;
	readonly dataDir: string;
}

export interface TestRecant extends RunningRecant {
	readonly home: Home;
}

/** Follows the example token; stopped when the test ends, if not before. */
export async function startTestRecant(options: TestRecantOptions): Promise<TestRecant> {
	const home = options.home ?? {
		databaseUrl: (await createTestDatabase(options.name)).url,
		dataDir: testDir("data"),
	};
	const environment = readEnvironment({
		RECANT_RPC_URL: options.rpcUrl,
		RECANT_TOKEN: options.token,
		RECANT_POLL_INTERVAL_MS: `${POLL_INTERVAL_MS}`,
		RECANT_PORT: "0",
		RECANT_DATA_DIR: home.dataDir,
		RECANT_LOG_LEVEL: process.env["RECANT_TEST_LOG_LEVEL"] ?? "fatal",
		DATABASE_URL: home.databaseUrl,
		REDIS_URL: options.redisUrl,
		...options.environment,
	});
	const ledger = tokenLedger(environment.exampleChain);
	// Tests fork below what the node marked a moment ago, and expect that it is refused.
	const finality = { ...ledger.finality, everyMs: 0 };
	const definition = { ...ledger, finality, ...options.chainFile };
	const code = new TextEncoder().encode(HANDLERS_CODE);
	const { beforeStage, inlineRollbacks, flushRows, rollbackChanges } = options;
	const running = await startRecant({
		environment,
		chains: [chainSpec(definition, { file: "chains/anvil.ts", code })],
		...(beforeStage === undefined ? {} : { beforeStage }),
		...(inlineRollbacks === undefined ? {} : { inlineRollbacks }),
		...(flushRows === undefined ? {} : { flushRows }),
		...(rollbackChanges === undefined ? {} : { rollbackChanges }),
	});
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= running.stop();
		return stopping;
	};
	atTestEnd(stop);
	return { ...running, stop, home };
}
