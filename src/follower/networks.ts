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
	// As Ethereum, but for what it gets first. Ethereum blog, "Glamsterdam Testnet Announcement": since 2026-10-06
	// headers hold blockAccessListHash and slotNumber too (EIP-7928, EIP-7843).
	sepolia: {
		id: 11_155_111,
		blockTimeMs: 12_000,
		depthMs: 64 * 12_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Optimism docs, "Transaction finality": on Ethereum after 5 to 10 minutes, final there after 12.8 more; 20 to 30
	// in all. Base docs, "Isthmus: L2 Execution Engine": headers have Ethereum's fields, some with other content.
	optimism: {
		id: 10,
		blockTimeMs: 2_000,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Base docs, "Denim": a block each 200 ms since 2026-11-05, with Ethereum's header as before. Final as Optimism.
	base: {
		id: 8_453,
		blockTimeMs: 200,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Arbitrum docs, "Finality and chain reorganizations": its tags tell when the batch is safe and final on Ethereum;
	// "Sequencer timing": 250 ms. Blocks from before Nitro (22,207,817) have hashes of another kind: turn headerHash
	// off to start below.
	arbitrum: {
		id: 42_161,
		blockTimeMs: 250,
		depthMs: 25 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Polygon docs, "Finality": by milestones, within 2 to 5 s. PIP-86: a block each 1.5 s, planned for May 2026;
	// heights of that May and September lie 1.53 s a block apart. PIP-74: before it, the logs of state syncs are in
	// neither bloom nor receipts root.
	polygon: {
		id: 137,
		blockTimeMs: 1_500,
		depthMs: 10 * MINUTE_MS,
		trust: { headerHash: true, logsBloom: false },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// BEP-126, "Fast finality": final two blocks later while two thirds of the validators vote. BNB Chain docs, "Fermi
	// Upgrade of BSC": 450 ms since 2026-01-14 (BEP-619).
	bnb: {
		id: 56,
		blockTimeMs: 450,
		depthMs: MINUTE_MS,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Avalanche docs, "Integrate with the C-Chain": nodes answer accepted blocks, which are final, and a hash
	// covers ExtDataHash too; "Gas fee configuration": a block a second since January 2026, which validators may
	// change (ACP-226). ACP-194, since 2026-09-22: the finalized tag is the last settled block, and a header's bloom
	// and receipts root are those of the blocks that it settles, not its own.
	avalanche: {
		id: 43_114,
		blockTimeMs: 1_000,
		depthMs: 1_000,
		trust: { headerHash: false, logsBloom: false },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Gnosis docs, "Gnosis (Mainnet)": epochs of 16 slots of 5 s, final after 2.7 minutes, which are two.
	// Blocks from before its merge (25,349,537) carry Aura's fields: turn headerHash off to start below.
	gnosis: {
		id: 100,
		blockTimeMs: 5_000,
		depthMs: 32 * 5_000,
		trust: { headerHash: true, logsBloom: true },
		logRangeBlocks: RANGE_BLOCKS,
	},
	// Linea docs, "Transaction finality": a block a second, which the sequencer does not take back; final when its
	// proof is on Ethereum, which only the tag tells ("Retrieve finalized L2 blocks"). "Beta v4.0 migration guide":
	// any execution client of Ethereum's follows it, so headers are hashed as Ethereum's. Clique's seal was in extraData.
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
