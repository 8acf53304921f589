/** Recorded results for those in the service who call models, such as functions that consolidate. */
import type { ChainId } from "../../domain/ids.ts";
import type { JsonValue } from "../../domain/operation.ts";
import { inputHashOf } from "../../memory/input-hash.ts";
import { outputText } from "../../memory/result-output.ts";
import type { ResultName } from "./results-service.ts";

/** The adapter is store/records/postgres-result-store.ts. */
export interface RecordedResults {
	get(chainId: ChainId, name: ResultName): Promise<StoredResult | undefined>;
	/**
	 * Answers what stands there afterwards: the first output that was recorded stays, unless `replace`.
	 * `output` is canonical JSON.
	 */
	put(
		chainId: ChainId,
		name: ResultName,
		result: { readonly output: string; readonly replace: boolean },
	): Promise<StoredResult & { readonly created: boolean }>;
}

export interface StoredResult {
	/** Canonical JSON. */
	readonly output: string;
	readonly createdAt: Date;
}

/** Answers the recorded output of `input`, or computes it and records it. */
export type Recorded = (
	of: { readonly namespace: string; readonly model: string; readonly input: JsonValue },
	compute: () => Promise<JsonValue>,
) => Promise<JsonValue>;

/**
 * Of one chain. Two who compute the same at once get the same answer: the one that was recorded first.
 * Throws what `compute` throws, and then records nothing; `limit_exceeded` past LIMITS.resultBytes.
 */
export function recordedOf(results: RecordedResults, chainId: ChainId): Recorded {
	return async ({ namespace, model, input }, compute) => {
		const name = { namespace, model, inputHash: inputHashOf(input) };
		const known = await results.get(chainId, name);
		if (known !== undefined) return parsedOutput(known);
		const output = outputText(await compute());
		return parsedOutput(await results.put(chainId, name, { output, replace: false }));
	};
}

/** It was written by `outputText`. */
export function parsedOutput({ output }: StoredResult): JsonValue {
	return JSON.parse(output) as JsonValue;
}
