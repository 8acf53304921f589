/**
 * A model that runs in this process, by transformers.js: the package `@huggingface/transformers`, which
 * is not installed with Recant, since it brings a runtime of several hundred megabytes.
 *
 * Tokens are averaged and the mean is L2-normalised, as sentence embedding models are used. A text that
 * has more tokens than the model takes is refused: cut silently, it would be found by its beginning only.
 */
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { SerialLane } from "../domain/serial-lane.ts";
import type { Embedder } from "./embedder.ts";
import { embedderInvalid, textTooLong } from "./embedder-errors.ts";
import { checkedVector } from "./embedding-answer.ts";

const PACKAGE = "@huggingface/transformers";
/** Texts of one run: their tokens are padded to the longest, and all of it is in memory at once. */
const BATCH_TEXTS = 16;

/** What is used of the package. */
export interface TransformersModule {
	readonly env: { localModelPath: string; allowRemoteModels: boolean };
	pipeline(task: "feature-extraction", model: string): Promise<Extractor>;
}

export interface Extractor {
	(
		texts: readonly string[],
		options: { readonly pooling: "mean"; readonly normalize: boolean },
	): Promise<{ tolist(): number[][] }>;
	readonly tokenizer: {
		(
			text: string,
			options: { readonly truncation: boolean },
		): { readonly input_ids: { readonly dims: readonly number[] } };
		/** Tokens that the model takes; not a number where the model does not say. */
		readonly model_max_length?: unknown;
	};
}

export interface TransformersOptions {
	/** A folder, or a name on the hub; the latter is downloaded at the first start. */
	readonly model: string;
	/** Undefined: as the model has it. */
	readonly dimensions: number | undefined;
	/** Tests give a stand-in. */
	readonly load?: () => Promise<unknown>;
}

/**
 * Loads package and model. Throws `FatalError("embedder_missing")`, which says what to do, and
 * `RetryableError("embedder_invalid")` for a model of other dimensions.
 */
export async function openTransformersEmbedder(options: TransformersOptions): Promise<Embedder> {
	const transformers = await loadPackage(options.load ?? importPackage);
	const extractor = await loadModel(transformers, options.model);
	const dimensions = options.dimensions ?? (await measured(extractor));
	const embedder = new TransformersEmbedder(options.model, dimensions, extractor);
	await embedder.embed(["recant"]);
	return embedder;
}

class TransformersEmbedder implements Embedder {
	readonly model: string;
	readonly dimensions: number;
	readonly #extractor: Extractor;
	/** One run at a time: each takes every core. */
	readonly #lane = new SerialLane();

	constructor(model: string, dimensions: number, extractor: Extractor) {
		this.model = model;
		this.dimensions = dimensions;
		this.#extractor = extractor;
	}

	async embed(texts: readonly string[]): Promise<readonly Float32Array[]> {
		for (const text of texts) this.#checkLength(text);
		const vectors: Float32Array[] = [];
		for (let from = 0; from < texts.length; from += BATCH_TEXTS) {
			const batch = texts.slice(from, from + BATCH_TEXTS);
			vectors.push(...(await this.#lane.run(() => this.#run(batch))));
		}
		return vectors;
	}

	async #run(texts: readonly string[]): Promise<readonly Float32Array[]> {
		const output = await this.#extractor(texts, { pooling: "mean", normalize: true });
		const rows = output.tolist();
		if (rows.length !== texts.length) {
			const what = `${rows.length} vectors for ${texts.length} texts`;
			throw embedderInvalid(what, "check that EMBEDDER_MODEL is a model for embeddings");
		}
		return rows.map((row) => checkedVector(row, this.dimensions));
	}

	#checkLength(text: string): void {
		const { tokenizer } = this.#extractor;
		const most = tokenizer.model_max_length;
		if (typeof most !== "number" || !Number.isSafeInteger(most)) return;
		const tokens = tokenizer(text, { truncation: false }).input_ids.dims.at(-1) ?? 0;
		if (tokens > most) throw textTooLong(tokens, most);
	}
}

async function measured(extractor: Extractor): Promise<number> {
	const output = await extractor(["recant"], { pooling: "mean", normalize: true });
	const dimensions = output.tolist()[0]?.length ?? 0;
	if (dimensions >= 1 && dimensions <= LIMITS.vectorDimensions) return dimensions;
	throw embedderInvalid(
		`a vector has ${dimensions} dimensions; 1 to ${LIMITS.vectorDimensions} are taken`,
		"choose another EMBEDDER_MODEL",
	);
}

/** Under a name that no tool resolves: it need not be there. */
function importPackage(): Promise<unknown> {
	const name: string = PACKAGE;
	return import(name);
}

async function loadPackage(load: () => Promise<unknown>): Promise<TransformersModule> {
	try {
		// Its own declarations are not there where it is not installed.
		return (await load()) as TransformersModule;
	} catch (cause) {
		throw new FatalError("embedder_missing", {
			message: `EMBEDDER=transformers needs the package ${PACKAGE}, which cannot be loaded: ${reason(cause)}`,
			hint: `install it beside Recant: npm install ${PACKAGE}`,
			fields: { package: PACKAGE },
			cause,
		});
	}
}

async function loadModel(transformers: TransformersModule, model: string): Promise<Extractor> {
	const isFolder = await isDirectory(model);
	if (isFolder) {
		transformers.env.localModelPath = dirname(model);
		transformers.env.allowRemoteModels = false;
	}
	try {
		return await transformers.pipeline("feature-extraction", isFolder ? basename(model) : model);
	} catch (cause) {
		throw new FatalError("embedder_missing", {
			message: `the model ${model} cannot be loaded: ${reason(cause)}`,
			hint: isFolder
				? "EMBEDDER_MODEL must be a folder with config.json, tokenizer.json and onnx/model.onnx"
				: "EMBEDDER_MODEL must be a folder that is there, or a model of the hub that this machine can reach at its first start",
			fields: { model },
			cause,
		});
	}
}

async function isDirectory(path: string): Promise<boolean> {
	try {
		return (await stat(path)).isDirectory();
	} catch (error) {
		if (error instanceof Error && "code" in error) return false;
		throw error;
	}
}

function reason(cause: unknown): string {
	const text = cause instanceof Error ? cause.message : String(cause);
	return text.split("\n")[0] ?? text;
}
