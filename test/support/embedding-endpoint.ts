/** An OpenAI-compatible endpoint that embeds by hashing, counts what it was asked, and fails when told to. */
import { embedText } from "../../src/vectors/hashing-embedder.ts";
import { type AnsweringServer, type Reply, startAnsweringServer } from "./answering-server.ts";

const ENDPOINT_DIMENSIONS = 384;

export interface EmbeddingEndpoint extends AnsweringServer {
	/** Base URL. */
	readonly base: string;
	/** How often each text was embedded. */
	readonly texts: ReadonlyMap<string, number>;
	/** Instead of embedding; undefined: it embeds. */
	fail: ((texts: readonly string[]) => Reply | undefined) | undefined;
	/** For EMBEDDER and its companions. */
	readonly variables: Readonly<Record<string, string>>;
}

export async function startEmbeddingEndpoint(): Promise<EmbeddingEndpoint> {
	const texts = new Map<string, number>();
	const server = await startAnsweringServer(({ body }) => {
		const { input } = JSON.parse(body) as { readonly input: readonly string[] };
		const failure = endpoint.fail?.(input);
		if (failure !== undefined) return failure;
		for (const text of input) texts.set(text, (texts.get(text) ?? 0) + 1);
		return { headers: { "content-type": "application/json" }, body: embeddingsOf(input) };
	});
	const base = `${server.url}/v1`;
	const endpoint: EmbeddingEndpoint = {
		...server,
		base,
		texts,
		fail: undefined,
		variables: {
			EMBEDDER: base,
			EMBEDDER_MODEL: "test-model",
			EMBEDDER_DIMENSIONS: ENDPOINT_DIMENSIONS.toString(),
		},
	};
	return endpoint;
}

/** Not at unit length, and in another order than asked: `index` says which is which. */
function embeddingsOf(input: readonly string[]): string {
	const data = input.map((text, index) => ({
		object: "embedding",
		index,
		embedding: [...embedText(text)].map((value) => value * 3),
	}));
	return JSON.stringify({ object: "list", model: "test-model", data: data.reverse() });
}
