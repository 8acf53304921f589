/**
 * Plans a partial restore or a merge: compares two coordinates and the pending slot in one snapshot, and
 * says memory by memory which operations bring it to what the rule wants.
 *
 * 1. Nothing is written here. A plan holds whole memories in a fixed order, by namespace and id.
 * 2. What handlers own is never part of it; it is counted and named instead.
 * 3. Past LIMITS.partialMemories, partialBytes or partialCompared the whole request is refused.
 */
import { createHash } from "node:crypto";
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, Hex, MemoryKey, OperationId, VersionId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { type MemoryBody, NO_ANCHORS, type Operation } from "../../domain/operation.ts";
import { NO_SOURCES } from "../../domain/provenance.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { bodyHash, type Change, compensate } from "../../memory/compensation.ts";
import { givenVectorHash } from "../../memory/given-vector.ts";
import { differs, type SaidPair, saidAt } from "../../memory/merge-rules.ts";
import { toWire } from "../../memory/operation-codec.ts";
import type { StateStore, StateView } from "../reading/state-store.ts";
import type {
	PartialPlanView,
	PartialSelection,
	SkippedMemory,
} from "./partial-restore-service.ts";

/** Memories that are read at a time: with vectors of the largest size some 16 MB. */
const CHUNK = 500;

/** What the memory is to say. */
export type Wanted =
	| {
			readonly type: "body";
			readonly body: MemoryBody | undefined;
			/** True: no memory has said it before, so nothing says that its collection can take it. */
			readonly fresh: boolean;
	  }
	| { readonly type: "vector_missing" };

export interface NamedPair {
	readonly namespace: string;
	readonly id: string;
	readonly pair: SaidPair;
	/** Given vector of a version; undefined: none was given, or it is not kept. */
	readonly vectorOf: (version: Version) => readonly number[] | undefined;
}

export interface PlanRequest {
	readonly ours: AtRequest;
	readonly theirs: AtRequest;
	readonly selection: PartialSelection;
	/** Namespaces that the chain's handlers write. */
	readonly handlers: readonly string[];
	readonly wanted: (memory: NamedPair) => Wanted;
}

export interface PlannedEntry {
	readonly namespace: string;
	readonly id: string;
	readonly change: Change;
	readonly operations: readonly Operation[];
	readonly before: Version | undefined;
	readonly after: MemoryBody | undefined;
	readonly fresh: boolean;
}

export interface PartialPlan {
	readonly ours: AnsweredAt;
	readonly theirs: AnsweredAt;
	readonly pending: AnsweredAt;
	readonly entries: readonly PlannedEntry[];
	readonly skipped: readonly SkippedMemory[];
}

/** Throws `FatalError("limit_exceeded")`, the errors of coordinates, and what `wanted` throws. */
export async function makePlan(
	store: Pick<StateStore, "compare">,
	chainId: ChainId,
	request: PlanRequest,
): Promise<PartialPlan> {
	const { ours, theirs } = request;
	return store.compare(chainId, { from: ours, to: theirs }, async (views) => {
		const { from, to } = views;
		const pending = isPresent(from) ? from : await views.pending();
		const draft = new PlanDraft(request, pending.at);
		const keys = await candidates(views.candidates, request.selection.namespaces);
		for (let first = 0; first < keys.length; first += CHUNK) {
			const chunk = keys.slice(first, first + CHUNK);
			draft.take(chunk, await readChunk(chunk, { from, to, pending }));
		}
		return { ours: from.at, theirs: to.at, pending: pending.at, ...draft.ended() };
	});
}

/** The plan as it is answered. */
export function planView(plan: PartialPlan): PartialPlanView {
	const { entries, skipped } = plan;
	const count = (change: Change) => entries.filter((entry) => entry.change === change).length;
	const operations = entries.flatMap((entry) => entry.operations);
	const most = LIMITS.partialItems;
	return {
		ours: plan.ours,
		theirs: plan.theirs,
		pending: plan.pending,
		counts: {
			add: count("add"),
			change: count("change"),
			remove: count("remove"),
			skip: skipped.length,
			operations: operations.length,
		},
		planHash: hashOf(operations),
		items: entries.slice(0, most).map(itemOf),
		skipped: skipped.slice(0, most),
		truncated: entries.length > most || skipped.length > most,
	};
}

