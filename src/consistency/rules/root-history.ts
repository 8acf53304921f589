/**
 * The roots of the window's checkpoints, each computed again from spans: from the state of the lowest
 * one up, block by block, so that the cost follows the changes and not the memory times the blocks.
 */
import { windowFloor } from "../../chain/finality.ts";
import { differingLayers, type StateRoots } from "../../commitment/state-root.ts";
import { StateTree } from "../../commitment/state-tree.ts";
import { FOREVER, type Height, type MemoryKey } from "../../domain/ids.ts";
import type { CheckContext } from "../check-context.ts";
import type { MemoryRule, RuleFinding } from "../rule.ts";
import type {
	StoredCheckpoint,
	StoredMemory,
	StoredState,
	StoredVersion,
} from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";
import { hashedAgain, sealedLeaf } from "../visible-rows.ts";

/** What a memory is at a height and above. */
interface Change {
	readonly memoryKey: MemoryKey;
	readonly leaf: StoredVersion | undefined;
}

export const rootHistory: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "root-history",
	level: "comprehensive",
	severity: "critical",
	compares: "the roots of every checkpoint in the window with the state that the spans give there",
	open: async ({ state, at, sample }) => {
		const sealed = sample === undefined ? await windowCheckpoints(state, at.height) : [];
		const first = sealed[0]?.height ?? at.height;
		const tree = new StateTree();
		const held = new Map<MemoryKey, StoredVersion>();
		const changes = new Map<Height, Change[]>();
		const place = { generation: at.generation };
		return {
			page: async (memories) => {
				if (sealed.length > 0) {
					for (const memory of memories) {
						const leaf = sealedLeaf(memory.rows, { ...place, height: first });
						apply(tree, held, { memoryKey: memory.memoryKey, leaf });
						for (const height of turns(memory, { from: first, to: at.height })) {
							const then = { ...place, height };
							const change = { memoryKey: memory.memoryKey, leaf: sealedLeaf(memory.rows, then) };
							const there = changes.get(height) ?? [];
							there.push(change);
							changes.set(height, there);
						}
					}
				}
				return [];
			},
			end: async () => {
				const findings: RuleFinding[] = [];
				let reached = first;
				for (const { height, roots } of sealed) {
					for (; reached <= height; reached += 1n) {
						for (const change of changes.get(reached) ?? []) apply(tree, held, change);
					}
					findings.push(...differing(height, tree.roots(), roots));
				}
				return findings;
			},
			close: () => undefined,
		};
	},
};

async function windowCheckpoints(
	state: StoredState,
	head: Height,
): Promise<readonly StoredCheckpoint[]> {
	const floor = windowFloor({ ...state.chain, head, finalized: state.chain.finalized ?? 0n });
	const found: StoredCheckpoint[] = [];
	for await (const page of state.checkpoints()) {
		found.push(
			...page.filter((each) => each.toGen === FOREVER && each.height >= floor && each.intact),
		);
	}
	return found;
}

/** Heights in (from, to] at which what the memory shows may change. */
function turns(
	{ rows }: StoredMemory,
	range: { readonly from: Height; readonly to: Height },
): ReadonlySet<Height> {
	const bounds = rows
		.filter((row) => row.toGen === FOREVER)
		.flatMap((row) => [row.fromBlock, row.toBlock]);
	return new Set(bounds.filter((height) => height > range.from && height <= range.to));
}

function apply(
	tree: StateTree,
	held: Map<MemoryKey, StoredVersion>,
	{ memoryKey, leaf }: Change,
): void {
	const before = held.get(memoryKey);
	if (before?.layer !== undefined && before.layer !== leaf?.layer)
		tree.delete(before.layer, memoryKey);
	if (leaf?.layer === undefined) {
		held.delete(memoryKey);
		return;
	}
	tree.set({ layer: leaf.layer, memoryKey, contentHash: hashedAgain(leaf) ?? leaf.contentHash });
	held.set(memoryKey, leaf);
}

function differing(
	height: Height,
	computed: StateRoots,
	recorded: StateRoots | undefined,
): readonly RuleFinding[] {
	if (recorded === undefined) return [];
	const layers = differingLayers(computed, recorded);
	if (layers.length === 0) return [];
	return [
		{
			class: "root_differs",
			subject: subject({ store: "postgres", table: "checkpoints", fromBlock: height }),
			message: `at block ${height} the spans do not give the sealed roots of ${layers.join(", ")}`,
			since: height,
			remedy: byPerson("recant check --level paranoid"),
		},
	];
}
