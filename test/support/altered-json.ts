/**
 * Every small way to alter a JSON document: each character of each text, each number and truth, each
 * field and entry taken out, one put in, each value made another type.
 */
export interface Alteration {
	/** Names and indexes from the top on. */
	readonly path: readonly (string | number)[];
	readonly what: string;
	readonly altered: unknown;
}

type Change = Omit<Alteration, "path"> & { readonly below?: readonly (string | number)[] };

export function* alterations(value: unknown): Generator<Alteration> {
	for (const { below = [], ...change } of changesOf(value)) yield { ...change, path: below };
}

function* changesOf(value: unknown): Generator<Change> {
	yield { what: "made null", altered: value === null ? 0 : null };
	if (typeof value === "string") yield* changedTexts(value);
	if (typeof value === "number") yield* [value + 1, -value - 1, `${value}`].map(changedTo);
	if (typeof value === "boolean") yield changedTo(!value);
	if (Array.isArray(value)) yield* changedLists(value);
	else if (typeof value === "object" && value !== null) yield* changedObjects(value);
}

function changedTo(altered: unknown): Change {
	return { what: `changed to ${JSON.stringify(altered)}`, altered };
}

/** A digit becomes another digit, so that nothing but the value is wrong. */
function* changedTexts(text: string): Generator<Change> {
	for (let at = 0; at < text.length; at++) {
		const other = text[at] === "1" ? "2" : "1";
		yield changedTo(text.slice(0, at) + other + text.slice(at + 1));
		yield changedTo(text.slice(0, at) + text.slice(at + 1));
	}
	yield changedTo(`${text}0`);
	yield changedTo(` ${text}`);
	if (text.toUpperCase() !== text) yield changedTo(text.toUpperCase());
}

function* changedLists(list: readonly unknown[]): Generator<Change> {
	yield { what: "an entry more", altered: [...list, list.at(-1) ?? null] };
	for (const [at, item] of list.entries()) {
		yield { what: `without entry ${at}`, altered: list.toSpliced(at, 1) };
		for (const { below = [], what, altered } of changesOf(item)) {
			yield { below: [at, ...below], what, altered: list.with(at, altered) };
		}
	}
}

function* changedObjects(object: object): Generator<Change> {
	yield { what: "a field more", altered: { ...object, more: 1 } };
	for (const [name, item] of Object.entries(object)) {
		const { [name]: _, ...rest } = object as Readonly<Record<string, unknown>>;
		yield { what: `without ${name}`, altered: rest };
		for (const { below = [], what, altered } of changesOf(item)) {
			yield { below: [name, ...below], what, altered: { ...object, [name]: altered } };
		}
	}
}