interface Chunk {
	readonly ours: ReadonlyMap<MemoryKey, Version>;
	readonly theirs: ReadonlyMap<MemoryKey, Version>;
	readonly pending: ReadonlyMap<MemoryKey, Version>;
	readonly at: { readonly ours: AnsweredAt; readonly theirs: AnsweredAt };
	readonly vectors: ReadonlyMap<VersionId, Float32Array>;
}

class PlanDraft {
	readonly #request: PlanRequest;
	readonly #pending: AnsweredAt;
	readonly #entries: PlannedEntry[] = [];
	readonly #skipped: SkippedMemory[] = [];
	#bytes = 0;

	constructor(request: PlanRequest, pending: AnsweredAt) {
		this.#request = request;
		this.#pending = pending;
	}

	take(keys: readonly MemoryKey[], chunk: Chunk): void {
		for (const key of keys) {
			const pair = {
				ours: saidAt(chunk.ours.get(key), chunk.at.ours.height),
				theirs: saidAt(chunk.theirs.get(key), chunk.at.theirs.height),
			};
			const named = (pair.theirs ?? pair.ours)?.last;
			if (named === undefined || !differs(pair) || !this.#selects(pair)) continue;
			const present = saidAt(chunk.pending.get(key), this.#pending.height)?.visible;
			this.#plan({ named, pair, present, vectors: chunk.vectors });
		}
	}

	ended(): Pick<PartialPlan, "entries" | "skipped"> {
		return {
			entries: this.#entries.toSorted(byName),
			skipped: this.#skipped.toSorted(byName),
		};
	}

	#selects(pair: SaidPair): boolean {
		const { layers, collections } = this.#request.selection;
		return [pair.ours?.visible, pair.theirs?.visible].some(
			(version) =>
				version !== undefined &&
				(layers === undefined || layers.includes(version.layer)) &&
				(collections === undefined || collections.includes(version.collection ?? "")),
		);
	}

	#plan(memory: {
		readonly named: Version;
		readonly pair: SaidPair;
		readonly present: Version | undefined;
		readonly vectors: Chunk["vectors"];
	}): void {
		const { named, pair, present, vectors } = memory;
		if (this.#isHandlers(pair, present)) {
			this.#skip(named, "handler_owned", "the chain's handlers own it");
			return;
		}
		const { namespace, id } = named;
		const vectorOf = (version: Version) => givenVector(version, vectors);
		const wanted = this.#request.wanted({ namespace, id, pair, vectorOf });
		if (wanted.type === "vector_missing") {
			this.#skip(named, "vector_missing", "the vector that was given with it is not kept");
			return;
		}
		const at = { namespace, id, slot: this.#pending.height };
		const made = compensate(present, wanted.body, at);
		if (made.type === "expired") {
			const { expiresAtBlock } = made;
			this.#skip(named, "expired", `it ended at ${expiresAtBlock}, the pending slot is ${at.slot}`);
		} else if (made.type === "write") {
			const { change, operations } = made;
			const { body: after, fresh } = wanted;
			this.#add({ namespace, id, change, operations, before: present, after, fresh });
		}
	}

	/** Namespaces may have changed hands with the chain's file; whoever wrote a version still owns it. */
	#isHandlers({ ours, theirs }: SaidPair, present: Version | undefined): boolean {
		const versions = [ours?.last, theirs?.last, present];
		return versions.some(
			(version) =>
				version !== undefined &&
				(version.owner === "handler" || this.#request.handlers.includes(version.namespace)),
		);
	}

	#skip({ namespace, id, layer }: Version, reason: SkippedMemory["reason"], message: string): void {
		this.#skipped.push({ namespace, id, layer, reason, message });
	}

	#add(entry: PlannedEntry): void {
		this.#entries.push(entry);
		requireWithin("partialMemories", this.#entries.length, "memories would change");
		this.#bytes += entry.operations.reduce((sum, operation) => sum + sizeOf(operation), 0);
		requireWithin("partialBytes", this.#bytes, "bytes of operations would be written");
	}
}

