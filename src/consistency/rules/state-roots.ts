/**
 * The state against its commitment: the roots of the pending slot and of the head are computed again
 * from rows and must be those that were stored; each leaf must be the writer's.
 *
 * A memory whose rows are damaged in themselves is left to the rules that say so, but counts: only
 * when no memory differs and the roots do, it is the stored roots that are wrong, or what the tree was
 * built from.
 */

import { SortedRoots } from "../../commitment/sorted-root.ts";
import { differingLayers, type StateRoots } from "../../commitment/state-root.ts";
import type { CommittedMemory } from "../../commitment/state-tree.ts";
import type { MemoryKey } from "../../domain/ids.ts";
import { LAYERS, type Layer } from "../../domain/layer.ts";
import type { CheckContext, FrozenTree } from "../check-context.ts";
import { type SpanBounds, spanProblems } from "../memory-spans.ts";
import type { MemoryInspection, MemoryRule, RuleFinding } from "../rule.ts";
import { WHOLE_RANGE } from "../sampling.ts";
import type { StoredMemory, StoredVersion } from "../stored-state.ts";
import { BY_REPAIR, byPerson, subject, versionSubject } from "../subject.ts";
import { hashedAgain, pendingLeaf, sealedLeaf } from "../visible-rows.ts";
import { rowProblem } from "./version-rows.ts";

export const stateRoots: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "state-roots",
	level: "full",
	severity: "critical",
	compares: "the state tree built again from rows with the stored roots and the writer's leaves",
	open: async (context) => {
		const generations = await context.state.generations();
		return new RootsInspection(context, {
			generation: context.at.generation,
			slot: context.at.height + 1n,
			generations,
		});
	},
};

class RootsInspection implements MemoryInspection {
	readonly #context: CheckContext;
	readonly #bounds: SpanBounds;
	readonly #pending = new SortedRoots();
	readonly #head = new SortedRoots();
	readonly #leaves: readonly LeafStream[];
	/** Memories that differ, or are damaged in themselves. */
	#differing = 0;

	constructor(context: CheckContext, bounds: SpanBounds) {
		this.#context = context;
		this.#bounds = bounds;
		const { frozen } = context.parts;
		const paths = (context.sample?.ranges ?? [WHOLE_RANGE]).map(({ path }) => path);
		this.#leaves =
			frozen === undefined ? [] : LAYERS.map((layer) => new LeafStream(frozen, layer, paths));
	}

