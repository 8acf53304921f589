/** What of a chain's handlers is another than what derived its state, part by part. Pure. */
import type { Hex } from "../domain/ids.ts";

/** As SpecPart: what can change by itself, and the only handler-owned namespaces that it reads and writes. */
export interface HandlerPart {
	readonly name: string;
	readonly hash: Hex;
	readonly namespaces: readonly string[];
}

/** Names of parts; `unknown`: what derived the state was not recorded in parts. */
export interface HandlerChanges {
	readonly added: readonly string[];
	readonly removed: readonly string[];
	readonly changed: readonly string[];
	readonly unknown: boolean;
}

/** What the handlers of one file share; it has no namespaces of its own. */
const SHARED = "code";

export function handlerChanges(
	before: readonly HandlerPart[] | undefined,
	now: readonly HandlerPart[],
): HandlerChanges {
	if (before === undefined) return { added: [], removed: [], changed: [], unknown: true };
	const old = new Map(before.map(({ name, hash }) => [name, hash]));
	const names = new Set(now.map(({ name }) => name));
	return {
		added: now.filter(({ name }) => !old.has(name)).map(({ name }) => name),
		removed: before.filter(({ name }) => !names.has(name)).map(({ name }) => name),
		changed: now
			.filter(({ name, hash }) => old.has(name) && old.get(name) !== hash)
			.map(({ name }) => name),
		unknown: false,
	};
}

/** Whether both derive the same: of one log's handlers the order counts as well. */
export function areSame(
	before: readonly HandlerPart[] | undefined,
	now: readonly HandlerPart[],
): boolean {
	return (
		before?.length === now.length &&
		before.every(({ name, hash }, index) => now[index]?.name === name && now[index].hash === hash)
	);
}

/** Parts that were added, and the namespaces that are theirs alone. */
export interface AddedParts {
	readonly names: ReadonlySet<string>;
	readonly namespaces: readonly string[];
}

/**
 * What was added, where nothing else is another and what was there neither reads nor writes a namespace of
 * what was added. Undefined: everything has to be derived anew.
 */
export function onlyAdded(
	before: readonly HandlerPart[] | undefined,
	now: readonly HandlerPart[],
): AddedParts | undefined {
	const { added, removed, changed, unknown } = handlerChanges(before, now);
	if (unknown || added.length === 0 || removed.length > 0 || changed.length > 0) return undefined;
	const names = new Set(added);
	// Of one log's handlers, those that were there must run in the order in which they ran.
	const kept = now.filter(({ name }) => !names.has(name));
	if (!areSame(before, kept)) return undefined;
	const namespaces = [
		...new Set(now.flatMap((part) => (names.has(part.name) ? part.namespaces : []))),
	];
	const others = new Set(
		(before ?? []).flatMap((part) => (part.name === SHARED ? [] : part.namespaces)),
	);
	return namespaces.some((each) => others.has(each)) ? undefined : { names, namespaces };
}

/** For people. */
export function changesText({ added, removed, changed, unknown }: HandlerChanges): string {
	if (unknown) return "which of them is not recorded";
	const kinds = Object.entries({ added, removed, changed }).filter(([, names]) => names.length > 0);
	if (kinds.length === 0) return "their order, or the code of the file";
	return kinds.map(([kind, names]) => `${kind}: ${names.join(", ")}`).join("; ");
}
