import * as chains from "viem/chains";
import { describe, expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { NETWORK_NAMES, NETWORKS, type NetworkName } from "../../src/follower/networks.ts";

/** Where viem names them otherwise. */
const OTHER_NAMES: Readonly<Partial<Record<NetworkName, keyof typeof chains>>> = {
	ethereum: "mainnet",
	bnb: "bsc",
};

/** Where its own docs say another block time than viem. */
const OTHER_BLOCK_TIMES: Readonly<Partial<Record<NetworkName, number>>> = {
	base: 200,
	polygon: 1_500,
	bnb: 450,
	avalanche: 1_000,
	linea: 1_000,
};

function specOf(definition: Readonly<Record<string, unknown>>) {
	const common = {
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		namespaces: ["ledger"],
		contracts: {},
		handlers: {},
	};
	return chainSpec({ ...common, ...definition }, { file: "test.ts", code: new Uint8Array() });
}

describe("a network's preset", () => {
	test.each(NETWORK_NAMES)("%s has viem's id and block time", (name) => {
		// biome-ignore lint/performance/noDynamicNamespaceImportAccess: a test may load them all
		const known = chains[OTHER_NAMES[name] ?? (name as keyof typeof chains)];
		expect(known).toMatchObject({ id: NETWORKS[name].id });
		const blockTime = "blockTime" in known ? known.blockTime : undefined;
		// A test network's is its main network's; Anvil's is whatever it is told.
		const otherwise = name === "anvil" ? 1_000 : 12_000;
		const stated = OTHER_BLOCK_TIMES[name] ?? blockTime;
		expect(NETWORKS[name].blockTimeMs).toBe(stated ?? otherwise);
	});

	test("gives what the file leaves out, and gives way to what it says", () => {
		expect(specOf({ network: "arbitrum" })).toMatchObject({
			id: 42_161,
			blockTimeMs: 250,
			finalityTags: true,
			finalityDepthBlocks: 6_000,
			windowBlocks: 7_200,
			rpc: { pollIntervalMs: 100, trust: { headerHash: true } },
		});
		expect(specOf({ network: "optimism" })).toMatchObject({
			id: 10,
			finalityDepthBlocks: 750,
			windowBlocks: LIMITS.windowBlocks,
			rpc: { pollIntervalMs: 500 },
		});
		expect(specOf({ network: "base" })).toMatchObject({
			id: 8_453,
			finalityDepthBlocks: 7_500,
			windowBlocks: LIMITS.windowMostBlocks,
			rpc: { pollIntervalMs: 100 },
		});
		const own = {
			network: "zksync",
			blockTimeMs: 1_000,
			finality: { depthMs: 60_500, source: "depth" },
			trust: { headerHash: true },
			rpc: { urls: ["http://127.0.0.1:1"], pollIntervalMs: 50, logRangeBlocks: 7 },
		};
		expect(specOf(own)).toMatchObject({
			id: 324,
			finalityTags: false,
			finalityDepthBlocks: 61,
			rpc: { pollIntervalMs: 50, logRangeBlocks: 7, trust: { headerHash: true, logsBloom: true } },
		});
	});

	test("has its tags looked at sixteen times until a block is final, each 2 to 30 s", () => {
		const every = (definition: Parameters<typeof specOf>[0]) => specOf(definition).finalityEveryMs;
		expect(every({ network: "ethereum" })).toBe(30_000);
		expect(every({ network: "gnosis" })).toBe(10_000);
		expect(every({ network: "avalanche" })).toBe(2_000);
		expect(every({ id: 5 })).toBe(30_000);
		expect(every({ id: 5, finality: { depthBlocks: 4 } })).toBe(3_000);
		expect(every({ id: 5, finality: { everyMs: 0 } })).toBe(0);
	});

	test("has a window of half an hour, within what one may hold", () => {
		const window = (definition: object) => specOf({ id: 5, ...definition }).windowBlocks;
		expect(window({})).toBe(LIMITS.windowBlocks);
		expect(window({ blockTimeMs: 1_000 })).toBe(1_800);
		expect(window({ blockTimeMs: 100 })).toBe(LIMITS.windowMostBlocks);
		expect(window({ network: "zksync", id: 324 })).toBe(LIMITS.windowMostBlocks);
		expect(window({ finality: { depthBlocks: 3_000 } })).toBe(3_000);
		expect(window({ blockTimeMs: 100, finality: { depthMs: 3_600_000 } })).toBe(
			LIMITS.windowMostBlocks,
		);
	});

	test("changes nothing for a file that names none", () => {
		expect(specOf({ id: 5 })).toMatchObject({
			id: 5,
			finalityDepthBlocks: 64,
			rpc: { pollIntervalMs: 1_000, logRangeBlocks: 10_000 },
		});
	});

	test.each([
		["another id", { network: "base", id: 1 }, "id: 1 is not the id of the network"],
		["no id", {}, "id: must be given where no network is named"],
		["a name that nobody knows", { network: "atlantis" }, "network:"],
		["two depths", { id: 1, finality: { depthBlocks: 1, depthMs: 1 } }, "not both"],
	])("with %s is refused", (_, definition, message) => {
		expect(() => specOf(definition)).toThrow(message);
	});
});
