/** One chain of this process as each service sees it. */
import type { HotMemories } from "../cache/hot-memories.ts";
import type { CheckedChain } from "../consistency/checker.ts";
import { LogShadow } from "../consistency/log-shadow.ts";
import type { RepairedChain } from "../consistency/repair/repairer.ts";
import { SnapshotCopies } from "../consistency/repair/snapshot-copies.ts";
import { RetryableError } from "../domain/errors.ts";
import type { ChainProcess } from "../follower/chain-process.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import type { Restorer } from "../restore/restorer.ts";
import type { ChainRuntime } from "../service/chain-runtime.ts";
import { type ChainStatus, statusOf } from "../service/chain-standing.ts";
import type { ProofChain } from "../service/proving/proofs.ts";
import type { SnapshotChain } from "../service/snapshots.ts";
import type { AgentWrites } from "../service/writing/agent-writes.ts";
import type { PostgresStateStore } from "../store/reading/postgres-state-store.ts";
import type { PostgresRestoredStates } from "../store/restoring/postgres-restored-states.ts";
import type { LanceInspection } from "../vectors/lance-inspection.ts";
import type { LanceStore } from "../vectors/lance-tables.ts";
import type { ChainParts } from "./open-chains.ts";

/** What a chain's checks look at. */
export interface CheckParts {
	readonly source: ChainSource;
	readonly embedder: CheckedChain["embedder"];
	readonly embedsExactly: boolean;
	readonly inspection: LanceInspection;
	readonly state: PostgresStateStore;
	readonly workingMemories: HotMemories;
	readonly restorer: Restorer;
	readonly restoredStates: PostgresRestoredStates;
}

/** What a chain's repairs read and write. */
export interface RepairParts {
	readonly tables: LanceStore;
	readonly inspection: LanceInspection;
	readonly embedder: RepairedChain["embedder"];
	readonly node: ChainSource;
	readonly restorer: Restorer;
	readonly restoredStates: PostgresRestoredStates;
	readonly workingMemories: HotMemories;
}

export function snapshotChain(chain: ChainParts): SnapshotChain {
	const { id, name, snapshots } = chain.spec;
	return {
		chainId: id,
		name,
		fullEvery: snapshots.fullEvery,
		hashOnNode: async (height) => (await chain.source.blockByNumber(height))?.hash,
		due: () => chain.snapshotDue(),
	};
}

export function runtime(chain: ChainParts, writes: AgentWrites): ChainRuntime {
	const { spec, process } = chain;
	return {
		spec,
		writes,
		settings: (namespace) => chain.settings.of(namespace),
		status: () => chainStatus(chain),
		isFollowedHere: () => process?.follower !== undefined,
		providers: () => chain.source.health(),
		indexes: () => process?.flusher?.indexes ?? new Map(),
		rollbackDue: () => chain.rollbackDue(),
	};
}

/** From the follower where it runs here, else as the chain's row says. */
async function chainStatus({ spec, process, elsewhere }: ChainParts): Promise<ChainStatus> {
	if (process?.follower !== undefined) {
		return { ...process.status(), followedBy: process.holder };
	}
	const status = statusOf(spec.name, await elsewhere.standing());
	// Nobody follows it: that this process is about to, or why it cannot, says more, unless another had it.
	const own = status.followedBy === undefined ? process?.status() : undefined;
	const isTold = own !== undefined && own.problem?.code !== "lease_held";
	return isTold && status.state !== "halted" ? { ...status, ...own } : status;
}

export function proofChain({ spec, source, process }: ChainParts): ProofChain {
	return {
		chainId: spec.id,
		name: spec.name,
		states: () => process?.writer?.states,
		blockHash: async (height) => (await source.blockByNumber(height))?.hash,
	};
}

/** A chain that this process writes, as its checks compare with it. */
export function checkedChain(chain: ChainProcess, parts: CheckParts): CheckedChain {
	const { source, embedder, inspection, state, workingMemories, restorer, restoredStates } = parts;
	const pending = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
	const { id, consistency } = chain.spec;
	return {
		...consistency,
		freeze: async (begin) => {
			if (chain.writer === undefined) throw notLed(id);
			return chain.writer.between(async ({ head, fence }, states) => {
				const { tree } = states;
				await begin();
				const mark = tree.mark();
				const sealed = head && states.at(head.number);
				return {
					tree,
					mark,
					fence,
					headRoots: sealed && tree.roots(sealed),
					release: () => tree.release(mark),
				};
			});
		},
		pointers: () => chain.writer?.state.pointers,
		tables: inspection,
		embedder,
		embedsExactly: parts.embedsExactly,
		node: source,
		working: workingMemories,
		believed: (keys) =>
			state.read(id, pending, async (view) => ({
				slot: view.at.height,
				versions: await view.memories(keys),
			})),
		shadow: new LogShadow({
			restorer,
			deriver: chain.deriver,
			snapshots: (chainId, height) => restoredStates.snapshots(chainId, height),
		}),
	};
}

/** A chain as its repairs see it. */
export function repairedChain(chain: ChainProcess, parts: RepairParts): RepairedChain {
	const { embedder, node, restorer, restoredStates, workingMemories } = parts;
	const { deriver } = chain;
	return {
		writer: () => chain.writer,
		tables: repairedTables(parts.tables, parts.inspection),
		embedder,
		node,
		deriver,
		snapshots: new SnapshotCopies({
			restorer,
			deriver,
			snapshots: (chainId, height) => restoredStates.snapshots(chainId, height),
		}),
		drop: (chainId, key) => workingMemories.drop(chainId, key),
		resume: () => chain.follower?.rollbackDue(),
	};
}

/** What repairs read and write of LanceDB. */
function repairedTables(tables: LanceStore, inspection: LanceInspection): RepairedChain["tables"] {
	return {
		installationId: () => inspection.installationId(),
		storedRows: (table, version) => inspection.storedRows(table, version),
		health: (table, version) => inspection.health(table, version),
		create: (table, dimensions) => tables.create(table, dimensions),
		append: (table, base, rows) => tables.append(table, base, rows),
		rewrite: (table, base, change) => tables.rewrite(table, base, change),
	};
}

function notLed(chainId: number): RetryableError {
	return new RetryableError("lease_lost", {
		message: `this process does not write chain ${chainId}`,
		hint: "the check is run by the process that does",
		fields: { chainId },
	});
}
