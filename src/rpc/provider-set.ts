/**
 * The providers of one chain, in the order of preference. Each question goes to the first that is
 * not put aside; when it fails there, to the next. There is no waiting inside: when all have failed
 * or are put aside, the caller learns it at once and decides when to ask again.
 *
 * A provider is asked for its chain before anything else, and again after it was at fault: one of
 * another chain, by a wrong URL or in the right one's place, is put aside and never believed.
 */
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { ProviderHealth } from "../follower/chain-source.ts";
import { fetchChainId } from "./blocks.ts";
import type { Provider } from "./provider.ts";
import { isProviderAtFault, ProviderError } from "./provider-error.ts";

export class ProviderSet {
	readonly all: readonly Provider[];
	/** Undefined: any chain will do. */
	readonly #chainId: ChainId | undefined;
	readonly #ofThisChain = new Set<Provider>();
	#closed = false;

	constructor(providers: readonly Provider[], chainId: ChainId | undefined) {
		this.all = providers;
		this.#chainId = chainId;
	}

	/** The chain that is served: where the only provider serves another, that one's. */
	async chainId(): Promise<ChainId> {
		try {
			return await this.run(async (provider) => this.#chainId ?? (await fetchChainId(provider)));
		} catch (error) {
			if (error instanceof ProviderError && error.reason.kind === "other_chain") {
				return error.reason.answered;
			}
			throw error;
		}
	}

	/**
	 * The answer of the first provider that gives one. Throws `RetryableError`: `rpc_failed` when a
	 * provider answered and the answer was of no use, else `rpc_unavailable`.
	 */
	async run<Answer>(task: (provider: Provider) => Promise<Answer>): Promise<Answer> {
		const failures: ProviderError[] = [];
		for (const provider of this.#candidates()) {
			try {
				return await provider.attempt(async (asked) => {
					await this.#requireThisChain(asked);
					return task(asked);
				});
			} catch (error) {
				if (!(error instanceof ProviderError)) throw error;
				if (isProviderAtFault(error.reason)) this.#ofThisChain.delete(provider);
				failures.push(error);
			}
		}
		throw this.#failure(failures);
	}

	health(): readonly ProviderHealth[] {
		return this.all.map((provider) => provider.health());
	}

	close(): void {
		this.#closed = true;
		for (const provider of this.all) provider.connection.close();
	}

	async #requireThisChain(provider: Provider): Promise<void> {
		if (this.#chainId === undefined || this.#ofThisChain.has(provider)) return;
		const answered = await fetchChainId(provider);
		if (answered !== this.#chainId) {
			throw new ProviderError(
				{ provider: provider.url, method: "eth_chainId" },
				{ kind: "other_chain", answered },
				`answered chain ${answered}, not ${this.#chainId}`,
			);
		}
		this.#ofThisChain.add(provider);
	}

	#candidates(): readonly Provider[] {
		return this.#closed ? [] : this.all.filter((provider) => provider.asideMs === 0);
	}

	#failure(failures: readonly ProviderError[]): RetryableError {
		if (this.#closed) return closedError();
		const [first] = failures;
		if (first === undefined) return this.#allAside();
		const telling = failures.find((failure) => failure.code === "rpc_failed") ?? first;
		if (failures.length === 1) return telling;
		return new RetryableError(telling.code, {
			message: `none of ${failures.length} providers: ${failures.map(textOf).join("; ")}`,
			hint: telling.hint,
			fields: { providers: failures.length },
			cause: telling,
		});
	}

	#allAside(): RetryableError {
		const waitMs = Math.ceil(Math.min(...this.all.map((provider) => provider.asideMs)));
		const errors = this.all.map((provider) => provider.lastError ?? provider.url.shown);
		return new RetryableError("rpc_unavailable", {
			message: `no provider answers; the next is tried in ${waitMs} ms: ${errors.join("; ")}`,
			hint: "check that the node runs and that the URLs are right; it goes on by itself",
			fields: { providers: this.all.length, waitMs },
		});
	}
}

function textOf(error: ProviderError): string {
	return error.message;
}

function closedError(): RetryableError {
	return new RetryableError("rpc_unavailable", {
		message: "the connection to the chain is closed",
		hint: "the service is stopping",
	});
}
