/**
 * Links as one commit sees them: whether a new one joins two memories that are there, and closes no
 * circle. Links that may be on the way are told beforehand, whether or not they hold; which of them hold
 * in a slot, their versions say.
 */
import type { Height, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { ACYCLIC_TYPES, CAUSE_TYPE, HIERARCHY_TYPES, linkId } from "../domain/link.ts";
import type { LinkEnd } from "../domain/link-name.ts";
import type { Version } from "../domain/memory.ts";
import type { LinkOperation } from "../domain/operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { LinkEdge } from "./writer-store.ts";

export interface LinkProblem {
	readonly type: "fail";
	readonly code: "limit_exceeded" | "link_cycle" | "link_end_missing" | "link_invalid";
	readonly message: string;
	readonly fields: Readonly<Record<string, string | number>>;
}

type Look = (key: MemoryKey) => Version | undefined;

export class LinkGraph {
	/** By type and first end. */
	readonly #edges = new Map<string, Map<MemoryKey, LinkEdge>>();
	/** By namespace and type: there are more than were told. */
	readonly #cut = new Set<string>();
	readonly #visible: (key: MemoryKey, slot: Height) => Version | undefined;

	constructor(visible: (key: MemoryKey, slot: Height) => Version | undefined) {
		this.#visible = visible;
	}

	learn(edges: readonly LinkEdge[]): void {
		for (const edge of edges) this.#keep(edge);
	}

	/** There are more links of a namespace and a type on the way than were told. */
	cut(namespace: string, type: string): void {
		this.#cut.add(JSON.stringify([namespace, type]));
	}

	/** A link that was written, or is about to be. */
	add(operation: LinkOperation): void {
		if (ACYCLIC_TYPES.includes(operation.link.type)) this.#keep(edgeOf(operation));
	}

	/** Why the link cannot be written in that slot; `look` answers what is visible of a memory. */
	problem(operation: LinkOperation, slot: Height, look?: Look): LinkProblem | undefined {
		const at = look ?? ((key) => this.#visible(key, slot));
		const { from, to } = operation.link;
		const ends = { from: at(keyOf(from)), to: at(keyOf(to)) };
		if (ends.from === undefined) return missing(operation, from);
		if (ends.to === undefined) return missing(operation, to);
		const misplaced = layerProblem(operation, { from: ends.from, to: ends.to });
		if (misplaced !== undefined) return misplaced;
		const isCut = this.#cut.has(JSON.stringify([operation.namespace, operation.link.type]));
		return isCut ? tooMany(operation) : this.circle(operation, slot, look);
	}

	/**
	 * Why it would close a circle. A link that was admitted before needs no more than this: whether its ends
	 * are there now does not matter, since it holds only while they are. Nor is it lost for their number.
	 */
	circle(operation: LinkOperation, slot: Height, look?: Look): LinkProblem | undefined {
		const at = look ?? ((key) => this.#visible(key, slot));
		const { from, to, type } = operation.link;
		if (!ACYCLIC_TYPES.includes(type)) return undefined;
		return this.#reaches({ from: keyOf(to), to: keyOf(from), type }, at)
			? closed(operation)
			: undefined;
	}

	#keep(edge: LinkEdge): void {
		const key = `${edge.type}:${edge.fromKey}`;
		const edges = this.#edges.get(key) ?? new Map<MemoryKey, LinkEdge>();
		edges.set(edge.linkKey, edge);
		this.#edges.set(key, edges);
	}

	/** Along links that hold; each memory is passed once. */
	#reaches(
		way: { readonly from: MemoryKey; readonly to: MemoryKey; readonly type: string },
		at: Look,
	): boolean {
		const seen = new Set([way.from]);
		const open = [way.from];
		for (let key = open.pop(); key !== undefined; key = open.pop()) {
			if (key === way.to) return true;
			for (const edge of this.#edges.get(`${way.type}:${key}`)?.values() ?? []) {
				if (seen.has(edge.toKey) || at(edge.linkKey) === undefined) continue;
				seen.add(edge.toKey);
				open.push(edge.toKey);
			}
		}
		return false;
	}
}

export function edgeOf({ namespace, id, link }: LinkOperation): LinkEdge {
	return {
		linkKey: memoryKey(namespace, id),
		fromKey: keyOf(link.from),
		toKey: keyOf(link.to),
		type: link.type,
	};
}

/** Both ends of a link, and the link itself. */
export function keysOfLink({ namespace, link }: Pick<LinkOperation, "namespace" | "link">) {
	return [memoryKey(namespace, linkId(link)), keyOf(link.from), keyOf(link.to)];
}

function layerProblem(
	operation: LinkOperation,
	ends: { readonly from: Version; readonly to: Version },
): LinkProblem | undefined {
	const { type } = operation.link;
	if (HIERARCHY_TYPES.includes(type)) {
		const odd = [ends.from, ends.to].find(({ layer }) => layer !== "semantic");
		return (
			odd && invalid(operation, `${type} joins semantic memories; "${odd.id}" is ${odd.layer}`)
		);
	}
	if (type !== CAUSE_TYPE || ends.from.layer === "episodic") return undefined;
	return invalid(
		operation,
		`${type} begins at an episode; "${ends.from.id}" is ${ends.from.layer}`,
	);
}

function keyOf({ namespace, id }: LinkEnd): MemoryKey {
	return memoryKey(namespace, id);
}

function missing(operation: LinkOperation, end: LinkEnd): LinkProblem {
	return {
		type: "fail",
		code: "link_end_missing",
		message: `${name(operation)} needs "${end.id}" of namespace "${end.namespace}", which is not there`,
		fields: { ...fields(operation), missing: end.id, missingNamespace: end.namespace },
	};
}

function invalid(operation: LinkOperation, why: string): LinkProblem {
	return {
		type: "fail",
		code: "link_invalid",
		message: `${name(operation)}: ${why}`,
		fields: fields(operation),
	};
}

function closed(operation: LinkOperation): LinkProblem {
	return {
		type: "fail",
		code: "link_cycle",
		message: `${name(operation)} would close a circle`,
		fields: fields(operation),
	};
}

function tooMany(operation: LinkOperation): LinkProblem {
	return {
		type: "fail",
		code: "limit_exceeded",
		message: `${name(operation)}: more than ${LIMITS.linkWalk} links lead on from it, so circles cannot be ruled out`,
		fields: { ...fields(operation), limit: "linkWalk", max: LIMITS.linkWalk },
	};
}

function name({ link }: LinkOperation): string {
	return `the link ${link.type} from "${link.from.id}" to "${link.to.id}"`;
}

function fields({ link }: LinkOperation): Readonly<Record<string, string>> {
	return { from: link.from.id, type: link.type, to: link.to.id };
}
