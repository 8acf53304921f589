/** Snapshots of a chain in memory, full and incremental, as an archive would give them. */

import { stateRoot } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Height, Hex, MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import type { Manifest } from "../../src/snapshots/manifest.ts";
import type { SnapshotRecord } from "../../src/snapshots/snapshot-record.ts";
import type { SnapshotSource } from "../../src/snapshots/snapshot-source.ts";
import { HANDLERS, type MemoryChain } from "./memory-chain.ts";
import type { Random } from "./random.ts";

interface Taken {
	readonly manifest: Manifest;
	readonly records: readonly SnapshotRecord[];
	readonly state: readonly Version[];
}

export class MemorySnapshots implements SnapshotSource {
	readonly #chain: MemoryChain;
	readonly #taken = new Map<Hex, Taken>();

	constructor(chain: MemoryChain) {
		this.#chain = chain;
	}

	/** Of some sealed height; an increment on the newest that is canonical still, or a full one. */
	take(random: Random): void {
		const { head } = this.#chain;
		const height = BigInt(random.between(Math.max(0, Number(head) - 3), Number(head)));
		const sealed = this.#chain.checkpoint(height);
		if (sealed === undefined) return;
		const parent = random.chance(0.6) ? this.bases(height).at(-1) : undefined;
		const state = this.#chain.visible(height);
		const before = parent === undefined ? [] : (this.#taken.get(parent)?.state ?? []);
		const id: Hex = `0x${(this.#taken.size + 1).toString(16).padStart(64, "0")}`;
		const roots = StateTree.build(state).roots();
		const { chainId, generation } = this.#chain.state;
		this.#taken.set(id, {
			state,
			records: [...changed(before, state)],
			manifest: {
				kind: parent === undefined ? "full" : "incremental",
				parent,
				chainId,
				startBlock: 0n,
				height,
				blockHash: sealed.blockHash,
				generation,
				logPosition: sealed.logPosition,
				versionSeq: sealed.versionId,
				roots,
				stateRoot: stateRoot(roots, { chainId, height, blockHash: sealed.blockHash }),
				handlersHash: HANDLERS,
				collections: [],
				counts: {
					memories: state.length,
					memoryRecords: 0,
					goneRecords: 0,
					headers: 0,
					operations: 0,
				},
				chunks: [],
				createdAt: new Date(0).toISOString(),
			},
		});
	}

	/** Changes what one memory says in the snapshot, hashes and all. False: there is nothing to change. */
	tamper(id: Hex | undefined, random: Random): boolean {
		const taken = id === undefined ? undefined : this.#taken.get(id);
		const records = taken?.records.filter((record) => record.kind === "memory") ?? [];
		if (taken === undefined || records.length === 0) return false;
		const victim = random.oneOf(records);
		const body = { ...victim, content: { ...victim.content, forged: true } };
		const forged = { ...body, contentHash: contentHash(body) };
		this.#taken.set(id ?? "0x", {
			...taken,
			records: taken.records.map((record) => (record === victim ? forged : record)),
		});
		return true;
	}

	/** Snapshots at or below the height that are canonical still, by rising height. */
	bases(height: Height): readonly Hex[] {
		return [...this.#taken]
			.filter(
				([, { manifest }]) =>
					manifest.height <= height &&
					this.#chain.checkpoint(manifest.height)?.blockHash === manifest.blockHash,
			)
			.sort(([, a], [, b]) => Number(a.manifest.height - b.manifest.height))
			.map(([id]) => id);
	}

	async manifest(id: Hex): Promise<Manifest> {
		return this.#of(id).manifest;
	}

	async *records(id: Hex): AsyncGenerator<readonly SnapshotRecord[]> {
		const { records } = this.#of(id);
		for (let start = 0; start < records.length; start += 2) yield records.slice(start, start + 2);
	}

	#of(id: Hex): Taken {
		const taken = this.#taken.get(id);
		if (taken === undefined) throw new RangeError(`there is no snapshot ${id}`);
		return taken;
	}
}

function* changed(before: readonly Version[], now: readonly Version[]): Generator<SnapshotRecord> {
	const old = new Map<MemoryKey, Version>(before.map((version) => [version.memoryKey, version]));
	for (const version of now) {
		const { memoryKey, versionId, content } = version;
		const known = old.get(memoryKey);
		if (known?.layer === version.layer) old.delete(memoryKey);
		if (known?.versionId === versionId || content === undefined) continue;
		const { toBlock: _end, fromGen: _gen, toGen: _to, ...row } = version;
		yield { kind: "memory", ...row, content, vector: vectorOf(version) };
	}
	for (const { layer, memoryKey } of old.values()) yield { kind: "gone", layer, memoryKey };
}

/** Of those that the tests give: by hash, since rows keep no vectors. */
function vectorOf({ vectorHash }: Version): Float32Array | undefined {
	return vectorHash === undefined ? undefined : GIVEN.get(vectorHash);
}

/** Vectors that tests gave, by their hash. */
export const GIVEN = new Map<Hex, Float32Array>();
