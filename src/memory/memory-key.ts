import { hash } from "node:crypto";
import type { MemoryKey } from "../domain/ids.ts";
import { encodeFields } from "./canonical.ts";

/**
 * Keys whose names are known, in each of two halves: the names that a few groups write. Most operations ask for
 * their key several times over, and it is a hash.
 */
const REMEMBERED = 16_384;

type Names = Map<string, Map<string, MemoryKey>>;

/** When the young half is full it becomes the old one, and what was the old one is forgotten. */
class RememberedKeys {
	#young: Names = new Map();
	#old: Names = new Map();
	#size = 0;

	get(namespace: string, id: string): MemoryKey | undefined {
		const young = this.#young.get(namespace)?.get(id);
		if (young !== undefined) return young;
		const old = this.#old.get(namespace)?.get(id);
		if (old !== undefined) this.set(namespace, id, old);
		return old;
	}

	set(namespace: string, id: string, key: MemoryKey): void {
		if (this.#size >= REMEMBERED) {
			this.#old = this.#young;
			this.#young = new Map();
			this.#size = 0;
		}
		const ids = this.#young.get(namespace) ?? new Map<string, MemoryKey>();
		if (ids.size === 0) this.#young.set(namespace, ids);
		ids.set(id, key);
		this.#size += 1;
	}
}

const remembered = new RememberedKeys();

/**
 * The key of a memory: the first 16 bytes of SHA-256 over a tag and the length-prefixed namespace and
 * id (`encodeFields("recant.memory-key.v1", [namespace, id])`), written as a lower-case UUID.
 *
 * It is derived and not drawn, for two reasons: a write needs no look-up to find its memory, and two
 * instances that never met give one memory the same key, so that their states can be compared.
 * Lengths stand before the parts, so (`a`, `bc`) and (`ab`, `c`) differ. 128 bits make an accidental
 * collision out of reach; making one on purpose takes 2^64 hashes, and only inside one's own chain.
 * The version and variant bits of RFC 9562 are not set: every bit is the hash's.
 *
 * Throws `FatalError("invalid_request")` when a part holds a lone surrogate.
 */
export function memoryKey(namespace: string, id: string): MemoryKey {
	const known = remembered.get(namespace, id);
	if (known !== undefined) return known;
	const key = hashed(namespace, id);
	remembered.set(namespace, id, key);
	return key;
}

function hashed(namespace: string, id: string): MemoryKey {
	const hex = hash("sha256", encodeFields("recant.memory-key.v1", [namespace, id]));
	const groups = [
		hex.slice(0, 8),
		hex.slice(8, 12),
		hex.slice(12, 16),
		hex.slice(16, 20),
		hex.slice(20, 32),
	];
	return groups.join("-") as MemoryKey;
}
