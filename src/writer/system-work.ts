/**
 * What the writer does by itself: it ends memories whose block time has come, and those past a
 * namespace's capacity, and runs rules of consolidation. Each is logged with its whole result, taken back by
 * a rollback like anything else, and done anew on the new branch, never replayed.
 *
 * All that it may touch is loaded before the first write, so what it decides follows from the state alone.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Height, MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import { isLinkId } from "../domain/link.ts";
import type { Version } from "../domain/memory.ts";
import type { ConsolidationRule, NamespaceSettings } from "../domain/namespace-settings.ts";
import type { MemoryBody } from "../domain/operation.ts";
import type { StepAllowance } from "../memory/json-schema.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { byWriting } from "../memory/writing-order.ts";
import type { Assembly } from "./assembly.ts";
import type { ConsolidatedPut } from "./commit-draft.ts";
import { type ImaginedMembers, ShortTermMembers } from "./short-term.ts";
import type { WriterStore, WrittenMemory } from "./writer-store.ts";

export interface Consolidator {
	/**
	 * What the rule makes of the members, at most LIMITS.consolidationPuts; nothing for what it made before
	 * and would make again. `existing`: visible long-term memories of the namespace.
	 */
	consolidate(input: {
		readonly chainId: ChainId;
		readonly namespace: string;
		readonly rule: ConsolidationRule;
		readonly height: Height;
		/** Visible memories of the rule's layers, by rising position. */
		readonly members: readonly Version[];
		readonly existing: readonly Version[];
	}): Promise<readonly ConsolidatedPut[]>;
}

/** What the chain's namespaces are told to do. */
export interface WriterSettings {
	/** Called before each commit; throws what reading throws. */
	refresh(): Promise<void>;
	/** As they were at the last refresh. */
	all(): ReadonlyMap<string, NamespaceSettings>;
	/** Why the namespace's schema does not take a content; undefined: it does, or there is none. */
	contentProblem(
		namespace: string,
		body: Pick<MemoryBody, "content" | "layer">,
		/** Of the request that the content is of. */
		allowance: StepAllowance,
	): string | undefined;
}

export interface SystemContext {
	readonly chainId: ChainId;
	readonly store: Pick<WriterStore, "latestVersions" | "population" | "writingOrder">;
	readonly settings: ReadonlyMap<string, NamespaceSettings>;
	readonly consolidator: Consolidator;
	/**
	 * Short-term memories by namespace, as far as they were read: what one commit leaves the next goes on
	 * from. Whoever gives it forgets it when a commit fails or the state is changed by somebody else.
	 */
	readonly shortTerm: Map<string, ShortTermMembers>;
	/** Height at which the state stands that is worked on. */
	readonly height: Height;
}

/** What a commit is about to do. */
export interface ComingWork {
	/** Namespaces that agents' operations write, with how many operations do. */
	readonly writes: ReadonlyMap<string, number>;
	/** Heights that are sealed, both inclusive; undefined: none. */
	readonly heights: { readonly from: Height; readonly to: Height } | undefined;
	/** Rules that are asked for. */
	readonly asked: readonly { readonly namespace: string; readonly rule: string | undefined }[];
}

/** Memories that one write may push out: a capacity that was lowered is reached over several writes. */
const MOST_ENDED = 1_000;

export class SystemWork {
	readonly #assembly: Assembly;
	readonly #context: SystemContext;
	/** While a memory is ended for capacity, its own end pushes out no other. */
	#ending = false;

	constructor(assembly: Assembly, context: SystemContext) {
		this.#assembly = assembly;
		this.#context = context;
	}

	/** Loads what may be ended or consolidated; before the first write. */
	async prepare(coming: ComingWork): Promise<void> {
		for (const [namespace, writes] of coming.writes) await this.#prepareCapacity(namespace, writes);
		for (const [namespace, layers] of this.#consolidated(coming)) {
			await this.#load(namespace, [...layers]);
			await this.#load(namespace, ["long_term"]);
		}
		if (this.#context.shortTerm.size > 0) {
			this.#assembly.onWrite = (key, slot) => this.#afterWrite(key, slot);
		}
	}

	/** What writes of one request would push out of a namespace; undefined: nothing. */
	imagine(namespace: string, writes: number, slot: Height): ImaginedMembers | undefined {
		const { settings, shortTerm } = this.#context;
		const capacity = settings.get(namespace)?.shortTermCapacity;
		if (capacity === undefined) return undefined;
		const { editor } = this.#assembly.state;
		const isLoaded = (key: MemoryKey) => editor.isLoaded(key);
		return shortTerm.get(namespace)?.imagine({ capacity, slot, writes, isLoaded });
	}

	/** After everything else of a block: what its time ends, and the rules that are due. */
	async endOfBlock({ number: slot, timestamp }: BlockHeader): Promise<void> {
		for (const version of this.#assembly.state.timedOut(slot, timestamp)) {
			this.#assembly.end(version, slot, "time");
		}
		await this.consolidateDue(slot);
	}

	/** Rules whose turn it is at that height. */
	async consolidateDue(height: Height): Promise<void> {
		for (const [namespace, { consolidation }] of this.#context.settings) {
			for (const rule of consolidation) {
				if (isDue(rule, { from: height, to: height })) await this.#run(namespace, rule, height);
			}
		}
	}

	/** Heights in (after, before) at which a rule is due, ascending. */
	dueBetween(after: Height, before: Height): readonly Height[] {
		const due = new Set<Height>();
		for (const { consolidation } of this.#context.settings.values()) {
			for (const { everyBlocks } of consolidation) {
				if (everyBlocks === undefined) continue;
				const every = BigInt(everyBlocks);
				for (let at = (after / every + 1n) * every; at < before; at += every) due.add(at);
			}
		}
		return [...due].sort((a, b) => (a < b ? -1 : 1));
	}

