/**
 * Derives a chain's handler-owned memories anew, beside the present state, when its handlers are others than
 * those that derived it. Readers see nothing of it: a rollback of cause `handlers` takes its place in one commit.
 *
 * 1. It goes up to a final block of the window, from the start block, a group at a time; what a group left is
 *    stored with how far it is, so it goes on after a kill and holds no more than a group.
 * 2. Only handlers of the same hash go on with what was begun; others begin anew.
 * 3. While it is under way the chain's head stands still: what was derived by other handlers is not continued.
 */
import { randomUUID } from "node:crypto";
import type { HeaderWindow } from "../chain/header-window.ts";
import { higher, lower } from "../chain/height.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { ChainId, Height, Hex, VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { applySteps, ONE_GENERATION, writeKey } from "../restore/apply-steps.ts";
import { ShadowState } from "../restore/derived-group.ts";
import type { GroupDeriver } from "../restore/group-deriver.ts";
import type { WriteStep } from "../restore/log-walk.ts";
import type { ShadowRow, ShadowStore } from "../restore/shadow-store.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { Problem } from "../writer/writer-store.ts";
import { changesText, type HandlerPart, handlerChanges, onlyAdded } from "./handler-changes.ts";
import {
	type DerivedBy,
	type HandlersStore,
	isDerived,
	type Rederivation,
} from "./handlers-store.ts";

/** derive: see above. keep: what stands stays, and what comes is derived by the new ones. halt: an operator decides. */
export type OnHandlersChange = "derive" | "keep" | "halt";

export interface RederiverOptions {
	readonly chainId: ChainId;
	readonly startBlock: Height;
	/** Of the handlers that are here. */
	readonly handlersHash: Hex;
	readonly parts: readonly HandlerPart[];
	readonly namespaces: readonly string[];
	readonly policy: OnHandlersChange;
	readonly store: HandlersStore;
	readonly shadows: ShadowStore;
	/** Of the parts of these names; undefined: of all. */
	readonly deriverOf: (parts: readonly string[] | undefined) => GroupDeriver;
}

/** same: there is nothing to do. derived: the shadow is whole, and a rollback may put it in place. */
export type RederiveStep =
	| { readonly type: "same" }
	| { readonly type: "deriving" | "halted"; readonly problem: Problem }
	| { readonly type: "derived"; readonly problem: Problem; readonly rederivation: Rederivation };

export interface CommittedChain {
	readonly window: HeaderWindow;
	readonly finalized: Height;
}

export class Rederiver {
	readonly #options: RederiverOptions;
	#isSame = false;

	constructor(options: RederiverOptions) {
		this.#options = options;
	}

	/** The chain may have been switched, or have been imported over. */
	forget(): void {
		this.#isSame = false;
	}

