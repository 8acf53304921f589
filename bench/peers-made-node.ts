/**
 * A node that makes its blocks when it is asked for them: long chains that no Anvil has to mine. A
 * process of its own, whose memory is not the side's; its one argument is the JSON of MadeNode.
 */
import { pathToFileURL } from "node:url";
import { type StartedProcess, startProcess } from "../scripts/support/child-process.ts";
import { BlockTree } from "../test/support/rpc-server/block-tree.ts";
import { RpcProvider } from "../test/support/rpc-server/rpc-provider.ts";
import { ServedChain } from "../test/support/rpc-server/served-chain.ts";

interface MadeNode {
	readonly chainId: number;
	/** Height of its head; the chain stands still. */
	readonly head: number;
	readonly eventsPerBlock: number;
}

export interface StartedNode {
	readonly rpcUrl: string;
	readonly token: `0x${string}`;
	/** Of the head. */
	readonly hash: `0x${string}`;
	stop(): Promise<void>;
}

/** Each header is made in some 0.2 ms, all of them before it is ready. */
const READY_MS = 900_000;
const SEED = 6;

export async function startMadeNode(made: MadeNode): Promise<StartedNode> {
	const started: StartedProcess = await startProcess({
		name: "made node",
		command: process.execPath,
		args: [new URL(import.meta.url).pathname, JSON.stringify(made)],
		readyPattern: /ready (\S+) (0x[0-9a-f]{40}) (0x[0-9a-f]{64})/,
		readyTimeoutMs: READY_MS,
	});
	const [, rpcUrl = "", token = "", hash = ""] = started.ready;
	return {
		rpcUrl,
		token: token as `0x${string}`,
		hash: hash as `0x${string}`,
		stop: started.stop,
	};
}

async function serve({ chainId, head, eventsPerBlock }: MadeNode): Promise<void> {
	const tree = new BlockTree({
		seed: SEED,
		holders: 1_000,
		transactions: () => eventsPerBlock,
		transfers: 1,
		receiptRoots: false,
	});
	const provider = new RpcProvider(new ServedChain(tree, head), { chainId }, SEED);
	await provider.listen();
	process.once("SIGTERM", () => process.exit(0));
	console.log(`ready ${provider.url} ${tree.token} ${tree.trunk.hashAt(head)}`);
}

const [, program = "", argument] = process.argv;
if (argument !== undefined && pathToFileURL(program).href === import.meta.url) {
	await serve(JSON.parse(argument) as MadeNode);
}
