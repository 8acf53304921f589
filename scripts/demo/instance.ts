/** One Recant of the demo: the whole service in this process, its data in a folder of its own. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { RecantClient } from "../../src/client/client.ts";
import { chainSpec } from "../../src/config/chains.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { startRecant } from "../../src/main.ts";
import type { RpcClient } from "../support/rpc-client.ts";
import { waitFor } from "./wait.ts";

/** Name of the chain in chains/anvil.ts. */
export const CHAIN = "anvil";
const CHAIN_FILE = fileURLToPath(new URL("../../chains/anvil.ts", import.meta.url));
/** The default is made for public nodes; this one is ours alone. */
const POLL_INTERVAL_MS = 25;
/** Low, so that a few dozen vectors already go through LanceDB and back. */
const FLUSH_ROWS = 8;

export interface Instance {
	readonly url: string;
	readonly client: RecantClient;
	stop(): Promise<void>;
}

/** Embedded Postgres, LanceDB, the queue and HTTP on a free port, following the node at `rpcUrl`. */
export async function startInstance(options: {
	readonly rpcUrl: string;
	readonly dataDir: string;
}): Promise<Instance> {
	const recant = await startRecant({
		environment: readEnvironment({
			RECANT_DATA_DIR: options.dataDir,
			RECANT_PORT: "0",
			RECANT_LOG_LEVEL: process.env["RECANT_LOG_LEVEL"] ?? "fatal",
		}),
		chains: [await exampleChain(options.rpcUrl)],
		flushRows: FLUSH_ROWS,
	});
	return {
		url: recant.url,
		client: new RecantClient({ url: recant.url }),
		stop: () => recant.stop(),
	};
}

/** Waits until the instance has committed the node's latest block; answers its hash. */
export async function followed(instance: Instance, request: RpcClient["request"]): Promise<string> {
	const { hash } = await request<{ readonly hash: string }>("eth_getBlockByNumber", [
		"latest",
		false,
	]);
	return waitFor(`Recant comes to block ${hash}`, async () => {
		const { head } = await instance.client.chain(CHAIN);
		return head?.hash === hash ? hash : undefined;
	});
}

/** chains/anvil.ts as it stands, but for the node. Read at the start: it looks at the environment. */
async function exampleChain(rpcUrl: string): Promise<ChainSpec> {
	const { default: definition } = await import("../../chains/anvil.ts");
	const rpc = { urls: [rpcUrl], pollIntervalMs: POLL_INTERVAL_MS };
	const from = { file: "chains/anvil.ts", code: await readFile(CHAIN_FILE) };
	return chainSpec({ ...definition, rpc }, from);
}