	/** Whether other handlers derived the present state. Reads once, until `forget`. */
	async isDue(): Promise<boolean> {
		return (await this.#derivedBy()) !== undefined;
	}

	/** Whether what is under way was begun by handlers like these. */
	async isOurs(): Promise<boolean> {
		const { store, chainId, handlersHash } = this.#options;
		return (await store.current(chainId))?.handlersHash === handlersHash;
	}

	/** Derives one group. Throws what the deriver and the store throw. */
	async step(chain: CommittedChain): Promise<RederiveStep> {
		const derivedBy = await this.#derivedBy();
		if (derivedBy === undefined) return { type: "same" };
		if (this.#options.policy === "halt") {
			return { type: "halted", problem: this.#problem(derivedBy, undefined) };
		}
		const before = await this.#current(chain, derivedBy);
		const rederivation = isDerived(before) ? before : await this.#group(before);
		const problem = this.#problem(derivedBy, rederivation);
		if (!isDerived(rederivation)) return { type: "deriving", problem };
		return { type: "derived", problem, rederivation };
	}

	async #derivedBy(): Promise<DerivedBy | undefined> {
		if (this.#isSame) return undefined;
		const { store, chainId, handlersHash } = this.#options;
		const derivedBy = await store.derivedBy(chainId);
		this.#isSame = derivedBy === undefined || derivedBy.handlersHash === handlersHash;
		return this.#isSame ? undefined : derivedBy;
	}

	/** What is under way, where it still fits; else it begins here. */
	async #current({ window, finalized }: CommittedChain, { parts }: DerivedBy) {
		const { store, chainId, handlersHash, startBlock, namespaces } = this.#options;
		const found = await store.current(chainId);
		const height = higher(window.oldest.number, finalized);
		const hash = window.at(height)?.hash;
		if (hash === undefined) throw outOfWindow(chainId, height);
		const fits =
			found?.handlersHash === handlersHash &&
			found.target.height >= height &&
			window.at(found.target.height)?.hash === found.target.hash;
		if (fits) return found;
		const added = onlyAdded(parts, this.#options.parts);
		const known = (parts ?? []).flatMap((part) => part.namespaces);
		const begun: Rederivation = {
			shadowId: randomUUID(),
			handlersHash,
			parts: this.#options.parts,
			target: { height, hash },
			from: startBlock,
			next: startBlock,
			versions: 0n,
			namespaces: added?.namespaces ?? [...new Set([...namespaces, ...known])],
			added: added && [...added.names],
		};
		await store.begin(chainId, begun);
		return begun;
	}

	async #group(before: Rederivation): Promise<Rederivation> {
		const { store, shadows, deriverOf, chainId } = this.#options;
		const { next: from, target, added, shadowId } = before;
		const to = lower(target.height, from + BigInt(LIMITS.groupBlocks) - 1n);
		const state = new ShadowState({ chainId, shadows, shadowId });
		const deriver = deriverOf(added);
		const blocks = await deriver.deriveGroup({ from, to }, (key) => state.latest(key));
		if (to === target.height) requireTarget(blocks, target);
		const steps = stepsOf(blocks, before.versions);
		const rows = await applied(steps, state, chainId);
		const now = { next: to + 1n, versions: before.versions + BigInt(steps.length) };
		await store.advance(before, now, rows);
		return { ...before, ...now };
	}

	#problem({ parts }: DerivedBy, under: Rederivation | undefined): Problem {
		const what = `the chain's handlers were changed (${changesText(handlerChanges(parts, this.#options.parts))})`;
		const code = "handlers_changed";
		if (under === undefined) {
			const hint =
				'set the chain\'s file back, or say onHandlersChange: "derive" or "keep" there; what is there can be read';
			return { code, message: `${what}; its file says to halt then`, hint };
		}
		const { from, next, target, added } = under;
		const which = added === undefined ? "" : `, of ${added.join(", ")} alone`;
		const done = isDerived(under) ? "all" : `up to ${next - 1n}`;
		return {
			code,
			message: `${what}; blocks ${from} to ${target.height} are derived anew${which}: ${done} of them`,
			hint: "what the old ones derived can be read meanwhile, and is replaced at once; the head stands still until then",
		};
	}
}

/** One write for each operation; version ids go on from `versions`. */
function stepsOf(blocks: readonly DerivedBlock[], versions: VersionId): readonly WriteStep[] {
	const operations = blocks.flatMap(({ header, operations }) =>
		operations.map((operation) => ({ operation, slot: header.number })),
	);
	return operations.map(({ operation, slot }, index) => ({
		type: "handler",
		operation,
		slot,
		namespace: operation.namespace,
		id: operation.id,
		// Given when the shadow takes its place: the log goes on meanwhile.
		position: 0n,
		versionId: versions + BigInt(index) + 1n,
	}));
}

async function applied(
	steps: readonly WriteStep[],
	state: ShadowState,
	chainId: ChainId,
): Promise<readonly ShadowRow[]> {
	await state.latestVersions(chainId, [...new Set(steps.map(writeKey))]);
	return applySteps(steps, state.loaded, ONE_GENERATION);
}

/** The last block of a range always comes. */
function requireTarget(blocks: readonly DerivedBlock[], { height, hash }: Rederivation["target"]) {
	const found = blocks.at(-1)?.header;
	if (found?.number === height && found.hash === hash) return;
	throw new RetryableError("rpc_failed", {
		message: `the node has block ${found?.hash} at ${height}, where the committed chain has ${hash}`,
		hint: "it is asked again; if this goes on, it follows another chain",
	});
}

function outOfWindow(chainId: ChainId, height: Height): FatalError {
	return new FatalError("internal", {
		message: `block ${height} of chain ${chainId} is final and above the window`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