	async page(memories: readonly StoredMemory[]): Promise<readonly RuleFinding[]> {
		const last = memories.at(-1)?.memoryKey;
		if (last === undefined) return [];
		const expected = this.#expected(last);
		const findings = memories.flatMap((memory) => {
			const leaves = expected.get(memory.memoryKey);
			expected.delete(memory.memoryKey);
			return this.#memory(memory, leaves);
		});
		return [...findings, ...this.#missing(expected)];
	}

	async end(): Promise<readonly RuleFinding[]> {
		const missing = this.#missing(this.#expected(undefined));
		if (this.#context.sample !== undefined || this.#differing > 0) return missing;
		return [...missing, ...(await this.#rootFindings())];
	}

	close(): void {
		for (const leaves of this.#leaves) leaves.close();
	}

	/** The tree's leaves up to a key, inclusive. */
	#expected(last: MemoryKey | undefined): Map<MemoryKey, CommittedMemory[]> {
		const expected = new Map<MemoryKey, CommittedMemory[]>();
		for (const leaves of this.#leaves) {
			for (const leaf of leaves.upTo(last)) {
				expected.set(leaf.memoryKey, [...(expected.get(leaf.memoryKey) ?? []), leaf]);
			}
		}
		return expected;
	}

	#memory(
		{ rows, memoryKey }: StoredMemory,
		expected: readonly CommittedMemory[] | undefined,
	): readonly RuleFinding[] {
		const pending = pendingLeaf(rows, this.#bounds.slot);
		this.#add(this.#pending, memoryKey, pending);
		this.#add(this.#head, memoryKey, sealedLeaf(rows, this.#context.at));
		if (
			spanProblems(rows, this.#bounds).length > 0 ||
			rows.some((row) => rowProblem(row) !== undefined)
		) {
			this.#differing += 1;
			return [];
		}
		if (this.#context.parts.frozen === undefined) return [];
		const finding = differs(memoryKey, { pending, expected: expected ?? [], rows });
		if (finding === undefined) return [];
		this.#differing += 1;
		return [finding];
	}

	#add(roots: SortedRoots, memoryKey: MemoryKey, leaf: StoredVersion | undefined): void {
		if (leaf?.layer === undefined) return;
		roots.add(leaf.layer, memoryKey, hashedAgain(leaf) ?? leaf.contentHash);
	}

	#missing(expected: ReadonlyMap<MemoryKey, readonly CommittedMemory[]>): readonly RuleFinding[] {
		this.#differing += expected.size;
		return [...expected].flatMap(([memoryKey, leaves]) =>
			leaves.map((leaf) => missing(memoryKey, leaf)),
		);
	}

	async #rootFindings(): Promise<readonly RuleFinding[]> {
		const { state, at, parts } = this.#context;
		const pending = this.#pending.finish();
		const checkpoint = await state.checkpoint(at.height);
		// What cannot be read is found by the rules that read it for itself.
		const sealed = checkpoint?.intact === true ? checkpoint.roots : undefined;
		return [
			...rootsDiffer("chains", pending, state.chain.roots),
			...rootsDiffer("checkpoints", this.#head.finish(), sealed),
			...rootsDiffer("writer", pending, parts.frozen?.tree.roots(parts.frozen.mark)),
		].map((finding) => ({ ...finding, since: at.height }));
	}
}

/** The leaves of one layer, by rising key, taken as far as a page of rows reaches. */
class LeafStream {
	readonly #leaves: Iterator<CommittedMemory, void>;
	#next: CommittedMemory | undefined;

	constructor({ tree, mark }: FrozenTree, layer: Layer, paths: readonly string[]) {
		this.#leaves = leavesBelow(paths, (path) => tree.memories(layer, path, mark));
		this.#advance();
	}

	*upTo(last: MemoryKey | undefined): Generator<CommittedMemory, void> {
		while (this.#next !== undefined && (last === undefined || this.#next.memoryKey <= last)) {
			yield this.#next;
			this.#advance();
		}
	}

	close(): void {
		this.#leaves.return?.();
	}

	#advance(): void {
		const step = this.#leaves.next();
		this.#next = step.done === true ? undefined : step.value;
	}
}

function* leavesBelow(
	paths: readonly string[],
	below: (path: string) => Iterable<CommittedMemory>,
): Generator<CommittedMemory, void> {
	for (const path of paths) yield* below(path);
}

function differs(
	memoryKey: MemoryKey,
	found: {
		readonly pending: StoredVersion | undefined;
		readonly expected: readonly CommittedMemory[];
		readonly rows: readonly StoredVersion[];
	},
): RuleFinding | undefined {
	const { pending, expected, rows } = found;
	const [leaf] = expected;
	if (leaf === undefined && pending === undefined) return undefined;
	if (leaf === undefined && pending !== undefined) {
		return {
			class: "version_extra",
			subject: versionSubject(pending),
			message: `version ${pending.versionId} of "${pending.id}" is visible, and nothing was committed there`,
			since: pending.fromBlock,
			remedy: BY_REPAIR,
		};
	}
	if (leaf !== undefined && pending === undefined) return missing(memoryKey, leaf, rows.at(-1));
	if (leaf === undefined || pending === undefined) return undefined;
	if (leaf.layer === pending.layer && leaf.contentHash === pending.contentHash) return undefined;
	return {
		class: "version_corrupt",
		subject: versionSubject(pending),
		message: `version ${pending.versionId} of "${pending.id}" has hash ${pending.contentHash} in ${pending.layer}, committed is ${leaf.contentHash} in ${leaf.layer}`,
		since: pending.fromBlock,
		remedy: BY_REPAIR,
	};
}

function missing(
	memoryKey: MemoryKey,
	leaf: CommittedMemory,
	known?: StoredVersion | undefined,
): RuleFinding {
	return {
		class: "version_missing",
		subject: subject({
			store: "postgres",
			table: "versions",
			memoryKey,
			namespace: known?.namespace,
			id: known?.id,
		}),
		message: `no row shows memory ${memoryKey} of ${leaf.layer}, committed with hash ${leaf.contentHash}`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}

function rootsDiffer(
	table: "chains" | "checkpoints" | "writer",
	computed: StateRoots,
	recorded: StateRoots | undefined,
): readonly RuleFinding[] {
	if (recorded === undefined) return [];
	const layers = differingLayers(computed, recorded);
	if (layers.length === 0) return [];
	const whose = {
		chains: "recorded for the chain",
		checkpoints: "sealed with the head",
		writer: "of the writer's tree",
	};
	return [
		{
			class: "root_differs",
			subject: subject({ store: "postgres", table: table === "writer" ? "versions" : table }),
			message: `the rows do not give the roots ${whose[table]}, in ${layers.join(", ")}`,
			since: undefined,
			remedy: byPerson(
				"recant check --level paranoid",
				"recant rollback --to <height> --strategy rebuild",
			),
		},
	];
}
