/**
 * Conclusions for a rollback to judge: half of them in chains, half in fans, each with a source that a fork
 * takes away or leaves. The plain ones say the same and rest on nothing.
 */
import type { Hex } from "../src/domain/ids.ts";
import type { JsonObject, MemoryBody } from "../src/domain/operation.ts";
import { NO_SOURCES, type SourceRef, type Sources } from "../src/domain/provenance.ts";
import { bodyHash } from "../src/memory/compensation.ts";
import { ANCHORED_TO_NOTHING } from "../src/service/writing/anchor-lookup.ts";
import type { OperationRequest } from "../src/service/writing/operation-request.ts";

/** Each conclusion of a chain rests on the one before it. */
export const CHAIN_DEPTH = 10;
/** A fan: one conclusion, and the others of as many that each rest on it and on something else. */
export const FAN_WIDTH = 100;
/** Of ten chains and of ten fans the first loses what it rests on. */
export const ONE_IN = 10;

/** What conclusions may rest on. */
export interface Sourced {
	/** No fork reaches them: agents' memories and handlers'. */
	readonly standing: readonly SourceRef[];
	/** Handlers' memories of the orphaned range. */
	readonly orphaned: readonly SourceRef[];
}

const NAMESPACE = "default";

/** `count` puts in an order in which every source comes before what rests on it. */
export function conclusions(
	count: number,
	round: string,
	sourced: Sourced | undefined,
): readonly OperationRequest[] {
	const maker = new Maker(round, sourced);
	const half = count / 2;
	for (let chain = 0; chain < half / CHAIN_DEPTH; chain += 1) {
		let last = maker.root(chain);
		for (let depth = 0; depth < CHAIN_DEPTH; depth += 1) last = maker.put(last && [[last]]);
	}
	for (let fan = 0; fan < half / FAN_WIDTH; fan += 1) {
		const root = maker.root(fan);
		const hub = maker.put(root && [[root]]);
		for (let spoke = 1; spoke < FAN_WIDTH; spoke += 1) {
			const beside = maker.standing(spoke);
			maker.put(hub && beside && [[hub, beside]]);
		}
	}
	return maker.made;
}

class Maker {
	readonly made: OperationRequest[] = [];
	readonly #round: string;
	readonly #sourced: Sourced | undefined;

	constructor(round: string, sourced: Sourced | undefined) {
		this.#round = round;
		this.#sourced = sourced;
	}

	/** What the given chain or fan rests on. */
	root(index: number): SourceRef | undefined {
		if (index % ONE_IN !== 0) return this.standing(index);
		const { orphaned = [] } = this.#sourced ?? {};
		return orphaned[(index / ONE_IN) % orphaned.length];
	}

	standing(index: number): SourceRef | undefined {
		const { standing = [] } = this.#sourced ?? {};
		return standing[index % standing.length];
	}

	/** Answers it as a source for others; undefined for a plain one. */
	put(sources: Sources | undefined): SourceRef | undefined {
		const index = this.made.length;
		const id = `conclusion:${this.#round}:${index}`;
		const content = {
			round: this.#round,
			index,
			says: `report ${index % 97} agrees with the last`,
		};
		this.made.push(putOf(id, content, sources ?? NO_SOURCES));
		if (sources === undefined) return undefined;
		return { namespace: NAMESPACE, id, contentHash: hashOf(id, content) };
	}
}

const WITHOUT = {
	text: undefined,
	vector: undefined,
	collection: undefined,
	importance: undefined,
	confidence: undefined,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
} as const;

function putOf(id: string, content: JsonObject, derivedFrom: Sources): OperationRequest {
	return {
		...{ kind: "put", namespace: NAMESPACE, id, layer: "semantic", content, ...WITHOUT },
		...{ anchors: ANCHORED_TO_NOTHING, derivedFrom, onLoss: undefined },
		...{ ifVersion: undefined, causedBy: [] },
	};
}

function hashOf(id: string, content: JsonObject): Hex {
	const body: MemoryBody = { layer: "semantic", content, ...WITHOUT };
	return bodyHash({ namespace: NAMESPACE, id }, body);
}
