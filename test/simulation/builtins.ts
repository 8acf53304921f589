/**
 * Node's own sources of chance and of time of their own, made part of the simulation: random ids come from the
 * seed, compression answers at once, giving others a turn takes none, and a sleep by this machine's clock, which
 * nobody can see from the simulated time, lasts until it is broken off. What is imported by name from these
 * modules is replaced wherever it is used, so this has to be imported before the code that is simulated.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { TimerOptions } from "node:timers";
import timers from "node:timers/promises";
import zlib from "node:zlib";
import { Random } from "../support/random.ts";

let random: Random | undefined;

/** From here on ids come from the seed; undefined: as ever. */
export function seedIds(seed: number | undefined): void {
	random = seed === undefined ? undefined : new Random(seed);
}

const randomUUID = crypto.randomUUID.bind(crypto);
crypto.randomUUID = (options) => (random === undefined ? randomUUID(options) : drawn(random));

function drawn(from: Random): ReturnType<typeof crypto.randomUUID> {
	const hex = Array.from({ length: 4 }, () =>
		Math.floor(from.next() * 2 ** 32)
			.toString(16)
			.padStart(8, "0"),
	).join("");
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

type Answer = (error: Error | null, result: Buffer) => void;

/** The same work on this thread, answered by a microtask. */
function atOnce(work: (bytes: zlib.InputType, options?: zlib.ZstdOptions) => Buffer) {
	return (bytes: zlib.InputType, given: zlib.ZstdOptions | Answer, last?: Answer): void => {
		const answer = typeof given === "function" ? given : last;
		const options = typeof given === "function" ? undefined : given;
		try {
			const result = work(bytes, options);
			queueMicrotask(() => answer?.(null, result));
		} catch (error) {
			queueMicrotask(() => answer?.(error as Error, Buffer.alloc(0)));
		}
	};
}

Object.assign(zlib, {
	zstdCompress: atOnce(zlib.zstdCompressSync),
	zstdDecompress: atOnce(zlib.zstdDecompressSync),
});
const sleep = timers.setTimeout;

/** Whoever sleeps so has to be woken: see `ProcessLife.start`. */
function endless<Value>(ms: number, value?: Value, options?: TimerOptions): Promise<Value> {
	const { signal } = options ?? {};
	if (random === undefined) return sleep(ms, value, options);
	if (signal?.aborted === true) return Promise.reject(signal.reason);
	return new Promise((_resolve, reject) => {
		signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
	});
}

Object.assign(timers, {
	setImmediate: async (value?: unknown) => value,
	setTimeout: endless,
});
syncBuiltinESMExports();