	/** Runs rules that were asked for; `rule` undefined: all of the namespace. */
	async consolidate(namespace: string, rule: string | undefined, slot: Height): Promise<void> {
		for (const each of this.#rules(namespace, rule)) await this.#run(namespace, each, slot);
	}

	async #run(namespace: string, rule: ConsolidationRule, height: Height): Promise<void> {
		const { chainId, consolidator } = this.#context;
		const visible = [...this.#assembly.state.editor.visibleAt(height)]
			.filter((version) => version.namespace === namespace && !isLinkId(version.id))
			.sort(byWriting);
		const members = visible.filter(({ layer }) => rule.layers.includes(layer));
		const puts = await consolidator.consolidate({
			chainId,
			namespace,
			rule,
			height,
			members: members.slice(-LIMITS.consolidationMembers),
			existing: visible.filter(({ layer }) => layer === "long_term"),
		});
		// What is made for the first time, or again after it was deleted, was not visible.
		await this.#loadRows(puts.map((put) => memoryKey(put.namespace, put.id)));
		for (const put of puts) this.#assembly.consolidate(put, height);
	}

	async #prepareCapacity(namespace: string, writes: number): Promise<void> {
		const { settings, shortTerm } = this.#context;
		const capacity = settings.get(namespace)?.shortTermCapacity;
		if (capacity === undefined) {
			shortTerm.delete(namespace);
			return;
		}
		const known = shortTerm.get(namespace);
		const members =
			known?.isWhole === true
				? known
				: await this.#readMembers(namespace, capacity + 2 * MOST_ENDED);
		shortTerm.set(namespace, members);
		const excess = Math.max(0, members.size - capacity);
		await this.#loadRows(members.first(writes + Math.min(excess, MOST_ENDED)));
	}

	async #readMembers(namespace: string, limit: number): Promise<ShortTermMembers> {
		const { store, chainId, height } = this.#context;
		const found = await store.writingOrder(chainId, { namespace, height, limit });
		return new ShortTermMembers(this.#asLoaded(found), found.length < limit);
	}

	/** What the assembly has loaded already, it may have set back. */
	#asLoaded(found: readonly WrittenMemory[]): readonly WrittenMemory[] {
		const { editor } = this.#assembly.state;
		const { height } = this.#context;
		return found.flatMap((member) => {
			if (!editor.isLoaded(member.memoryKey)) return [member];
			const version = editor.visible(member.memoryKey, height);
			return version?.layer === "short_term" ? [version] : [];
		});
	}

	/** The newest visible memories of these layers. */
	async #load(namespace: string, layers: readonly Layer[]): Promise<void> {
		const { chainId, store, height } = this.#context;
		const limit = LIMITS.consolidationMembers;
		const keys = await store.population(chainId, { namespace, layers, height, limit });
		await this.#loadRows(keys);
	}

	async #loadRows(keys: readonly MemoryKey[]): Promise<void> {
		const { chainId, store } = this.#context;
		const { state } = this.#assembly;
		const missing = keys.filter((key) => !state.editor.isLoaded(key));
		if (missing.length === 0) return;
		const rows = await store.latestVersions(chainId, missing);
		for (const key of missing) state.load(key, rows.get(key) ?? []);
	}

	#afterWrite(key: MemoryKey, slot: Height): void {
		const latest = this.#assembly.state.editor.latest(key);
		const members = latest && this.#context.shortTerm.get(latest.namespace);
		if (latest === undefined || members === undefined) return;
		const written = this.#assembly.state.editor.visible(key, slot);
		members.changed(key, written);
		// Only what is written pushes out others.
		if (this.#ending || written?.layer !== "short_term") return;
		const capacity = this.#context.settings.get(latest.namespace)?.shortTermCapacity;
		if (capacity === undefined) return;
		this.#ending = true;
		for (let ended = 0; ended < MOST_ENDED; ended += 1) {
			const oldest = members.excess(capacity, slot);
			// One commit ends no more than it has loaded: the next goes on.
			if (oldest === undefined || !this.#assembly.state.editor.isLoaded(oldest)) break;
			const version = this.#assembly.state.editor.visible(oldest, slot);
			if (version === undefined) break;
			this.#assembly.end(version, slot, "capacity");
		}
		this.#ending = false;
	}

	/** Namespaces whose rules will run, with the layers that they look at. */
	#consolidated({ heights, asked }: ComingWork): ReadonlyMap<string, ReadonlySet<Layer>> {
		const found = new Map<string, Set<Layer>>();
		const note = (namespace: string, rule: ConsolidationRule) => {
			const layers = found.get(namespace) ?? new Set<Layer>();
			for (const layer of rule.layers) layers.add(layer);
			found.set(namespace, layers);
		};
		for (const { namespace, rule } of asked) {
			for (const each of this.#rules(namespace, rule)) note(namespace, each);
		}
		if (heights === undefined) return found;
		for (const [namespace, { consolidation }] of this.#context.settings) {
			for (const rule of consolidation) if (isDue(rule, heights)) note(namespace, rule);
		}
		return found;
	}

	#rules(namespace: string, rule: string | undefined): readonly ConsolidationRule[] {
		const rules = this.#context.settings.get(namespace)?.consolidation ?? [];
		return rule === undefined ? rules : rules.filter(({ name }) => name === rule);
	}
}

function isDue(
	{ everyBlocks }: ConsolidationRule,
	{ from, to }: { readonly from: Height; readonly to: Height },
): boolean {
	if (everyBlocks === undefined) return false;
	const every = BigInt(everyBlocks);
	return (to / every) * every >= from;
}
