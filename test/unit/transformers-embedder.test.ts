import { describe, expect, test } from "vitest";
import {
	openTransformersEmbedder,
	type TransformersModule,
} from "../../src/vectors/transformers-embedder.ts";

/** Stands for the package: two dimensions, a token a word, at most three. */
function standIn(): TransformersModule & { readonly asked: string[] } {
	const asked: string[] = [];
	const extractor = Object.assign(
		async (texts: readonly string[]) => ({
			tolist: () => texts.map((text) => [text.length, 0]),
		}),
		{
			tokenizer: Object.assign(
				(text: string) => ({ input_ids: { dims: [1, text.split(" ").length] } }),
				{ model_max_length: 3 },
			),
		},
	);
	return {
		asked,
		env: { localModelPath: "", allowRemoteModels: true },
		pipeline: async (_task, model) => {
			asked.push(model);
			if (model === "none/such") throw new Error("Could not locate file");
			return extractor;
		},
	};
}

describe("transformers.js as embedder", () => {
	test("says what to install where the package is not there", async () => {
		const opening = openTransformersEmbedder({ model: "a/b", dimensions: undefined });
		await expect(opening).rejects.toMatchObject({
			code: "embedder_missing",
			hint: "install it beside Recant: npm install @huggingface/transformers",
		});
	});

	test("says what a model must be where it is not there", async () => {
		const options = { model: "none/such", dimensions: undefined, load: async () => standIn() };
		await expect(openTransformersEmbedder(options)).rejects.toMatchObject({
			code: "embedder_missing",
			fields: { model: "none/such" },
		});
	});

	test("learns the dimension, and refuses one that is not the model's", async () => {
		const load = async () => standIn();
		const embedder = await openTransformersEmbedder({ model: "a/b", dimensions: undefined, load });
		expect(embedder).toMatchObject({ model: "a/b", dimensions: 2 });
		expect(await embedder.embed(["one", "two words"])).toEqual([
			Float32Array.of(1, 0),
			Float32Array.of(1, 0),
		]);
		const wrong = openTransformersEmbedder({ model: "a/b", dimensions: 3, load });
		await expect(wrong).rejects.toMatchObject({ code: "embedder_invalid" });
	});

	test("refuses a text that has more tokens than the model takes", async () => {
		const load = async () => standIn();
		const embedder = await openTransformersEmbedder({ model: "a/b", dimensions: 2, load });
		await expect(embedder.embed(["fine", "one two three four"])).rejects.toMatchObject({
			code: "embedder_refused",
			fields: { tokens: 4, most: 3 },
		});
	});

	test("takes a folder as it is, and asks nobody else for it", async () => {
		const module = standIn();
		await openTransformersEmbedder({ model: "/tmp", dimensions: 2, load: async () => module });
		expect(module.env).toEqual({ localModelPath: "/", allowRemoteModels: false });
		expect(module.asked).toEqual(["tmp"]);
	});
});
