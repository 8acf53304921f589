/** What one operation does in its slot, in the reference model, or why it can do nothing there. */
import {
	allVisibleIn,
	type Happening,
	type History,
	isOver,
	isSame,
	type Json,
	lastOf,
	type MemoryName,
	type Says,
	visibleIn,
} from "./reference-history.ts";

export interface ModelLink {
	readonly from: MemoryName;
	readonly type: string;
	readonly to: MemoryName;
}

/** `content` is merged, where null takes a field away; the rest replaces what was said. */
export interface ModelPatch extends Pick<Says, "text" | "importance" | "confidence"> {
	readonly content: Readonly<Record<string, Json>>;
}

/** The change that an operation asks for; a link is a memory of its own. */
export interface ModelChange extends MemoryName {
	readonly kind: "put" | "patch" | "delete";
	/** Of a put. */
	readonly says: Says | undefined;
	readonly patch: ModelPatch | undefined;
	readonly condition:
		| undefined
		| { readonly type: "absent" }
		/** What that operation wrote, in whatever generation; by order of first writing. */
		| { readonly type: "written_by"; readonly order: number };
	/** Of the put that a link is. */
	readonly link: ModelLink | undefined;
}

export type Outcome =
	/** `says` undefined: it ends what is there. */
	| { readonly type: "writes"; readonly says: Says | undefined }
	/** It had expired before its slot, and nothing was there. */
	| { readonly type: "nothing" }
	| { readonly type: "fails"; readonly why: string };

const ACYCLIC = ["isA", "partOf", "causedBy"];

/** `admitted`: it was applied once before, so a link needs no ends any more: it holds while it has them. */
export function outcomeOf(
	change: ModelChange,
	{ order, admitted }: { readonly order: number; readonly admitted: boolean },
	history: History,
	/** `time`: of the block before the slot. */
	{ slot, time }: { readonly slot: bigint; readonly time: bigint },
): Outcome {
	const last = lastOf(history, change);
	if (last !== undefined && last.order > order) return fails("overwritten_later");
	const present = visibleIn(history, change, slot);
	if (!isMet(change.condition, present)) return fails("condition");
	const why =
		change.link &&
		((admitted ? undefined : endProblem(change.link, history, slot)) ??
			circleProblem(change, change.link, history, slot));
	if (why !== undefined) return fails(why);
	switch (change.kind) {
		case "put":
			return put(change, present, isOver(change.says, slot) || hasEnded(change.says, time));
		case "patch":
			return patch(change, present);
		case "delete":
			return present === undefined
				? fails("memory_not_found")
				: { type: "writes", says: undefined };
	}
}

function hasEnded(says: Says | undefined, time: bigint): boolean {
	return says?.expiresAtTime !== undefined && says.expiresAtTime <= time;
}

function put(change: ModelChange, present: Happening | undefined, isEnded: boolean): Outcome {
	const { says } = change;
	if (says === undefined) throw new TypeError("a put says something");
	if (present?.says !== undefined && present.says.layer !== says.layer) {
		return fails("layer_conflict");
	}
	if (present !== undefined && says.layer === "episodic") return fails("append_only");
	if (!isEnded) return { type: "writes", says };
	return present === undefined ? { type: "nothing" } : { type: "writes", says: undefined };
}

function patch({ patch: changes }: ModelChange, present: Happening | undefined): Outcome {
	if (present?.says === undefined) return fails("memory_not_found");
	if (present.says.layer === "episodic") return fails("append_only");
	const { content: merged = {}, ...others } = changes ?? {};
	const fields = Object.entries({ ...present.says.content, ...merged });
	const content = Object.fromEntries(fields.filter(([, value]) => value !== null));
	const given = Object.entries(others).filter(([, value]) => value !== undefined);
	return {
		type: "writes",
		says: { ...present.says, ...Object.fromEntries(given), content },
	};
}

function isMet(condition: ModelChange["condition"], present: Happening | undefined): boolean {
	if (condition === undefined) return true;
	if (condition.type === "absent") return present === undefined;
	return present?.order === condition.order;
}

function endProblem(
	{ from, type, to }: ModelLink,
	history: History,
	slot: bigint,
): string | undefined {
	const [start, end] = [visibleIn(history, from, slot), visibleIn(history, to, slot)];
	if (start === undefined || end === undefined) return "link_end_missing";
	const layers = [start.says.layer, end.says.layer];
	if (type === "causedBy" && layers[0] !== "episodic") return "link_invalid";
	const isHierarchy = ["isA", "partOf"].includes(type);
	return isHierarchy && layers.some((layer) => layer !== "semantic") ? "link_invalid" : undefined;
}

function circleProblem(
	self: MemoryName,
	{ from, type, to }: ModelLink,
	history: History,
	slot: bigint,
): string | undefined {
	if (!ACYCLIC.includes(type)) return undefined;
	const others = linksOf(type, history, slot).filter((link) => !isSame(link.memory, self));
	return reaches(to, from, others) ? "link_cycle" : undefined;
}

/** Whether or not their ends are there: an end may come back. */
function linksOf(type: string, history: History, slot: bigint) {
	return allVisibleIn(history, slot).flatMap(({ namespace, id, says }) => {
		const { content } = says;
		const isLink = id.startsWith("@link:") && content["type"] === type;
		if (!isLink) return [];
		const [from, to] = [content["from"], content["to"]] as unknown as MemoryName[];
		return from === undefined || to === undefined ? [] : [{ memory: { namespace, id }, from, to }];
	});
}

function reaches(
	from: MemoryName,
	to: MemoryName,
	links: readonly { readonly from: MemoryName; readonly to: MemoryName }[],
): boolean {
	const seen: MemoryName[] = [from];
	for (const at of seen) {
		if (isSame(at, to)) return true;
		for (const link of links) {
			if (isSame(link.from, at) && !seen.some((each) => isSame(each, link.to))) {
				seen.push(link.to);
			}
		}
	}
	return false;
}

function fails(why: string): Outcome {
	return { type: "fails", why };
}
