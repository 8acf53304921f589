/**
 * The hash of what a chain's handlers derive, as a whole and in parts. The whole covers the file's code, byte
 * for byte. A part covers one handler: its own code and the settings of its contract. `code` covers what the
 * file's handlers share: everything but imports and the arguments of `defineChain`. What a file imports is in
 * none of them.
 */
import { createHash } from "node:crypto";
import type { Height, Hex } from "../domain/ids.ts";
import type { TopicArgs } from "../follower/chain-source.ts";
import type { ContractSpec, IntervalSpec, SpecPart } from "../follower/chain-spec.ts";
import type { ChainDefinition, FactoryDefinition } from "../follower/define-chain.ts";
import { settingsText } from "./contract-specs.ts";
import { eventsNamed } from "./event-handlers.ts";

interface Specs {
	readonly contracts: readonly ContractSpec[];
	readonly intervals: readonly IntervalSpec[];
	readonly startBlock: Height;
	readonly namespaces: readonly string[];
}

/** One handler: what it is told by, and its own code. */
interface HandlerText {
	readonly name: string;
	readonly settings: string;
	readonly code: string;
	readonly namespaces: readonly string[];
}

/**
 * Of the file's code, byte for byte, and of every handler's settings. Not of the handlers' own text: the code
 * has it already, and how its types are stripped is Node's affair.
 */
export function specHash(code: Uint8Array, chain: ChainDefinition, specs: Specs): Hex {
	const settings = handlerTexts(chain, specs).map((each) => [each.name, each.settings]);
	return sha256(code, JSON.stringify([`${specs.startBlock}`, specs.namespaces, settings]));
}

export function specParts(
	code: Uint8Array,
	chain: ChainDefinition,
	specs: Specs,
): readonly SpecPart[] {
	const parts = handlerTexts(chain, specs).map(({ name, settings, code: own, namespaces }) => ({
		name,
		hash: sha256(settings, own),
		namespaces,
	}));
	const shared = { name: "code", hash: sha256(sharedCode(code)), namespaces: specs.namespaces };
	return [...parts, shared];
}

function handlerTexts(
	chain: ChainDefinition,
	{ contracts, intervals }: Specs,
): readonly HandlerText[] {
	return [
		...contracts.flatMap((contract) => eventTexts(chain, contract)),
		...intervals.map(({ name, interval, startBlock, endBlock, namespaces, run }) => ({
			name,
			settings: `${interval} ${startBlock} ${endBlock} ${namespaces.join()}`,
			code: source(run),
			namespaces,
		})),
	];
}

/** One for each handler; a name that stands for several overloads is one. */
function eventTexts(chain: ChainDefinition, contract: ContractSpec): readonly HandlerText[] {
	const { factory } = contract;
	const definition = chain.contracts[contract.name];
	const own = [settingsText(contract), factoryText(definition?.factory)];
	const namespaces = [
		...contract.namespaces,
		...(factory === undefined ? [] : [factory.namespace]),
	];
	const byName = Map.groupBy(contract.events, ({ handler }) => handler.name);
	return [...byName].map(([name, events]) => {
		const key = name.slice(contract.name.length + 1);
		const items = definition === undefined ? [] : eventsNamed(definition.abi, key);
		const filters = events.map((event) => [event.topic, event.filters.map(withoutHoles)]);
		const code = events.map(({ handler }) => source(handler.run)).join();
		return { name, settings: JSON.stringify([...own, items, filters]), code, namespaces };
	});
}

/** What decides which contracts it makes, beside its addresses. */
function factoryText(factory: FactoryDefinition | undefined): string {
	if (factory === undefined) return "";
	return JSON.stringify([factory.parameter, eventsNamed(factory.abi, factory.event)]);
}

function withoutHoles(filter: TopicArgs) {
	return filter.map((values) => values ?? null);
}

// biome-ignore lint/complexity/noBannedTypes: only its text is read
function source(run: Function): string {
	return withoutGaps(run.toString());
}

/** Where types stood, Node leaves blanks; how many says nothing. */
function withoutGaps(text: string): string {
	return text.replace(/\s+/g, " ").trim();
}

/** Without imports and without the arguments of `defineChain`; the whole where these cannot be told. */
function sharedCode(code: Uint8Array): string {
	const text = Buffer.from(code).toString();
	const start = text.indexOf("defineChain(");
	const end = start === -1 ? undefined : closingOf(text, start + "defineChain".length);
	if (end === undefined) return text;
	const rest = `${text.slice(0, start)}${text.slice(end)}`;
	return withoutGaps(rest.replace(/^\s*import\b[^;]*;/gm, ""));
}

/** Behind the parenthesis that closes the one at `open`; undefined: it cannot be told. */
function closingOf(text: string, open: number): number | undefined {
	let depth = 0;
	for (let at = open; at < text.length; at += 1) {
		const skipped = endOfText(text, at);
		if (skipped !== undefined) at = skipped;
		else if (text[at] === "(") depth += 1;
		else if (text[at] === ")") {
			depth -= 1;
			if (depth === 0) return at + 1;
		}
	}
	return undefined;
}

/** Last place of the string or comment that begins here; undefined: none does. */
function endOfText(text: string, at: number): number | undefined {
	const quoted =
		/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/)/y;
	quoted.lastIndex = at;
	return quoted.test(text) ? quoted.lastIndex - 1 : undefined;
}

function sha256(...parts: readonly (string | Uint8Array)[]): Hex {
	const hash = createHash("sha256");
	for (const part of parts) hash.update(part).update("\u0000");
	return `0x${hash.digest("hex")}`;
}
