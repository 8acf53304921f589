/**
 * Chains of the test RPC server and one service that follows all of them, each by providers of its own: many
 * cases at the price of one service.
 */
import { makeTempDir } from "../../../scripts/support/temp-dir.ts";
import { readEnvironment } from "../../../src/config/environment.ts";
import type { ChainSpec } from "../../../src/follower/chain-spec.ts";
import type { ChainDefinition } from "../../../src/follower/define-chain.ts";
import { type RunningRecant, startRecant } from "../../../src/main.ts";
import type { ChainView } from "../../../src/service/recant-service.ts";
import { createTestDatabase } from "../postgres.ts";
import type { Random } from "../random.ts";
import { atTestEnd } from "../test-end.ts";
import { ledgerSpec } from "./ledger-spec.ts";
import { type RpcServer, type RpcServerOptions, startRpcServer } from "./rpc-server.ts";
import { differences } from "./tree-oracle.ts";

/** Seldom enough for many chains on two cores. */
const POLL_INTERVAL_MS = 150;
/** What a test of a node that hangs costs. */
const TIMEOUT_MS = 1_500;
/** Of waiting for a chain: providers that were put aside come back well within. */
const SETTLE_MS = 45_000;
const LOOK_MS = 20;
/** Away from Anvil's, whose chains others follow. */
const FIRST_CHAIN_ID = 700_001;

export interface FaultChainOptions extends Omit<RpcServerOptions, "chainId"> {
	/** Letters, digits and '-'. */
	readonly name: string;
	/** Over WebSocket; default HTTP. */
	readonly overWebSocket?: boolean;
	readonly file?: Pick<ChainDefinition, "trust" | "reorg" | "finality">;
	readonly pollIntervalMs?: number;
	readonly timeoutMs?: number;
}

export interface FaultChain {
	readonly name: string;
	readonly server: RpcServer;
	readonly spec: ChainSpec;
}

let chains = 0;

/** Of a block: every other one has none. */
function fewTransactions(_height: number, random: Random): number {
	return Math.max(0, random.between(-1, 2));
}

export async function openFaultChain(options: FaultChainOptions): Promise<FaultChain> {
	chains += 1;
	const { name, overWebSocket = false, file, pollIntervalMs, timeoutMs, ...rest } = options;
	const chainId = FIRST_CHAIN_ID + chains;
	const server = await startRpcServer({ transactions: fewTransactions, ...rest, chainId });
	const urls = server.providers.map((each) => (overWebSocket ? each.wsUrl : each.url));
	const spec = ledgerSpec({
		...{ id: chainId, name, urls, token: server.tree.token, file },
		pollIntervalMs: pollIntervalMs ?? POLL_INTERVAL_MS,
		timeoutMs: timeoutMs ?? TIMEOUT_MS,
	});
	return { name, server, spec };
}

export class FaultWorld {
	readonly recant: RunningRecant;
	readonly #end: () => Promise<void>;

	constructor(recant: RunningRecant, end: () => Promise<void>) {
		this.recant = recant;
		this.#end = end;
	}

	/** Ended with the running test; in `beforeAll`, end it in `afterAll`. */
	static async open(name: string, followed: readonly FaultChain[]): Promise<FaultWorld> {
		const dir = makeTempDir(name);
		const database = await createTestDatabase(name);
		const recant = await startRecant({
			environment: readEnvironment({
				DATABASE_URL: database.url,
				RECANT_DATA_DIR: dir.path,
				RECANT_PORT: "0",
				RECANT_LOG_LEVEL: process.env["RECANT_TEST_LOG_LEVEL"] ?? "fatal",
			}),
			chains: followed.map(({ spec }) => spec),
		});
		let ending: Promise<void> | undefined;
		const end = async () => {
			await recant.stop();
			await Promise.all(followed.map(({ server }) => server.stop()));
			await database.drop();
			dir.remove();
		};
		const once = () => {
			ending ??= end();
			return ending;
		};
		atTestEnd(once);
		return new FaultWorld(recant, once);
	}

	chain({ name }: FaultChain): Promise<ChainView> {
		return this.recant.service.chain(name);
	}

	/** Waits until the chain's committed head is what its nodes show. */
	async settled(chain: FaultChain, timeoutMs = SETTLE_MS): Promise<ChainView> {
		return await this.when(
			chain,
			({ head, state }) => state === "following" && head?.hash === chain.server.chain.headHash,
			timeoutMs,
		);
	}

	async when(
		chain: FaultChain,
		holds: (view: ChainView) => boolean,
		timeoutMs = SETTLE_MS,
	): Promise<ChainView> {
		const deadline = performance.now() + timeoutMs;
		for (;;) {
			const view = await this.chain(chain);
			if (holds(view)) return view;
			if (performance.now() > deadline)
				throw new Error(`${chain.name}: ${this.#said(chain, view)}`);
			await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
		}
	}

	/** How the chain differs from a straight run over what its nodes show. */
	differences({ name, server }: FaultChain): Promise<readonly string[]> {
		return differences(this.recant.service, name, {
			tree: server.tree,
			headHash: server.chain.headHash,
		});
	}

	end(): Promise<void> {
		return this.#end();
	}

	#said({ server }: FaultChain, view: ChainView): string {
		const { state, head, nodeHead, problem, rollback } = view;
		const wanted = `${server.chain.head} ${server.chain.headHash}`;
		const is = `${state} at ${head?.height} ${head?.hash}, the node at ${nodeHead}`;
		const doing =
			rollback && `; rollback ${rollback.state} ${rollback.stage}, attempt ${rollback.attempt}`;
		const why = `${problem?.code} ${problem?.message}${doing ?? ""}`;
		return `not within its time at ${wanted}; it is ${is}; ${why}`;
	}
}
