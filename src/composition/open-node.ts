/** The node of each chain, and the local one that is started when nothing is set. */
import type { DataDirectory } from "../config/data-directory.ts";
import type { Environment } from "../config/environment.ts";
import type { Logger } from "../domain/logger.ts";
import { hasEveryRole } from "../domain/role.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import { createChainSource } from "../rpc/chain-source.ts";
import { startLocalAnvil } from "../rpc/local-anvil.ts";
import type { Ending } from "./ending.ts";

/** Where chains/anvil.ts points when RECANT_RPC_URL is not set. */
const LOCAL_ANVIL_URL = "http://127.0.0.1:8545";
const LOCAL_CHAIN = { id: 31_337, name: "anvil" };

/** Starts Anvil for the example chain as it stands, unless a node is named. */
export async function startNode(
	specs: readonly ChainSpec[],
	{
		environment,
		directory,
		log,
	}: {
		readonly environment: Environment;
		readonly directory: DataDirectory;
		readonly log: Logger;
	},
	ending: Ending,
): Promise<void> {
	if (environment.exampleChain.rpcUrls !== undefined) return;
	// The example chain as it stands, and nothing else: whoever names a node of theirs waits for it.
	const local = specs.find(
		({ id, name, rpc }) =>
			id === LOCAL_CHAIN.id && name === LOCAL_CHAIN.name && rpc.urls.includes(LOCAL_ANVIL_URL),
	);
	if (local === undefined) return;
	// It would end with this process, and with it the chain of all others.
	if (!hasEveryRole(environment.roles)) {
		log.warn(
			{ url: LOCAL_ANVIL_URL },
			"RECANT_RPC_URL is unset, and a local Anvil is started with --role all alone: one must run already",
		);
		return;
	}
	const anvil = await startLocalAnvil({
		url: LOCAL_ANVIL_URL,
		chainId: local.id,
		folder: directory.root,
	});
	if (anvil !== undefined) ending.add(() => anvil.stop());
}

export function openSource(spec: ChainSpec, log: Logger, ending: Ending): ChainSource {
	const node = createChainSource({
		...spec.rpc,
		chainId: spec.id,
		log: log.child({ chain: spec.name }),
	});
	ending.add(() => node.close());
	// Where depth alone decides, the chain is one whose node has no tags.
	return spec.finalityTags ? node : { ...node, tagged: async () => undefined };
}
