/**
 * The hash of what a chain's handlers derive, as a whole and in parts. The whole covers the file's code, byte
 * for byte. A part covers one handler: its own code and the settings of its contract. `code` covers what the
 * file's handlers share: everything but imports and the arguments of `defineChain`. What a file imports is in
 * none of them.
 */
import { createHash } from "node:crypto";
import type { Height, Hex } from "../domain/ids.ts";
import type { ContractSpec, IntervalSpec, SpecPart } from "../follower/chain-spec.ts";
import type { ChainDefinition } from "../follower/define-chain.ts";
import { settingsText } from "./contract-specs.ts";
import { eventsNamed } from "./event-handlers.ts";

interface Specs {
	readonly contracts: readonly ContractSpec[];
	readonly intervals: readonly IntervalSpec[];
	readonly startBlock: Height;
	readonly namespaces: readonly string[];
}

/** `code` is the file's. */
export function specHash(code: Uint8Array, specs: Specs, parts: readonly SpecPart[]): Hex {
	const settings = [
		`${specs.startBlock}`,
		specs.namespaces,
		parts.map(({ name, hash }) => [name, hash]),
	];
	return sha256(code, JSON.stringify(settings));
}

export function specParts(
	code: Uint8Array,
	chain: ChainDefinition,
	specs: Specs,
): readonly SpecPart[] {
	const ofEvents = specs.contracts.flatMap((contract) => {
		const definition = chain.contracts[contract.name];
		const namespaces = [
			...contract.namespaces,
			...(contract.factory === undefined ? [] : [contract.factory.namespace]),
		];
		const handlers = new Map<string, string[]>();
		for (const { handler, filters, topic } of contract.events) {
			const key = handler.name.slice(contract.name.length + 1);
			const items = definition === undefined ? [] : eventsNamed(definition.abi, key);
			const text = [
				topic,
				filters.map((filter) => filter.map((each) => each ?? null)),
				items,
				source(handler.run),
			];
			handlers.set(handler.name, [...(handlers.get(handler.name) ?? []), JSON.stringify(text)]);
		}
		return [...handlers].map(([name, texts]) => ({
			name,
			hash: sha256(settingsText(contract), ...texts),
			namespaces,
		}));
	});
	const ofBlocks = specs.intervals.map(
		({ name, interval, startBlock, endBlock, namespaces, run }) => ({
			name,
			hash: sha256(`${interval} ${startBlock} ${endBlock} ${namespaces.join()}`, source(run)),
			namespaces,
		}),
	);
	const shared = { name: "code", hash: sha256(sharedCode(code)), namespaces: specs.namespaces };
	return [...ofEvents, ...ofBlocks, shared];
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
