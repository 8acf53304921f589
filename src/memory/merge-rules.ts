/**
 * What two coordinates say of one memory, and what a rule makes of it. Pure.
 *
 * A coordinate says something of a memory when anything was ever written to it there: the last writing
 * counts, a deletion like any other, and one that has ended by itself is gone but was written all the same.
 *
 * 1. `latest` is the writing with the later log position, whichever branch it stands on. A deletion wins
 *    over what was written before it, and loses against what was written after it.
 * 2. Equal positions are one and the same operation; then ours stays. A side of which nothing was said
 *    has no position and loses.
 */
import type { Height } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject, JsonValue } from "../domain/operation.ts";

export type Side = "ours" | "theirs";
export type SideChoice = Side | "latest";

export type SideRule =
	| { readonly kind: "latest" }
	| { readonly kind: "source"; readonly side: Side }
	| {
			readonly kind: "field";
			/** Top-level fields of the content. */
			readonly fields: Readonly<Record<string, SideChoice>>;
			/**
			 * For all other fields and for what stands beside the content; and for the memory as a whole where
			 * only one side has it.
			 */
			readonly otherwise: SideChoice;
	  };

export type MergeRule =
	| SideRule
	/** One of the chain's `merges`. */
	| { readonly kind: "function"; readonly name: string };

/** A version that is no tombstone. */
export type VisibleVersion = Version & { readonly content: JsonObject };

/** What one coordinate says of a memory. */
export interface Said {
	/** The last writing; a tombstone, or past its end, where `visible` is undefined. */
	readonly last: Version;
	readonly visible: VisibleVersion | undefined;
}

/** One memory at two coordinates; undefined: nothing was said there. */
export type SaidPair = Readonly<Record<Side, Said | undefined>>;

/** `last`: the row with the greatest `fromBlock` up to `height`, of the generation that is looked at. */
export function saidAt(last: Version | undefined, height: Height): Said | undefined {
	if (last === undefined) return undefined;
	return { last, visible: last.toBlock > height ? withContent(last) : undefined };
}

export function differs({ ours, theirs }: SaidPair): boolean {
	return ours?.visible?.contentHash !== theirs?.visible?.contentHash;
}

/** The side that was written later. */
export function laterSide({ ours, theirs }: SaidPair): Side {
	if (theirs === undefined) return "ours";
	return ours === undefined || theirs.last.position > ours.last.position ? "theirs" : "ours";
}

/**
 * What the memory says after the merge; undefined: it is not there. `contentHash` is still that of the
 * version from which the rest was taken.
 */
export function mergeBy(rule: SideRule, pair: SaidPair): VisibleVersion | undefined {
	const later = laterSide(pair);
	const of = (choice: SideChoice) => pair[choice === "latest" ? later : choice]?.visible;
	switch (rule.kind) {
		case "latest":
			return of("latest");
		case "source":
			return of(rule.side);
		case "field": {
			const rest = of(rule.otherwise);
			const both = pair.ours?.visible !== undefined && pair.theirs?.visible !== undefined;
			if (rest === undefined || !both) return rest;
			return {
				...rest,
				content: mixed(rest.content, rule.fields, (choice) => of(choice)?.content),
			};
		}
	}
}

/** A field that its side does not have is left out. Fields are defined, so `__proto__` stays data. */
function mixed(
	rest: JsonObject,
	fields: Readonly<Record<string, SideChoice>>,
	contentOf: (choice: SideChoice) => JsonObject | undefined,
): JsonObject {
	const kept = Object.entries(rest).filter(([name]) => !Object.hasOwn(fields, name));
	const chosen = Object.entries(fields).flatMap(([name, choice]): [string, JsonValue][] => {
		const value = own(contentOf(choice), name);
		return value === undefined ? [] : [[name, value]];
	});
	return Object.fromEntries([...kept, ...chosen]);
}

function own(content: JsonObject | undefined, name: string): JsonValue | undefined {
	return content !== undefined && Object.hasOwn(content, name) ? content[name] : undefined;
}

function withContent(version: Version): VisibleVersion | undefined {
	const { content } = version;
	return content === undefined ? undefined : { ...version, content };
}
