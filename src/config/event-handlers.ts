/** A contract's ABI and its handlers' names as events: which topics, how they are decoded, what filters ask for. */
import {
	type AbiEvent,
	decodeEventLog,
	encodeEventTopics,
	toEventSelector,
	toEventSignature,
} from "viem";
import type { FatalError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { TopicArgs } from "../follower/chain-source.ts";
import type { EventHandler } from "../follower/chain-spec.ts";
import type { ContractDefinition } from "../follower/define-chain.ts";
import { wordDecoder } from "./event-decoder.ts";

/** Makes the error that names the file. */
export type Invalid = (problem: string) => FatalError;

/** The events of an ABI that a key means: one by its signature, by its name every overload. */
export function eventsNamed(abi: ContractDefinition["abi"], key: string): readonly AbiEvent[] {
	const events = abi.filter((item) => item.type === "event");
	const exact = events.filter((item) => toEventSignature(item) === key);
	return exact.length > 0 ? exact : events.filter(({ name }) => name === key);
}

/** Events with one topic 0, which may differ in what they index. */
export interface TopicEvents {
	readonly topic: Hex;
	readonly items: readonly AbiEvent[];
}

export function byTopic(events: readonly AbiEvent[]): readonly TopicEvents[] {
	const topics = new Map<Hex, AbiEvent[]>();
	for (const item of events) {
		if (item.anonymous === true) continue;
		const topic = toEventSelector(item);
		topics.set(topic, [...(topics.get(topic) ?? []), item]);
	}
	return [...topics].map(([topic, items]) => ({ topic, items }));
}

/** By the first of the events that the log fits. */
export function decoderOf(items: readonly AbiEvent[]): EventHandler["decode"] {
	const events = items.map((item) => ({
		item,
		topic: toEventSelector(item),
		words: wordDecoder(item),
	}));
	return ({ topics, data }) => {
		const [signature, ...indexed] = topics;
		if (signature === undefined) return undefined;
		for (const { item, topic, words } of events) {
			const plain = signature === topic ? words?.(topics, data) : undefined;
			const args = plain ?? decoded(item, [signature, ...indexed], data);
			if (args !== undefined) return args;
		}
		return undefined;
	};
}

function decoded(item: AbiEvent, topics: [Hex, ...Hex[]], data: Hex): unknown {
	try {
		return decodeEventLog({ abi: [item], topics, data }).args ?? {};
	} catch (error) {
		// The same signature with other indexed fields is another event; viem says so by throwing.
		if (error instanceof Error && error.name.startsWith("Decode")) return undefined;
		throw error;
	}
}

/** What `filter` asks of one event's topics 1 to 3, any of them; nothing, where it does not name the event. */
export function filtersOf(
	contract: ContractDefinition,
	item: AbiEvent,
	invalid: Invalid,
): readonly TopicArgs[] {
	const filter = contract.filter ?? {};
	const given = filter[toEventSignature(item)] ?? filter[item.name];
	// The form was checked by chain-schema.ts.
	const filters = (given === undefined ? [] : [given].flat()) as {
		readonly args: object;
	}[];
	if (filters.length === 0) return [[]];
	if (filters.length > LIMITS.eventFilterAlternatives) {
		throw invalid(
			`filter.${item.name}: ${filters.length} filters, at most ${LIMITS.eventFilterAlternatives}`,
		);
	}
	return filters.map(({ args }) => topicsOf(item, args, invalid));
}

function topicsOf(item: AbiEvent, args: object, invalid: Invalid): TopicArgs {
	const indexed = item.inputs.filter((input) => input.indexed === true);
	const known = new Set(indexed.map(({ name }) => name));
	const unknown = Array.isArray(args) ? [] : Object.keys(args).filter((name) => !known.has(name));
	if (unknown.length > 0) {
		throw invalid(`filter.${item.name}: ${unknown.join(", ")} is no indexed argument of the event`);
	}
	try {
		const given = args as Record<string, unknown>;
		const [, ...topics] = encodeEventTopics({ abi: [item], eventName: item.name, args: given });
		const asked = topics.findLastIndex((topic) => topic !== null) + 1;
		return topics
			.slice(0, asked)
			.map((topic) => (topic === null ? undefined : [topic].flat().map(lowerCase)));
	} catch (error) {
		throw invalid(`filter.${item.name}: ${error instanceof Error ? error.message : String(error)}`);
	}
}

function lowerCase(hex: Hex): Hex {
	return `0x${hex.slice(2).toLowerCase()}`;
}
