/** Draws what agents and blocks do in a provenance test, from what the reference model believes. */

import type { Hex } from "../../src/domain/ids.ts";
import { linkContent, linkId } from "../../src/domain/link.ts";
import {
	HANDLERS_NAMESPACE,
	type NodeBlock,
	type NodeTransaction,
	type NodeWrite,
} from "./memory-node.ts";
import type { Random } from "./random.ts";
import type { ModelLink } from "./reference-evaluation.ts";
import type { ModelSource } from "./reference-ground.ts";
import {
	allVisibleIn,
	type Happening,
	hashOf,
	type MemoryName,
	type Says,
	visibleIn,
} from "./reference-history.ts";
import type { ModelOperation, ReferenceModel } from "./reference-model.ts";

/** Memories of one layer each, so that few writes conflict. */
const LAYERS: Readonly<Record<string, string>> = {
	a: "short_term",
	b: "semantic",
	c: "semantic",
	d: "semantic",
	e: "long_term",
};
/** Keeps so many short-term memories only. */
export const SMALL = { namespace: "small", capacity: 2 } as const;
const SMALL_IDS = ["s1", "s2", "s3", "s4"];
const HANDLER_IDS = ["x", "y"];
const LINK_TYPES = ["isA", "isA", "partOf", "causedBy", "near"];
/** Of which a transaction that comes back has other effects. */
const OTHER_EFFECTS = 0.15;

type Parts = Pick<ModelOperation, "kind" | "namespace" | "id" | "says" | "patch" | "link">;
type Said = Happening & { readonly says: Says };

export class RandomOperations {
	readonly #random: Random;
	readonly #model: ReferenceModel;
	#transactions = 0;
	#said = 0;

	constructor(random: Random, model: ReferenceModel) {
		this.#random = random;
		this.#model = model;
	}

	/** A block's transactions: some of those that were orphaned, and new ones. */
	content(branch: readonly NodeBlock[], orphaned: readonly NodeTransaction[]): NodeTransaction[] {
		const random = this.#random;
		const mined = new Set(branch.flatMap((block) => block.transactions));
		const again = orphaned.filter(({ hash }) => !mined.has(hash) && random.chance(0.6));
		const fresh = Array.from({ length: random.between(0, 1) }, () => {
			this.#transactions += 1;
			const hash: Hex = `0x${(2 ** 40 + this.#transactions).toString(16).padStart(64, "0")}`;
			return { hash, writes: this.#writes() };
		});
		return [
			...again.map((each) =>
				random.chance(OTHER_EFFECTS) ? { ...each, writes: this.#writes() } : each,
			),
			...fresh,
		];
	}

	operation(operationId: string): ModelOperation {
		const random = this.#random;
		const isAction = random.chance(0.08);
		const parts = isAction ? this.#action() : this.#parts();
		const policies = ["recant", "recant", "recant", "recant", "flag", "keep"] as const;
		const anchors = random.chance(0.5) ? this.#anchors() : [];
		return {
			operationId,
			...parts,
			condition: random.chance(0.25) ? this.#condition(parts) : undefined,
			mode: anchors.length > 1 && random.chance(0.5) ? "any" : "all",
			anchors,
			sources: isAction || random.chance(0.45) ? this.#sources(parts.namespace) : [],
			onLoss: isAction ? "keep" : random.oneOf(policies),
			isAction,
		};
	}

	#parts(): Parts {
		const random = this.#random;
		const draw = random.next();
		if (draw < 0.12) return this.#linking();
		if (draw < 0.2) return this.#put("default", `event:${this.#count()}`, "episodic");
		if (draw < 0.35) return this.#put(SMALL.namespace, random.oneOf(SMALL_IDS), "short_term");
		const [id, layer] = random.oneOf(Object.entries(LAYERS));
		const name = { namespace: "default", id, link: undefined };
		if (draw < 0.42) return { kind: "delete", ...name, says: undefined, patch: undefined };
		if (draw < 0.6) {
			const content = { [`patch ${random.between(0, 2)}`]: random.between(0, 2) };
			return { kind: "patch", ...name, says: undefined, patch: { content } };
		}
		return this.#put("default", id, random.chance(0.95) ? layer : "semantic");
	}

	#put(namespace: string, id: string, layer: string): Parts {
		const random = this.#random;
		const draw = random.next();
		const byHeight = { expiresAtBlock: this.#model.pending + BigInt(random.between(1, 3)) };
		const byTime = { expiresAtTime: this.#model.head.timestamp + BigInt(random.between(1, 30)) };
		const ends = draw < 0.12 ? byHeight : draw < 0.27 ? byTime : {};
		const n = random.chance(0.5) ? random.between(0, 3) : this.#count();
		const says: Says = { layer, content: { n }, ...ends };
		return { kind: "put", namespace, id, says, patch: undefined, link: undefined };
	}

	#action(): Parts {
		const put = this.#put("default", `action:${this.#count()}`, "episodic");
		const { content } = put.says ?? { content: {} };
		return { ...put, says: { layer: "episodic", content: { ...content, kind: "action" } } };
	}

	/** A link between what is there, mostly; or the end of one. */
	#linking(): Parts {
		const random = this.#random;
		const visible = allVisibleIn(this.#model.history, this.#model.pending);
		const links = visible.filter(({ id }) => id.startsWith("@link:"));
		if (links.length > 0 && random.chance(0.3)) {
			const { namespace, id } = random.oneOf(links);
			const rest = { says: undefined, patch: undefined, link: undefined };
			return { kind: "delete", namespace, id, ...rest };
		}
		const back = this.#backwards();
		if (back.length > 0 && random.chance(0.6)) {
			return linkPut(random.oneOf(back), random.between(1, 3));
		}
		const ends = visible.filter(({ id }) => !id.startsWith("@link:"));
		const own = ends.filter(({ namespace }) => namespace === "default");
		const from = own.length === 0 ? { namespace: "default", id: "b" } : nameOnly(random.oneOf(own));
		const near = ends.filter(({ namespace }) =>
			["default", HANDLERS_NAMESPACE].includes(namespace),
		);
		const to = near.length === 0 ? { namespace: "default", id: "c" } : nameOnly(random.oneOf(near));
		return linkPut({ from, type: random.oneOf(LINK_TYPES), to }, random.between(1, 3));
	}

	/** Links that a fork took away, the other way round: if one comes back, it would close a circle. */
	#backwards(): readonly ModelLink[] {
		const said = this.#model.ended.flatMap(({ history }) => history);
		const links = new Map(
			said.flatMap((each) =>
				each.id.startsWith("@link:") && each.says !== undefined
					? [[each.id, each.says.content as unknown as ModelLink] as const]
					: [],
			),
		);
		const { history, pending } = this.#model;
		return [...links].flatMap(([id, { from, type, to }]) => {
			const isGone = visibleIn(history, { namespace: "default", id }, pending) === undefined;
			return isGone && to.namespace === "default" ? [{ from: to, type, to: from }] : [];
		});
	}

