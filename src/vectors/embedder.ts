/** Turns text into vectors. Same text and model, same vector, for the embedded one to the bit. */
export interface Embedder {
	/** Name that goes into a collection's record; a collection takes vectors of one model only. */
	readonly model: string;
	readonly dimensions: number;
	/** One L2-normalised vector a text, in order. */
	embed(texts: readonly string[]): Promise<readonly Float32Array[]>;
	/**
	 * Embeds texts before they are needed, and keeps what it got, so that a commit waits for nobody. Left
	 * out: embedding asks nobody and takes no time worth the name.
	 */
	prepare?(texts: readonly string[]): Promise<void>;
	/** Those of the texts that would have to be embedded; the others are kept. Left out with `prepare`. */
	unknown?(texts: readonly string[]): Promise<readonly string[]>;
}
