/** Heads over WebSocket: announcements, and what happens when they do not come. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { type FaultChain, FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import type { RpcProvider } from "../support/rpc-server/rpc-provider.ts";
import { announcedSeed } from "../support/seed.ts";

/** So seldom that a test that ends in time was told by a socket. */
const SELDOM_MS = 60_000;
const OFTEN_MS = 100;
/** Of a head that was announced. */
const TOLD_MS = 6_000;
const HEAD = 12;
const SUITE_MS = 60_000;

interface Case {
	readonly name: string;
	readonly pollIntervalMs: number;
	readonly providers?: number;
	readonly run: (of: {
		readonly world: FaultWorld;
		readonly chain: FaultChain;
		readonly provider: RpcProvider;
	}) => Promise<unknown>;
}

const CASES: readonly Case[] = [
	{
		name: "a head is followed as soon as it is announced",
		pollIntervalMs: SELDOM_MS,
		run: async ({ world, chain }) => {
			chain.server.chain.mine(1);
			await world.settled(chain, TOLD_MS);
			chain.server.chain.mine(5);
			await world.settled(chain, TOLD_MS);
		},
	},
	{
		name: "a reorg of depth 1 that does not lengthen the chain is applied without another block",
		pollIntervalMs: SELDOM_MS,
		run: async ({ world, chain }) => {
			chain.server.chain.fork(1, 1);
			await world.settled(chain, TOLD_MS);
		},
	},
	{
		name: "a branch that is shorter is applied without another block",
		pollIntervalMs: SELDOM_MS,
		run: async ({ world, chain }) => {
			chain.server.chain.fork(5, 3);
			await world.settled(chain, TOLD_MS * 2);
		},
	},
	{
		name: "a shrink that nobody announces is applied without another block",
		pollIntervalMs: OFTEN_MS,
		run: async ({ world, chain }) => {
			chain.server.chain.shrink(2);
			await world.settled(chain, 20_000);
		},
	},
	{
		name: "sockets that drop during a fork lose nothing",
		pollIntervalMs: 1_000,
		run: async ({ world, chain, provider }) => {
			provider.dropSockets();
			chain.server.chain.fork(4, 4);
			provider.dropSockets();
			await world.settled(chain);
			chain.server.chain.mine(1);
			await world.settled(chain);
		},
	},
	{
		name: "sockets that are cut in the middle of a walk back lose nothing",
		pollIntervalMs: 1_000,
		run: async ({ world, chain, provider }) => {
			provider.faults.on({ fault: { kind: "reset" }, skip: 1, every: 2, times: 4 });
			chain.server.chain.fork(8, 9);
			await world.settled(chain);
		},
	},
	{
		name: "a socket that says nothing any more is noticed",
		pollIntervalMs: 300,
		run: async ({ world, chain, provider }) => {
			provider.silent = true;
			chain.server.chain.fork(2, 3);
			await new Promise((resolve) => setTimeout(resolve, 2_000));
			provider.silent = false;
			await world.settled(chain);
		},
	},
	{
		name: "a silent socket's place is taken by another provider",
		pollIntervalMs: 300,
		providers: 2,
		run: async ({ world, chain, provider }) => {
			provider.silent = true;
			chain.server.chain.fork(2, 3);
			await world.settled(chain);
			chain.server.chain.mine(1);
			await world.settled(chain);
		},
	},
	{
		name: "a socket without announcements is polled",
		pollIntervalMs: 300,
		run: async ({ world, chain, provider }) => {
			provider.traits = { ...provider.traits, announces: false };
			chain.server.chain.fork(2, 3);
			await world.settled(chain);
		},
	},
	{
		name: "answers that are no JSON end the socket and nothing else",
		pollIntervalMs: 300,
		run: async ({ world, chain, provider }) => {
			provider.faults.on({ fault: { kind: "malformed" }, times: 2 });
			chain.server.chain.fork(2, 3);
			await world.settled(chain);
		},
	},
	{
		name: "an answer that never comes ends no other",
		pollIntervalMs: 300,
		run: async ({ world, chain, provider }) => {
			provider.faults.on({ fault: { kind: "hang" }, skip: 2, times: 2 });
			chain.server.chain.fork(6, 7);
			await world.settled(chain);
		},
	},
];

describe("over WebSocket", () => {
	const seed = announcedSeed("test/integration/rpc-faults-sockets.test.ts");
	const chains = new Map<Case, FaultChain>();
	let world: FaultWorld | undefined;

	beforeAll(async () => {
		for (const [index, each] of CASES.entries()) {
			const providers = Array.from({ length: each.providers ?? 1 }, () => ({}));
			const { pollIntervalMs } = each;
			const options = { seed: seed + index, head: HEAD, providers, pollIntervalMs };
			chains.set(
				each,
				await openFaultChain({ name: `s${index}`, overWebSocket: true, ...options }),
			);
		}
		world = await FaultWorld.open("faults sockets", [...chains.values()]);
	}, SUITE_MS);

	afterAll(async () => {
		await world?.end();
	}, SUITE_MS);

	for (const each of CASES) {
		test.concurrent(each.name, async ({ expect }) => {
			const chain = chains.get(each);
			if (world === undefined || chain === undefined) throw new Error("there is no service");
			await world.settled(chain);
			await each.run({ world, chain, provider: chain.server.provider(0) });
			expect((await world.differences(chain)).slice(0, 6)).toEqual([]);
		});
	}
});
