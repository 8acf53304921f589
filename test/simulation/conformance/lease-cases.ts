/** Who may write a chain: leases, their lapse, and fencing numbers (INV-3). */
import { expect } from "vitest";
import { CHAIN, chainNamed, hashOf, Scribe } from "./scribe.ts";
import { type ConformanceCase, GONE } from "./stores-under-test.ts";

export const LEASE_CASES: readonly ConformanceCase[] = [
	{
		name: "a lease that is held is answered with its holder, and not taken",
		run: async ({ ports: { writer }, registerChain }) => {
			await registerChain(chainNamed());
			expect(await writer.acquireLease(CHAIN, "one", 1_000)).toEqual({ fence: 1n });
			expect(await writer.acquireLease(CHAIN, "other", 1_000)).toEqual({ heldBy: "one" });
		},
	},
	{
		name: "every taking raises the fence, also that of the holder itself",
		run: async ({ ports: { writer }, registerChain }) => {
			await registerChain(chainNamed());
			expect(await writer.acquireLease(CHAIN, "one", 1_000)).toEqual({ fence: 1n });
			expect(await writer.acquireLease(CHAIN, "one", 1_000)).toEqual({ fence: 2n });
			expect((await writer.loadChain(CHAIN)).state.fence).toBe(2n);
		},
	},
	{
		name: "a lease is free when its time is over, by the server's clock",
		run: async ({ ports: { writer }, registerChain, pass }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, "one", 60_000);
			await pass(30_000);
			expect(await writer.acquireLease(CHAIN, "other", 60_000)).toEqual({ heldBy: "one" });
			await pass(30_001);
			expect(await writer.acquireLease(CHAIN, "other", 60_000)).toEqual({ fence: 2n });
		},
	},
	{
		name: "a lease of a process that is known to be gone is taken at once",
		run: async ({ ports: { writer }, registerChain }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, GONE, 60_000);
			expect(await writer.acquireLease(CHAIN, "other", 60_000)).toEqual({ fence: 2n });
		},
	},
	{
		name: "a lease that was given up is free, and its fence stays the newest",
		run: async ({ ports: { writer }, registerChain }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, "one", 60_000);
			await writer.releaseLease(CHAIN, 1n);
			expect(await writer.acquireLease(CHAIN, "other", 60_000)).toEqual({ fence: 2n });
		},
	},
	{
		name: "giving up with an old fence does nothing",
		run: async ({ ports: { writer }, registerChain }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, GONE, 60_000);
			await writer.acquireLease(CHAIN, "other", 60_000);
			await writer.releaseLease(CHAIN, 1n);
			expect(await writer.acquireLease(CHAIN, "third", 60_000)).toEqual({ heldBy: "other" });
		},
	},
	{
		name: "a lease is renewed with the newest fence alone",
		run: async ({ ports: { writer }, registerChain, pass }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, GONE, 60_000);
			await writer.acquireLease(CHAIN, "other", 60_000);
			const renew = (fence: bigint) => writer.renewLease({ chainId: CHAIN, fence, ttlMs: 60_000 });
			expect(await renew(1n)).toBe(false);
			await pass(50_000);
			expect(await renew(2n)).toBe(true);
			await pass(50_000);
			expect(await writer.acquireLease(CHAIN, "third", 60_000)).toEqual({ heldBy: "other" });
		},
	},
	{
		name: "what a holder says of itself stays until it says something else, and goes with its lease",
		run: async (stores) => {
			const { writer } = stores.ports;
			await stores.registerChain(chainNamed());
			await writer.acquireLease(CHAIN, "one", 60_000);
			const said = async () => (await stores.dump())["chains"]?.[0]?.["follower_status"];
			const lease = { chainId: CHAIN, fence: 1n, ttlMs: 60_000 };
			await writer.renewLease({ ...lease, status: '{"state":"following"}' });
			await writer.renewLease(lease);
			await writer.renewLease({ ...lease, fence: 0n, status: "late" });
			expect(await said()).toBe('{"state":"following"}');
			await writer.acquireLease(CHAIN, "one", 60_000);
			expect(await said()).toBeUndefined();
			await writer.renewLease({ ...lease, fence: 2n, status: "{}" });
			await writer.releaseLease(CHAIN, 2n);
			expect(await said()).toBeUndefined();
		},
	},
	{
		name: "a lease that lapsed is its holder's still while nobody took it",
		run: async ({ ports: { writer }, registerChain, pass }) => {
			await registerChain(chainNamed());
			await writer.acquireLease(CHAIN, "one", 1_000);
			await pass(10_000);
			expect(await writer.renewLease({ chainId: CHAIN, fence: 1n, ttlMs: 60_000 })).toBe(true);
			expect(await writer.acquireLease(CHAIN, "other", 1_000)).toEqual({ heldBy: "one" });
		},
	},
	{
		name: "a chain that nobody registered is unknown",
		run: async ({ ports: { writer } }) => {
			const unknown = { code: "unknown_chain" };
			await expect(writer.acquireLease(CHAIN, "one", 1_000)).rejects.toMatchObject(unknown);
			await expect(writer.loadChain(CHAIN)).rejects.toMatchObject(unknown);
			expect(await writer.renewLease({ chainId: CHAIN, fence: 0n, ttlMs: 1 })).toBe(false);
		},
	},
	{
		name: "leases of two chains are apart",
		run: async (stores) => {
			const { writer } = stores.ports;
			await stores.registerChain(chainNamed(1));
			await stores.registerChain(chainNamed(2));
			await writer.acquireLease(1, "one", 60_000);
			expect(await writer.acquireLease(2, "other", 60_000)).toEqual({ fence: 1n });
		},
	},
	{
		name: "other handlers are refused while somebody holds the lease, and taken when nobody does",
		run: async (stores) => {
			const { writer } = stores.ports;
			await stores.registerChain(chainNamed());
			await writer.acquireLease(CHAIN, "one", 60_000);
			const changed = { ...chainNamed(), handlersHash: hashOf("handlers") };
			await expect(stores.registerChain(changed)).rejects.toMatchObject({
				code: "handlers_differ",
			});
			await stores.registerChain(chainNamed());
			await stores.pass(60_001);
			await stores.registerChain(changed);
		},
	},
	{
		name: "another start block is refused once there is a head",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			await stores.registerChain({ ...chainNamed(), startBlock: 5n });
			await stores.registerChain(chainNamed());
			await scribe.commit({ seals: 1 });
			const moved = stores.registerChain({ ...chainNamed(), startBlock: 5n });
			await expect(moved).rejects.toMatchObject({ code: "handlers_differ" });
		},
	},
	{
		name: "a halt is written and taken back with the newest fence alone",
		run: async (stores) => {
			const { writer } = stores.ports;
			const scribe = await Scribe.open(stores);
			const problem = { code: "fork_below_finality", message: "too deep", hint: "recover" };
			await writer.halt(CHAIN, scribe.fence - 1n, problem);
			expect((await writer.loadChain(CHAIN)).halt).toBeUndefined();
			await writer.halt(CHAIN, scribe.fence, problem);
			expect((await writer.loadChain(CHAIN)).halt).toEqual(problem);
			await writer.halt(CHAIN, scribe.fence, undefined);
			expect((await writer.loadChain(CHAIN)).halt).toBeUndefined();
		},
	},
	{
		name: "the first hash of block 0 is kept, with the newest fence alone",
		run: async (stores) => {
			const { writer } = stores.ports;
			const scribe = await Scribe.open(stores);
			const [one, other] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`] as const;
			expect((await writer.loadChain(CHAIN)).genesis).toBeUndefined();
			await writer.recordGenesis(CHAIN, scribe.fence - 1n, one);
			expect((await writer.loadChain(CHAIN)).genesis).toBeUndefined();
			await writer.recordGenesis(CHAIN, scribe.fence, one);
			await writer.recordGenesis(CHAIN, scribe.fence, other);
			expect((await writer.loadChain(CHAIN)).genesis).toBe(one);
		},
	},
	{
		name: "a window that is raised reaches no further down than it did, and one that is lowered at once",
		run: async (stores) => {
			const { writer } = stores.ports;
			const scribe = await Scribe.open(stores);
			const resized = async (windowBlocks: number, fence = scribe.fence) => {
				await writer.resizeWindow(CHAIN, fence, windowBlocks);
				const { state, window } = await writer.loadChain(CHAIN);
				return [state.windowBlocks, state.windowFrom, window[0]?.number];
			};
			expect(await resized(4)).toEqual([4, 0n, undefined]);
			await scribe.commit({ seals: 10 });
			expect(await resized(8, scribe.fence - 1n)).toEqual([4, 0n, 5n]);
			expect(await resized(8)).toEqual([8, 6n, 6n]);
			expect(await resized(8)).toEqual([8, 6n, 6n]);
			await scribe.commit({ seals: 3 });
			expect(await resized(20)).toEqual([20, 6n, 6n]);
			expect(await resized(3)).toEqual([3, 6n, 9n]);
			await scribe.commit({ seals: 1, finality: { safe: 13n, finalized: 13n } });
			expect(await resized(9)).toEqual([9, 13n, 13n]);
		},
	},
];
