/** Checks of what stands on the command line; what is wrong throws commander's error, exit code 2. */
import { InvalidArgumentError } from "commander";
import { serviceUrl } from "../config/client-environment.ts";
import type { Hex } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";

const TAGS = ["pending", "latest", "safe", "finalized"];

/** A block number. */
export function heightArgument(text: string): string {
	if (/^(?:0|[1-9][0-9]{0,18})$/.test(text)) return text;
	throw new InvalidArgumentError("must be a block number in decimal.");
}

/** A coordinate. */
export function atArgument(text: string): string {
	const fits = TAGS.includes(text) || /^(?:0|[1-9][0-9]{0,18}|0x[0-9a-fA-F]{64})$/.test(text);
	if (fits) return text;
	throw new InvalidArgumentError(`must be a height, a block hash, or ${TAGS.join(", ")}.`);
}

/** A coordinate that is sealed, and so has a root. */
export function sealedAtArgument(text: string): string {
	if (text !== "pending") return atArgument(text);
	throw new InvalidArgumentError("the pending slot has no root yet: name a height, or latest.");
}

/** 32 bytes; upper case becomes lower case. */
export function hashArgument(text: string): Hex {
	if (/^0x[0-9a-fA-F]{64}$/.test(text)) return `0x${text.slice(2).toLowerCase()}`;
	throw new InvalidArgumentError("must be 0x and 64 hexadecimal digits.");
}

/** A whole number from 1 up to a limit. */
export function countArgument(limit: keyof typeof LIMITS): (text: string) => number {
	return (text) => {
		const count = Number(text);
		if (/^[1-9][0-9]*$/.test(text) && count <= LIMITS[limit]) return count;
		throw new InvalidArgumentError(`must be a whole number from 1 to ${LIMITS[limit]}.`);
	};
}

/** Seconds to wait. */
export function secondsArgument(text: string): number {
	const seconds = Number(text);
	if (/^[1-9][0-9]*$/.test(text) && seconds <= 86_400) return seconds;
	throw new InvalidArgumentError("must be whole seconds from 1 to 86400.");
}

/** A moment, as seconds since the epoch or in ISO 8601; becomes whole seconds. */
export function timeArgument(text: string): string {
	if (/^(?:0|[1-9][0-9]{0,18})$/.test(text)) return text;
	const ms = /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN;
	if (ms >= 0) return Math.floor(ms / 1_000).toString();
	throw new InvalidArgumentError(
		"must be seconds since the epoch, or a date like 2026-11-20T12:00Z.",
	);
}

/** A share above 0 and below 1. */
export function shareArgument(text: string): number {
	const share = Number(text);
	if (text.trim() !== "" && share > 0 && share < 1) return share;
	throw new InvalidArgumentError("must be a number above 0 and below 1.");
}

export function layerArgument(text: string): Layer {
	const layer = LAYERS.find((each) => each === text);
	if (layer !== undefined) return layer;
	throw new InvalidArgumentError(`must be one of ${LAYERS.join(", ")}.`);
}

export function urlArgument(text: string): string {
	try {
		return serviceUrl(text, "--url");
	} catch (cause) {
		throw new InvalidArgumentError(cause instanceof Error ? cause.message : String(cause));
	}
}
