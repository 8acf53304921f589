/**
 * Ids of the event stream: `chain:position` of every subscribed chain, joined by commas, so that one
 * Last-Event-ID resumes all of them.
 */
import { FatalError } from "../domain/errors.ts";
import { type ChainId, FOREVER, type LogPosition } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";

export type EventPositions = ReadonlyMap<ChainId, LogPosition>;

const PART = /^([1-9][0-9]{0,15}):(0|[1-9][0-9]{0,18})$/;

export function formatEventId(positions: EventPositions): string {
	return [...positions].map(([chainId, position]) => `${chainId}:${position}`).join(",");
}

/** Throws `cursor_invalid`. */
export function parseEventId(id: string): EventPositions {
	const parts = id.split(",", LIMITS.eventFilters + 1);
	if (parts.length > LIMITS.eventFilters) throw invalidId(id, "it names too many chains");
	return new Map(parts.map((part) => parsePart(id, part.trim())));
}

function parsePart(id: string, part: string): [ChainId, LogPosition] {
	const match = PART.exec(part);
	if (match === null) throw invalidId(id, "it is not chain:position, joined by commas");
	const chainId = Number(match[1]);
	const position = BigInt(match[2] ?? "");
	if (!Number.isSafeInteger(chainId) || position >= FOREVER) {
		throw invalidId(id, "a number in it is too large");
	}
	return [chainId, position];
}

/**
 * Where a client starts on each chain: after what it names, else at the present end. What it names of
 * other chains does not concern it. Throws `cursor_invalid` for a position that the log has not reached.
 */
export function startPositions(
	present: EventPositions,
	after: EventPositions | undefined,
): Map<ChainId, LogPosition> {
	const starts = [...present].map(([chainId, end]): [ChainId, LogPosition] => {
		const position = after?.get(chainId) ?? end;
		if (position <= end) return [chainId, position];
		throw invalidId(`${chainId}:${position}`, `the log of chain ${chainId} ends at ${end}`);
	});
	return new Map(starts);
}

function invalidId(id: string, reason: string): FatalError {
	const shown = id.length > 100 ? `${id.slice(0, 100)}…` : id;
	return new FatalError("cursor_invalid", {
		message: `the event id ${shown} cannot be resumed: ${reason}`,
		hint: "send an id as the stream gave it, or none to start at the present end",
		fields: { id: shown },
	});
}
