/** The example chain's file on a node of the test's own, and a service that follows it in this process. */
import { readFileSync } from "node:fs";
import anvilChain from "../../chains/anvil.ts";
import { chainSpec } from "../../src/config/chains.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { type RunningRecant, type StartOptions, startRecant } from "../../src/main.ts";
import { testDir } from "./temp-dir.ts";
import { atTestEnd } from "./test-end.ts";

const CODE = readFileSync(new URL("../../chains/anvil.ts", import.meta.url));
/** Often enough that no test waits for it, seldom enough to leave the node some time. */
const POLL_INTERVAL_MS = 50;

export function ledgerChain(chain: {
	readonly rpcUrl: string;
	readonly token: Hex;
	/** Default `anvil`. */
	readonly name?: string;
	/** Default 31,337. */
	readonly id?: number;
}): ChainSpec {
	const { contracts } = anvilChain;
	const definition = {
		...anvilChain,
		id: chain.id ?? 31_337,
		name: chain.name ?? "anvil",
		rpc: { urls: [chain.rpcUrl], pollIntervalMs: POLL_INTERVAL_MS },
		startBlock: 0n,
		contracts: { Token: { ...contracts.Token, address: chain.token } },
	};
	return chainSpec(definition, { file: "anvil.ts", code: CODE });
}

/** Starts Recant in this process, with a data directory of its own; it is stopped when the test is over. */
export async function startHere(
	options: { readonly chains: readonly ChainSpec[]; readonly databaseUrl: string } & Pick<
		StartOptions,
		"flushRows" | "beforeStage"
	> & { readonly dataDir?: string },
): Promise<RunningRecant> {
	const { chains, databaseUrl, dataDir = testDir("data"), ...rest } = options;
	const environment = readEnvironment({
		DATABASE_URL: databaseUrl,
		RECANT_DATA_DIR: dataDir,
		RECANT_PORT: "0",
		RECANT_LOG_LEVEL: "warn",
	});
	const running = await startRecant({ environment, chains, ...rest });
	let stopping: Promise<void> | undefined;
	const stop = () => {
		stopping ??= running.stop();
		return stopping;
	};
	atTestEnd(stop);
	return { ...running, stop };
}