async function readChunk(
	keys: readonly MemoryKey[],
	views: { readonly from: StateView; readonly to: StateView; readonly pending: StateView },
): Promise<Chunk> {
	const ours = await views.from.lastSaid(keys);
	const theirs = await views.to.lastSaid(keys);
	const pending = views.pending === views.from ? ours : await views.pending.lastSaid(keys);
	const given = [...ours.values(), ...theirs.values()].filter(
		(version) => version.vectorHash !== undefined,
	);
	const ids = [...new Set(given.map((version) => version.versionId))];
	const vectors = await views.from.vectors(ids);
	return { ours, theirs, pending, at: { ours: views.from.at, theirs: views.to.at }, vectors };
}

async function candidates(
	find: Parameters<Parameters<StateStore["compare"]>[2]>[0]["candidates"],
	namespaces: readonly string[] | undefined,
): Promise<readonly MemoryKey[]> {
	const limit = LIMITS.partialCompared + 1;
	const keys = await find({ after: undefined, namespaces, limit });
	requireWithin("partialCompared", keys.length, "memories changed in between, or more");
	return keys;
}

/** A vector that is not the one that was given is as good as none. */
function givenVector(
	{ versionId, vectorHash }: Version,
	vectors: ReadonlyMap<VersionId, Float32Array>,
): readonly number[] | undefined {
	const stored = vectorHash === undefined ? undefined : vectors.get(versionId);
	if (stored === undefined) return undefined;
	const vector = [...stored];
	return givenVectorHash(vector) === vectorHash ? vector : undefined;
}

function isPresent({ at, present }: StateView): boolean {
	return at.pending && at.generation === present.generation;
}

function requireWithin(
	limit: "partialMemories" | "partialBytes" | "partialCompared",
	value: number,
	what: string,
): void {
	const max = LIMITS[limit];
	if (value <= max) return;
	throw new FatalError("limit_exceeded", {
		message: `${value} ${what}; the limit is ${max}`,
		hint: "select fewer namespaces, layers or collections at a time, or coordinates that are closer",
		fields: { limit, value, max },
	});
}

function sizeOf(operation: Operation): number {
	return Buffer.byteLength(JSON.stringify(wireOf(operation)));
}

/** Names are unique, so this is one order, whatever the one in which memories were found. */
function byName(
	a: { readonly namespace: string; readonly id: string },
	b: { readonly namespace: string; readonly id: string },
): number {
	if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
	if (a.id === b.id) return 0;
	return a.id < b.id ? -1 : 1;
}

function itemOf({ namespace, id, change, before, after }: PlannedEntry) {
	return {
		namespace,
		id,
		change,
		before: before && {
			versionId: before.versionId,
			contentHash: before.contentHash,
			layer: before.layer,
			content: before.content ?? {},
		},
		after: after && {
			contentHash: bodyHash({ namespace, id }, after),
			layer: after.layer,
			content: after.content,
			text: after.text,
			vectorHash: after.vector && givenVectorHash(after.vector),
			collection: after.collection,
			importance: after.importance,
			confidence: after.confidence,
			expiresAtBlock: after.expiresAtBlock,
			expiresAtTime: after.expiresAtTime,
		},
	};
}

function hashOf(operations: readonly Operation[]): Hex {
	const hash = createHash("sha256").update("recant.partial-plan.v1\0");
	for (const operation of operations) hash.update(`${canonicalJson(wireOf(operation))}\n`);
	return `0x${hash.digest("hex")}`;
}

/** Without an id, which an operation gets only when it is taken in. */
function wireOf(operation: Operation) {
	const { operationId: _none, ...wire } = toWire({
		operationId: "" as OperationId,
		operation,
		anchors: NO_ANCHORS,
		sources: NO_SOURCES,
		policy: "recant",
	});
	return wire;
}
