/** What a state tree holds, as plain sets; and keys that make its shapes hard. */
import { createHash } from "node:crypto";
import type { CommittedMemory } from "../../src/commitment/state-tree.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS, type Layer } from "../../src/domain/layer.ts";
import { type NaiveLayers, naiveNodes } from "./naive-state-tree.ts";

/** A hash that a number stands for. */
export function hashOf(what: string | number): Hex {
	return `0x${createHash("sha256").update(`${what}`).digest("hex")}`;
}

/** A UUID of 32 hexadecimal digits. */
export function keyOfHex(hex: string): MemoryKey {
	const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
	return [...parts, hex.slice(20, 32)].join("-") as MemoryKey;
}

/** Keys as hashes give them: they part within a few digits. */
export function spreadKey(number: number): MemoryKey {
	return keyOfHex(hashOf(`key ${number}`).slice(2, 34));
}

/** Keys that share their first `shared` hexadecimal digits, so that they part deep down. */
export function closeKey(number: number, shared: number): MemoryKey {
	const tail = 32 - shared;
	return keyOfHex("c".repeat(shared) + hashOf(number).slice(2, 2 + tail));
}

/** Visible memories by layer and key. */
export class TreeModel {
	readonly #layers: ReadonlyMap<Layer, Map<MemoryKey, Hex>>;

	constructor(layers = new Map(LAYERS.map((layer) => [layer, new Map<MemoryKey, Hex>()]))) {
		this.#layers = layers;
	}

	/** One of its own, to go on from here. */
	copy(): TreeModel {
		return new TreeModel(new Map([...this.#layers].map(([layer, of]) => [layer, new Map(of)])));
	}

	get(layer: Layer, key: MemoryKey): Hex | undefined {
		return this.#layers.get(layer)?.get(key);
	}

	set({ layer, memoryKey, contentHash }: CommittedMemory): void {
		this.#layers.get(layer)?.set(memoryKey, contentHash);
	}

	delete(layer: Layer, key: MemoryKey): void {
		this.#layers.get(layer)?.delete(key);
	}

	/** In the order of layers, then of keys. */
	memories(): readonly CommittedMemory[] {
		return LAYERS.flatMap((layer) =>
			[...(this.#layers.get(layer) ?? [])]
				.map(([memoryKey, contentHash]) => ({ layer, memoryKey, contentHash }))
				.sort((a, b) => (a.memoryKey < b.memoryKey ? -1 : 1)),
		);
	}

	of(layer: Layer): readonly CommittedMemory[] {
		return this.memories().filter((memory) => memory.layer === layer);
	}

	toLayers(): NaiveLayers {
		return Object.fromEntries(LAYERS.map((layer) => [layer, this.of(layer)]));
	}

	/** Slots that this state alone needs. */
	need(): { readonly nodes: number; readonly leaves: number } {
		const nodes = LAYERS.reduce((sum, layer) => sum + naiveNodes(this.of(layer)), 0);
		return { nodes, leaves: this.memories().length };
	}
}
