import type { Height, MemoryKey, VersionId } from "./ids.ts";
import type { Layer } from "./layer.ts";

/** One embedded version of a memory. Whether it is visible, Postgres alone says. */
export interface VectorRow {
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly layer: Layer;
	/** Height from which the version exists. */
	readonly fromBlock: Height;
	/** Text of the version, by whose words it is found; undefined: it has none. */
	readonly text?: string | undefined;
	readonly vector: Float32Array;
}

export interface VectorCandidate {
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	/** Cosine similarity in [-1, 1]. */
	readonly similarity: number;
}
