/**
 * The event stream as one caller may see it. Entries about a memory are told to those who may read its
 * namespace; entries about the chain are told to everybody, with the fields that say nothing of anybody's
 * memories; all others are told to nobody but operators.
 */
import { type Caller, sees } from "../../domain/caller.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type { EventView } from "../recant-service.ts";

/** Of every entry of the log. */
const PLACE = ["generation", "height"];
/** What everybody may know, by type; how many memories or operations were touched is not among it. */
const OF_THE_CHAIN: Readonly<Record<string, readonly string[]>> = {
	block: ["hash", "parentHash", "timestamp"],
	derived: ["from", "to", "hash"],
	finality: ["safe", "finalized"],
	halt: ["code"],
	rollback: ["rollbackId", "cause", "ancestor", "from", "to"],
	rollback_progress: ["rollbackId", "cause", "stage", "stageMs"],
};

/** The event as the caller may see it; undefined: not at all. */
export function visibleEvent(event: EventView, caller: Caller): EventView | undefined {
	if (caller.namespaces === undefined) return event;
	const { namespace } = event.data;
	if (typeof namespace === "string") return sees(caller, namespace) ? event : undefined;
	const fields = Object.hasOwn(OF_THE_CHAIN, event.type) ? OF_THE_CHAIN[event.type] : undefined;
	return fields && { ...event, data: only(event.data, [...PLACE, ...fields]) };
}

function only(data: JsonObject, fields: readonly string[]): JsonObject {
	return Object.fromEntries(Object.entries(data).filter(([field]) => fields.includes(field)));
}
