/**
 * What halts a chain: a fork that is too deep, a finalized block that changed, another genesis. Each is seen in
 * several looks in a row before it counts, and where several providers answer, most of them must say so; one
 * that is alone with it is put aside.
 */
import { type TagPlace, tagPlace } from "../chain/finality.ts";
import { type Suspicion, weighSuspicion } from "../chain/suspicion.ts";
import type { ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { lookMs, supportInTime } from "./fork-judge.ts";

/** What is suspected, and the block that speaks for it. */
export interface Incident {
	readonly error: FatalError;
	readonly shown: { readonly number: Height; readonly hash: Hex };
}

/** What the node answers for its marks; undefined where it has no such tag. */
export interface NodeTags {
	readonly safe: ChainBlock | undefined;
	readonly finalized: ChainBlock | undefined;
}

export interface IncidentsOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: ChainWriter;
	readonly writerStore: WriterStore;
	readonly clock: Clock;
}

/** Each is looked for in its own way, and seeing nothing of one says nothing of the others. */
type Kind = "fork" | "genesis" | "tag";

export class Incidents {
	readonly #options: IncidentsOptions;
	readonly #suspicions = new Map<Kind, Suspicion>();
	/** The block below the window that was looked up last: tags stay where they are for many blocks. */
	#kept: { readonly height: Height; readonly hash: Hex | undefined } | undefined;

	constructor(options: IncidentsOptions) {
		this.#options = options;
	}

	/** A look that showed nothing of it. */
	clear(kind: Kind): void {
		this.#suspicions.delete(kind);
	}

	/** Asks every provider. `confirmed`: the chain is to be halted. */
	async weigh(
		kind: Kind,
		{ error, shown }: Incident,
	): Promise<"confirmed" | "denied" | "suspected"> {
		const { spec, source, clock } = this.#options;
		const { number, hash } = shown;
		const support = await supportInTime(source.support({ number, hash }), clock);
		const nowMs = clock.now();
		const spacingMs = lookMs(spec) * 0.75;
		const key = `${error.code} ${error.fields["differsAt"] ?? hash}`;
		const before = this.#suspicions.get(kind);
		const look = { key, support, nowMs, spacingMs };
		const { type, suspicion } = weighSuspicion(before, look, spec.reorg);
		if (suspicion === undefined) this.#suspicions.delete(kind);
		else this.#suspicions.set(kind, suspicion);
		if (type === "denied" && (support?.confirming ?? 0) > 0) source.distrust(shown, error.message);
		return type;
	}

	/** Undefined: the node's block 0 is the chain's, or the node has none. It is kept where none is yet. */
	async otherGenesis(): Promise<Incident | undefined> {
		const { spec, source, writer, clock } = this.#options;
		const shown = await source.blockByNumber(0n);
		if (shown === undefined) return undefined;
		const known = writer.genesis;
		if (known === shown.hash) return undefined;
		if (known !== undefined) return { error: genesisChanged(spec, known, shown.hash), shown };
		const { hash } = shown;
		const support = await supportInTime(source.support({ number: 0n, hash }), clock);
		// What most deny is not kept for good: the next start asks again.
		if (support === undefined || support.confirming > support.denying) {
			await writer.recordGenesis(hash);
		}
		return undefined;
	}

	/** Where the node's marks stand to what is committed, and the incident if one of them changed. */
	async lookAtTags({ safe, finalized }: NodeTags): Promise<{
		readonly places: readonly TagPlace[];
		readonly incident: Incident | undefined;
	}> {
		const places: TagPlace[] = [];
		for (const tag of [finalized, safe]) {
			if (tag === undefined) continue;
			const { place, ours } = await this.#placeOf(tag);
			places.push(place);
			if (place !== "changed") continue;
			const error = finalizedChanged(tag, ours, this.#options.writer.state.finalized ?? 0n);
			return { places, incident: { error, shown: tag } };
		}
		return { places, incident: undefined };
	}

	async #placeOf(tag: ChainBlock): Promise<{ place: TagPlace; ours: Hex | undefined }> {
		const { window, state } = this.#options.writer;
		if (window === undefined) return { place: "unknown", ours: undefined };
		// A provider that lags tags what the window has let go: what is kept below it is looked up.
		const isBelow = tag.number < window.oldest.number;
		const kept = isBelow ? await this.#keptAt(tag.number) : undefined;
		const ours = window.at(tag.number)?.hash ?? kept;
		const finalized = state.finalized ?? 0n;
		return { place: tagPlace(tag, { window, finalized, kept }), ours };
	}

	/** Below the window nothing changes any more but by an import, after which all of this is made anew. */
	async #keptAt(height: Height): Promise<Hex | undefined> {
		if (this.#kept?.height !== height) {
			const { spec, writerStore } = this.#options;
			const hashes = await writerStore.blockHashes(spec.id, [height]);
			this.#kept = { height, hash: hashes.get(height) };
		}
		return this.#kept.hash;
	}
}

function genesisChanged(spec: ChainSpec, known: Hex, shown: Hex): FatalError {
	return new FatalError("genesis_changed", {
		message: `the node of "${spec.name}" serves a chain that begins with block ${shown}; this one began with ${known}`,
		hint: "correct the RPC URL in the chain's file, and `recant recover` lets the chain go on; a chain that was begun anew needs an empty RECANT_DATA_DIR or database",
		fields: { chainId: spec.id, genesis: known, shown },
	});
}

function finalizedChanged(tag: ChainBlock, ours: Hex | undefined, finalized: Height): FatalError {
	return new FatalError("finalized_block_changed", {
		message:
			`the node marks block ${tag.number} ${tag.hash} as final, and the chain was final up to ` +
			`${finalized} with ${ours ?? "another block"} at that height`,
		hint: "check that the node serves the right chain and is in sync; if its branch is right, `recant recover` shows what is possible",
		fields: {
			differsAt: tag.number.toString(),
			committedHash: ours ?? "",
			shownHash: tag.hash,
			finalized: finalized.toString(),
		},
	});
}
