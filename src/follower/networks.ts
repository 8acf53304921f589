/**
 * EVM networks that a chain's file can name, and what is known of each. Ids and block times are those of
 * viem/chains, but where a source is named for another; a test compares them. Whatever a file says itself comes before.
 *
 * `depthMs` counts only where a node answers no finalized tag. `trust` is turned off where a source says that
 * headers hold other fields than Ethereum's, or blooms not all logs; `recant chains check` tries the others.
 */

export interface Network {
	readonly id: number;
	/** Milliseconds from one block to the next, on average. */
	readonly blockTimeMs: number;
	/** Time under the head that counts as final without a tag. */
	readonly depthMs: number;
	readonly trust: { readonly headerHash: boolean; readonly logsBloom: boolean };
	/** Widest eth_getLogs that is tried. */
	readonly logRangeBlocks: number;
}

const MINUTE_MS = 60_000;
/**
 * QuickNode docs, "eth_getLogs RPC Method": 10,000 blocks on paid plans; Alchemy docs, "eth_getLogs": as many or
 * more on paid plans. What others refuse, free plans among them (5 and 10 blocks), is learned.
 */
const RANGE_BLOCKS = 10_000;

export const NETWORKS = {
	// Ethereum consensus specs, "Phase 0": 32 slots of 12 s an epoch, final after two.
	ethereum: {
		id: 1,
		blockTimeMs: 12_000,
		depthMs: 64 * 12_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// As Ethereum.
	sepolia: {
		id: 11_155_111,
		blockTimeMs: 12_000,
		depthMs: 64 * 12_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Optimism docs, "Transaction finality": on Ethereum after 5 to 10 minutes, final there after 12.8 more.
	optimism: {
		id: 10,
		blockTimeMs: 2_000,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// The same stack, see Optimism.
	base: {
		id: 8_453,
		blockTimeMs: 2_000,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Arbitrum docs, "Transaction lifecycle": final when the batch is, on Ethereum. Blocks from before Nitro
	// (22,207,817) have hashes of another kind: turn headerHash off to start below.
	arbitrum: {
		id: 42_161,
		blockTimeMs: 250,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Polygon docs, "Finality": by milestones, within seconds. PIP-74: before it, the logs of state syncs are
	// in neither bloom nor receipts root.
	polygon: {
		id: 137,
		blockTimeMs: 2_000,
		depthMs: 10 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: false },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// BEP-126, "Fast finality": final two blocks later while two thirds of the validators vote.
	bnb: {
		id: 56,
		blockTimeMs: 750,
		depthMs: MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Avalanche docs, "Integrate with the C-Chain": nodes answer accepted blocks, which are final, and a hash
	// covers ExtDataHash too.
	avalanche: {
		id: 43_114,
		blockTimeMs: 1_700,
		depthMs: 1_700,
		trust: { headerHash: false, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Gnosis forum, "Launch parameters for Gnosis Beacon Chain": epochs of 16 slots of 5 s; final after two.
	// Blocks from before its merge (25,349,537) carry Aura's fields: turn headerHash off to start below.
	gnosis: {
		id: 100,
		blockTimeMs: 5_000,
		depthMs: 32 * 5_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Linea docs, "Transaction finality": a block a second, which the sequencer does not take back; final when its
	// proof is on Ethereum, which only the tag tells ("Retrieve finalized L2 blocks").
	linea: {
		id: 59_144,
		blockTimeMs: 1_000,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Scroll docs, "Blocks": every 3 s; "Transactions": final when proved on Ethereum; "Scroll SDK FAQ": about 50
	// minutes, and Ethereum's own finality. "Blocks" lists the header's fields, which are Ethereum's.
	scroll: {
		id: 534_352,
		blockTimeMs: 3_000,
		depthMs: 63 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// ZKsync docs, "Blocks": hashes are of its own kind; "Batches & L2 blocks on ZKsync": final with its batch on
	// Ethereum, after hours, which only the tag tells.
	zksync: {
		id: 324,
		blockTimeMs: 200,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: false, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Foundry book, "anvil": mines at once, or as it is told, here once a second; its tags lie 32 and 64 blocks
	// under the head.
	anvil: {
		id: 31_337,
		blockTimeMs: 1_000,
		depthMs: 64 * 1_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
} as const satisfies Readonly<Record<string, Network>>;

export type NetworkName = keyof typeof NETWORKS;

export const NETWORK_NAMES = Object.keys(NETWORKS) as readonly NetworkName[];
