/** The form of what a chain's file exports. */
import * as z from "zod";
import { LEVELS, SEVERITIES } from "../consistency/finding.ts";
import { LIMITS } from "../domain/limits.ts";
import { NETWORK_NAMES, type NetworkName } from "../follower/networks.ts";
import { settingsForm } from "../memory/settings-form.ts";

/** Ten years of one-second blocks; more than that is a mistake in the number. */
const MOST_BLOCKS = 315_360_000;
/** Below a second a snapshot would follow the other; above a year nobody means it. */
const LEAST_SNAPSHOT_MS = 1_000;
const MOST_SNAPSHOT_MS = 365 * 24 * 3_600_000;

/** It is typed on a command line, and stands in requests. */
const MERGE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** It stands in front of a ':' in handlers' names, and in the namespace of what its factory makes. */
const CONTRACT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
/** An hour: nobody follows a chain that is slower. */
const MOST_BLOCK_TIME_MS = 3_600_000;
/** An hour: beyond it the window of most chains would be full of blocks that are final. */
const MOST_FINALITY_MS = 3_600_000;

const height = z.bigint().nonnegative();
const abi = z.array(z.looseObject({ type: z.string() }));
const ownNamespaces = z.array(z.string().min(1).max(LIMITS.namespaceLength)).min(1);
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, "must be an address");
/** 0: never. More often than each second nobody reads the results; setTimeout bounds the rest. */
const everyMs = z.union([z.literal(0), z.int().min(1_000).max(2_147_483_647)], {
	error: "must be 0, or milliseconds from 1000",
});
const addresses = z.union([address, z.array(address).min(1).max(LIMITS.contractAddresses)]);
const contract = z.strictObject({
	abi,
	address: addresses.optional(),
	factory: z
		.strictObject({
			abi,
			address: addresses,
			event: z.string().min(1),
			parameter: z.string().min(1),
			startBlock: height.optional(),
		})
		.optional(),
	startBlock: height.optional(),
	endBlock: height.optional(),
	filter: z
		.record(
			z.string(),
			z.custom((value) => areFilters(value), "must be { args: { … } }, or a list of such"),
		)
		.optional(),
	namespaces: ownNamespaces.optional(),
});
const ruleSchema = z.looseObject({
	kind: z.enum(["scan", "memories"]),
	name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "must be in kebab-case"),
	level: z.enum(LEVELS),
	severity: z.enum(SEVERITIES),
	compares: z.string().min(1),
});
/** What a chain's file exports, as far as it stands by itself; contracts and handlers are held against each other later. */
export const chainSchema = z.strictObject({
	id: z.int().positive().optional(),
	network: z.enum(NETWORK_NAMES as readonly [NetworkName, ...NetworkName[]]).optional(),
	blockTimeMs: z.int().min(1).max(MOST_BLOCK_TIME_MS).optional(),
	name: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be letters, digits, '-' and '_'"),
	rpc: z.strictObject({
		urls: z
			.array(z.string().regex(/^(https?|wss?):\/\/./, "must be a URL of http(s):// or ws(s)://"))
			.min(1)
			.max(16),
		pollIntervalMs: z.int().min(10).max(3_600_000).optional(),
		timeoutMs: z.int().min(100).max(600_000).optional(),
		logRangeBlocks: z.int().min(1).max(LIMITS.rpcLogRangeBlocks).optional(),
	}),
	finality: z
		.strictObject({
			depthBlocks: z.int().min(1).max(LIMITS.windowMostBlocks).optional(),
			depthMs: z.int().min(1).max(MOST_SNAPSHOT_MS).optional(),
			source: z.enum(["tags", "depth"]).optional(),
			everyMs: z.int().min(0).max(MOST_FINALITY_MS).optional(),
		})
		.optional(),
	trust: z
		.strictObject({
			headerHash: z.boolean().optional(),
			logsBloom: z.boolean().optional(),
			receipts: z.boolean().optional(),
			transactions: z.boolean().optional(),
		})
		.optional(),
	reorg: z
		.strictObject({
			confirmBeyondDepth: z.int().min(0).max(LIMITS.windowMostBlocks).optional(),
			// Below a half two branches could have a quorum at once.
			quorum: z.number().min(0.5).max(0.99).optional(),
			polls: z.int().min(1).max(LIMITS.forkPolls).optional(),
		})
		.optional(),
	startBlock: height.optional(),
	endBlock: height.optional(),
	snapshots: z
		.strictObject({
			everyBlocks: z.int().min(1).max(MOST_BLOCKS).optional(),
			everyMs: z.int().min(LEAST_SNAPSHOT_MS).max(MOST_SNAPSHOT_MS).optional(),
			fullEvery: z.int().min(0).max(LIMITS.snapshotParents).optional(),
			keep: z.int().min(1).max(LIMITS.snapshotHistory).optional(),
		})
		.optional(),
	merges: z
		.record(
			z.string().regex(MERGE_NAME, "must be letters, digits, '-' and '_'"),
			z.custom((value) => typeof value === "function", "must be a function"),
		)
		.optional(),
	memory: z.record(z.string().min(1).max(LIMITS.namespaceLength), settingsForm).optional(),
	consolidations: z
		.record(
			z.string().regex(MERGE_NAME, "must be letters, digits, '-' and '_'"),
			z.custom((value) => typeof value === "function", "must be a function"),
		)
		.optional(),
	log: z.strictObject({ keep: z.enum(["all", "sinceSnapshot"]).optional() }).optional(),
	onHandlersChange: z.enum(["derive", "keep", "halt"]).optional(),
	history: z.strictObject({ every: z.int().min(1).max(LIMITS.historyEveryBlocks) }).optional(),
	consistency: z
		.strictObject({
			basicEveryMs: everyMs.optional(),
			fullEveryMs: everyMs.optional(),
			readBudgetRowsPerSecond: z.int().min(100).max(LIMITS.readRowsPerSecond).optional(),
			rules: z.array(ruleSchema).max(LIMITS.ownRules).optional(),
		})
		.optional(),
	namespaces: z.array(z.string().min(1).max(LIMITS.namespaceLength)).min(1),
	contracts: z.record(z.string().regex(CONTRACT_NAME, "must be letters, digits and '_'"), contract),
	blocks: z
		.record(
			z.string().regex(MERGE_NAME, "must be letters, digits, '-' and '_'"),
			z.strictObject({
				interval: z.int().min(1).max(MOST_BLOCKS),
				startBlock: height.optional(),
				endBlock: height.optional(),
				namespaces: ownNamespaces.optional(),
				handler: z.custom((value) => typeof value === "function", "must be a function"),
			}),
		)
		.optional(),
	handlers: z.record(
		z.string(),
		z.custom((value) => typeof value === "function", "must be a function"),
	),
});

function areFilters(value: unknown): boolean {
	return [value]
		.flat()
		.every(
			(each) => typeof each === "object" && each !== null && "args" in each && each.args !== null,
		);
}
