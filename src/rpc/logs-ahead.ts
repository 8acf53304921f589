/**
 * The logs of an announced head, asked for while the head itself is still being asked for: a round trip less from a
 * block to its memories. Only where the next question is as good as certain: the head stands on what was looked at
 * last, and its bloom promises what was looked for there.
 *
 * An announcement is a hint and proves nothing. What is answered stands for exactly the question that it is the
 * answer to, and is checked as any other. An answer without logs counts as none, since a node may announce a head
 * before it can answer for it.
 */
import { isDeepStrictEqual } from "node:util";
import type { Hex } from "../domain/ids.ts";
import type { LogFilter } from "../follower/chain-source.ts";
import type { AnnouncedHead } from "./announced-head.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import { promises } from "./log-bloom.ts";

type Ask = (blockHash: Hex, filter: LogFilter) => Promise<RpcOutcome | undefined>;

interface Asked {
	readonly blockHash: Hex;
	readonly filter: LogFilter;
	readonly outcome: Promise<RpcOutcome | undefined>;
}

/** Of one provider. */
export class LogsAhead {
	/** The block that was looked at last, or one that was announced on top of it, and what was looked for. */
	#tip: { readonly hash: Hex; readonly filter: LogFilter } | undefined;
	/** Until the next question for logs: nothing more is asked ahead of one that nobody comes for. */
	#asked: Asked | undefined;

	announced({ hash, parentHash, logsBloom }: AnnouncedHead, ask: Ask): void {
		if (hash === undefined || logsBloom === undefined) return;
		if (this.#tip === undefined || this.#tip.hash !== parentHash) return;
		const { filter } = this.#tip;
		this.#tip = { hash, filter };
		if (this.#asked !== undefined || !promises(logsBloom, filter)) return;
		const outcome = ask(hash, filter);
		// Whoever takes it learns of the failure.
		outcome.catch(() => undefined);
		this.#asked = { blockHash: hash, filter, outcome };
	}

	/**
	 * What was answered to exactly this question, if that was asked and there are logs. Throws the `ProviderError` that it
	 * failed with.
	 */
	async take(blockHash: Hex, filter: LogFilter): Promise<RpcOutcome | undefined> {
		const asked = this.#asked;
		this.#asked = undefined;
		this.#tip = { hash: blockHash, filter };
		if (asked?.blockHash !== blockHash || !isDeepStrictEqual(asked.filter, filter))
			return undefined;
		const outcome = await asked.outcome;
		return outcome?.kind === "result" && isSome(outcome.value) ? outcome : undefined;
	}
}

function isSome(logs: unknown): boolean {
	return Array.isArray(logs) && logs.length > 0;
}
