/** What a chain's file is told by the compiler. Nothing here runs but the last line. */
import { parseAbi } from "viem";
import { expect, expectTypeOf, test } from "vitest";
import { defineChain } from "../../src/follower/define-chain.ts";

const tokenAbi = parseAbi([
	"event Transfer(address indexed from, address indexed to, uint256 value)",
	"event Noted(string note)",
	"event Noted(string note, uint256 times)",
	"function balanceOf(address holder) view returns (uint256)",
	"function symbol() view returns (string)",
]);
const factoryAbi = parseAbi(["event Made(address indexed pool, bytes32 kind)"]);
const ADDRESS = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

test("arguments, filters and answers have the types of the ABI", () => {
	const chain = defineChain({
		name: "typed",
		network: "base",
		rpc: { urls: ["http://127.0.0.1:8545"] },
		namespaces: ["ledger"],
		contracts: {
			Token: {
				abi: tokenAbi,
				address: ADDRESS,
				filter: { Transfer: [{ args: { from: ADDRESS } }, { args: { to: [ADDRESS, ADDRESS] } }] },
			},
			Pool: {
				abi: tokenAbi,
				factory: { abi: factoryAbi, address: ADDRESS, event: "Made", parameter: "pool" },
			},
		},
		blocks: {
			hourly: {
				interval: 18_000,
				handler: ({ block }) => void expectTypeOf(block.number).toEqualTypeOf<bigint>(),
			},
		},
		handlers: {
			"Token:Transfer": async ({ event, client }) => {
				expectTypeOf(event.args.from).toEqualTypeOf<`0x${string}`>();
				expectTypeOf(event.args.value).toEqualTypeOf<bigint>();
				const read = { abi: tokenAbi, address: event.address } as const;
				const balance = await client.readContract({
					...read,
					functionName: "balanceOf",
					args: [event.args.to],
				});
				expectTypeOf(balance).toEqualTypeOf<bigint>();
				const symbol = await client.readContract({ ...read, functionName: "symbol" });
				expectTypeOf(symbol).toEqualTypeOf<string>();
				// @ts-expect-error: it takes a holder
				await client.readContract({ ...read, functionName: "balanceOf" });
				// @ts-expect-error: there is no such function
				await client.readContract({ ...read, functionName: "burn" });
			},
			"Pool:Noted(string,uint256)": ({ event }) => {
				expectTypeOf(event.args).toEqualTypeOf<{ note: string; times: bigint }>();
			},
			"Pool:Noted": ({ event }) => {
				expectTypeOf(event.args.note).toEqualTypeOf<string>();
				// @ts-expect-error: only one of the two has it
				expect(event.args.times).toBeDefined();
			},
			// @ts-expect-error: there is no such event
			"Pool:Burned": () => undefined,
		},
	});
	expect(chain.contracts.Token.address).toBe(ADDRESS);
});

test("what the ABI does not have is refused", () => {
	const common = {
		id: 1,
		name: "typed",
		rpc: { urls: ["http://127.0.0.1:8545"] },
		namespaces: ["ledger"],
		handlers: {},
	} as const;
	const factory = { abi: factoryAbi, address: ADDRESS, event: "Made", parameter: "pool" } as const;
	const definitions = [
		defineChain({
			...common,
			contracts: {
				// @ts-expect-error: from is an address
				A: { abi: tokenAbi, address: ADDRESS, filter: { Transfer: { args: { from: 1n } } } },
			},
		}),
		defineChain({
			...common,
			// @ts-expect-error: no such event
			contracts: { A: { abi: tokenAbi, factory: { ...factory, event: "Built" } } },
		}),
		defineChain({
			...common,
			// @ts-expect-error: kind is no address
			contracts: { A: { abi: tokenAbi, factory: { ...factory, parameter: "kind" } } },
		}),
	];
	expect(definitions).toHaveLength(3);
});
