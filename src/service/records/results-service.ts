/**
 * Recorded results: what a model answered to an input, so that the same input is not paid for twice. A
 * result belongs to a chain and a namespace; it is no memory, and no fork changes it.
 */
import type { ChainId, Hex } from "../../domain/ids.ts";
import type { JsonValue } from "../../domain/operation.ts";

export interface ResultName {
	readonly namespace: string;
	/** At most LIMITS.modelLength. */
	readonly model: string;
	/** See `inputHashOf` in memory/input-hash.ts. */
	readonly inputHash: Hex;
}

export interface ResultView extends ResultName {
	readonly chainId: ChainId;
	readonly output: JsonValue;
	readonly createdAt: Date;
}

export interface ResultsService {
	/** Throws `result_not_found`. */
	result(chain: string, name: ResultName): Promise<ResultView>;
	/**
	 * `created` is false where the same output stood there already. Throws `result_conflict` for another
	 * output unless `replace`, `handler_owned` in a namespace of the chain's own, `limit_exceeded` past
	 * LIMITS.resultBytes.
	 */
	recordResult(
		chain: string,
		request: ResultName & { readonly output: JsonValue; readonly replace: boolean },
	): Promise<{ readonly created: boolean; readonly result: ResultView }>;
}