	#writes(): readonly NodeWrite[] {
		const random = this.#random;
		return Array.from({ length: random.between(0, 2) }, () => {
			const id = random.oneOf(HANDLER_IDS);
			if (random.chance(0.15)) return { id, says: undefined };
			return { id, says: { layer: "semantic", content: { n: random.between(0, 3) } } };
		});
	}

	#condition(name: MemoryName): ModelOperation["condition"] {
		const present = visibleIn(this.#model.history, name, this.#model.pending);
		const writer = present && this.#model.operationOf(present.order);
		if (writer === undefined) return { type: "absent" };
		return { type: "written_by", operationId: writer };
	}

	#anchors(): ModelOperation["anchors"] {
		const random = this.#random;
		const blocks = this.#model.chain.slice(-4);
		const transactions = blocks.flatMap((block) => [...block.effects.keys()]);
		return Array.from({ length: random.chance(0.3) ? 2 : 1 }, () =>
			transactions.length > 0 && random.chance(0.75)
				? { transaction: random.oneOf(transactions) }
				: { block: random.oneOf(blocks).hash },
		);
	}

	/** Sets of what was said once: lately rather than long ago, and now and then on another branch. */
	#sources(namespace: string): ModelOperation["sources"] {
		const random = this.#random;
		const elsewhere = random.chance(0.1) ? (this.#model.ended.at(-1)?.history ?? []) : [];
		const said = [...elsewhere, ...this.#model.history].filter(
			(each): each is Said =>
				each.says !== undefined && [namespace, HANDLERS_NAMESPACE].includes(each.namespace),
		);
		const lately = said.slice(-8);
		if (lately.length === 0) return [];
		const set = () => {
			const members = Array.from({ length: random.between(1, 2) }, () => random.oneOf(lately));
			return distinct(members.map(sourceOf));
		};
		return Array.from({ length: random.chance(0.4) ? 2 : 1 }, set);
	}

	#count(): number {
		this.#said += 1;
		return this.#said;
	}
}

/** The put that a link is. */
function linkPut(link: ModelLink, weight: number): Parts {
	return {
		kind: "put",
		namespace: link.from.namespace,
		id: linkId(link),
		says: { layer: "semantic", content: linkContent(link, weight, undefined) },
		patch: undefined,
		link,
	};
}

export function sourceOf({
	namespace,
	id,
	owner,
	says,
}: Pick<Said, "id" | "namespace" | "owner" | "says">): ModelSource {
	return { namespace, id, contentHash: hashOf({ namespace, id }, owner, says) };
}

function distinct(sources: readonly ModelSource[]): readonly ModelSource[] {
	return [...new Map(sources.map((each) => [JSON.stringify(each), each])).values()];
}

function nameOnly({ namespace, id }: MemoryName): MemoryName {
	return { namespace, id };
}
