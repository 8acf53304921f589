/** Keccak-256 as Ethereum uses it: a sponge of 136 bytes over keccak-module.ts, with the padding of before FIPS 202. */
import type { Hex } from "../domain/ids.ts";
import { keccakModule } from "./keccak-module.ts";

const RATE_BYTES = 136;
const HASH_BYTES = 32;

/** What is used of it here; Node has it, its types come with those of browsers only. */
declare const WebAssembly: {
	readonly Module: new (bytes: Uint8Array) => object;
	readonly Instance: new (
		module: object,
	) => {
		readonly exports: {
			readonly memory: { readonly buffer: ArrayBuffer };
			readonly permute: () => void;
		};
	};
};

const { memory, permute } = new WebAssembly.Instance(new WebAssembly.Module(keccakModule()))
	.exports;
const state = new Uint8Array(memory.buffer, 0, 200);
const hashed = Buffer.from(memory.buffer, 0, HASH_BYTES);

/** The hash is in a buffer that the next call overwrites. */
export function keccak256(bytes: Uint8Array): Buffer {
	state.fill(0);
	let at = 0;
	for (; at + RATE_BYTES <= bytes.length; at += RATE_BYTES) {
		for (let i = 0; i < RATE_BYTES; i += 1) state[i] = (state[i] ?? 0) ^ (bytes[at + i] ?? 0);
		permute();
	}
	const rest = bytes.length - at;
	for (let i = 0; i < rest; i += 1) state[i] = (state[i] ?? 0) ^ (bytes[at + i] ?? 0);
	state[rest] = (state[rest] ?? 0) ^ 0x01;
	state[RATE_BYTES - 1] = (state[RATE_BYTES - 1] ?? 0) ^ 0x80;
	permute();
	return hashed;
}

export function keccak256Hex(bytes: Uint8Array): Hex {
	return `0x${keccak256(bytes).toString("hex")}`;
}
