/** What the cache of embeddings asks of Postgres. The adapter is store/records/postgres-embedding-store.ts. */

export interface KeptEmbedding {
	/** SHA-256 of the text, in hexadecimal. */
	readonly hash: string;
	readonly vector: Float32Array;
}

export interface EmbeddingStore {
	/** Those of the hashes that are kept, and marks them as used. */
	find(model: string, hashes: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
	/** What is kept already stays as it is. */
	keep(model: string, embeddings: readonly KeptEmbedding[]): Promise<void>;
}
