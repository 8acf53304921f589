/** Pools and the factory that makes them, on an Anvil of the test's own, and a chain's file that follows them. */
import {
	createTestClient,
	encodeFunctionData,
	getContractAddress,
	type Hex,
	http,
	publicActions,
	toHex,
	walletActions,
} from "viem";
import { poolAbi, poolBytecode } from "../../contracts/out/pool.ts";
import { poolFactoryAbi, poolFactoryBytecode } from "../../contracts/out/pool-factory.ts";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { chainSpec } from "../../src/config/chains.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { defineChain } from "../../src/follower/define-chain.ts";
import { startAnvil } from "./anvil.ts";

export const POOLS = "pools";
/** Creation of a pool and two trades. */
const GAS = 2_000_000n;

export class PoolChain {
	readonly anvil: Anvil;
	readonly factory: Hex;
	readonly #node: ReturnType<typeof connect>;

	private constructor(anvil: Anvil, factory: Hex) {
		this.anvil = anvil;
		this.factory = factory;
		this.#node = connect(anvil.rpcUrl);
	}

	/** With the factory in block 1. */
	static async start(): Promise<PoolChain> {
		const anvil = await startAnvil({ genesisTimestamp: 1_700_000_000 });
		const account = devAccount(0);
		await connect(anvil.rpcUrl).sendTransaction({
			account,
			chain: null,
			data: poolFactoryBytecode,
			gas: GAS,
		});
		await anvil.mine();
		const factory = getContractAddress({ from: account.address, nonce: 0n });
		return new PoolChain(anvil, lowerCase(factory));
	}

	/** Where the factory puts the pool of a salt. */
	poolOf(salt: number): Hex {
		const from = this.factory;
		return lowerCase(
			getContractAddress({ opcode: "CREATE2", from, salt: saltOf(salt), bytecode: poolBytecode }),
		);
	}

	/** Trades `before` before the factory tells of the pool, and `value` after. */
	make(salt: number, { before = 0n, value = 0n } = {}): Promise<Hex> {
		const args = [saltOf(salt), before, value] as const;
		return this.#send(
			this.factory,
			encodeFunctionData({ abi: poolFactoryAbi, functionName: "make", args }),
		);
	}

	makeUntold(salt: number): Promise<Hex> {
		const args = [saltOf(salt)] as const;
		const data = encodeFunctionData({ abi: poolFactoryAbi, functionName: "makeUntold", args });
		return this.#send(this.factory, data);
	}

	trade(pool: Hex, value: bigint): Promise<Hex> {
		return this.#send(
			pool,
			encodeFunctionData({ abi: poolAbi, functionName: "trade", args: [value] }),
		);
	}

	#send(to: Hex, data: Hex): Promise<Hex> {
		return this.#node.sendTransaction({ account: devAccount(0), chain: null, to, data, gas: GAS });
	}
}

function connect(rpcUrl: string) {
	return createTestClient({ mode: "anvil", transport: http(rpcUrl) })
		.extend(publicActions)
		.extend(walletActions);
}

function saltOf(salt: number): Hex {
	return toHex(salt, { size: 32 });
}

function lowerCase(address: string): Hex {
	return `0x${address.slice(2).toLowerCase()}`;
}

/**
 * Handlers of pools and of their factory, and one of every fifth block:
 * `pool:{address}` {trades, sum, total}, `made:{address}` {total}, `tick:{height}` {}. `total` is what the pool
 * itself answers at the block; "none" where it refuses.
 */
export function poolSpec({ anvil, factory }: PoolChain, name = POOLS): ChainSpec {
	const definition = defineChain({
		name,
		network: "anvil",
		rpc: { urls: [anvil.rpcUrl], pollIntervalMs: 25 },
		namespaces: ["pools", "ticks"],
		contracts: {
			Factory: { abi: poolFactoryAbi, address: factory, namespaces: ["pools"] },
			Pool: {
				abi: poolAbi,
				factory: { abi: poolFactoryAbi, address: factory, event: "PoolMade", parameter: "pool" },
				namespaces: ["pools"],
			},
		},
		blocks: {
			fifth: {
				interval: 5,
				namespaces: ["ticks"],
				handler: ({ block, memory }) =>
					memory.put({ layer: "semantic", id: `tick:${block.number}`, content: {} }),
			},
		},
		handlers: {
			"Factory:PoolMade": async ({ event, memory, client }) => {
				const { pool } = event.args;
				const total = await client
					.readContract({ abi: poolAbi, address: pool, functionName: "traded" })
					.then(String, () => "none");
				await memory.put({
					layer: "semantic",
					id: `made:${pool.toLowerCase()}`,
					content: { total },
				});
			},
			"Pool:Traded": async ({ event, memory, client }) => {
				const id = `pool:${event.address}`;
				const before = (await memory.get(id))?.content;
				const total = await client.readContract({
					abi: poolAbi,
					address: event.address,
					functionName: "traded",
				});
				await memory.put({
					layer: "semantic",
					id,
					content: {
						trades: Number(before?.["trades"] ?? 0) + 1,
						sum: (BigInt(String(before?.["sum"] ?? "0")) + event.args.value).toString(),
						total: total.toString(),
					},
					text: `pool ${event.address} has traded`,
				});
			},
		},
	});
	return chainSpec(definition, { file: "pools.ts", code: new TextEncoder().encode("pools") });
}
