/**
 * What contracts answer at a block, for handlers. Answers are kept by block hash, so a block that is derived
 * again asks nothing twice, and none of them can be of another branch.
 *
 * A failure of the node is noted where the call was made: a handler that catches everything must not go on as
 * if the contract had refused. See `BlockClient.assertDone`.
 */
import { LRUCache } from "lru-cache";
import {
	type Abi,
	decodeErrorResult,
	decodeFunctionResult,
	encodeFunctionData,
	isAddress,
	isHex,
	size,
} from "viem";
import type { BlockHeader } from "../domain/block.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { CallResult, ChainSource } from "./chain-source.ts";
import type { HandlerClient } from "./define-chain.ts";

interface Call {
	readonly to: Hex;
	readonly data: Hex;
}

/** One for each chain and process. */
export class BlockCalls {
	readonly #source: Pick<ChainSource, "call">;
	readonly #answers = new LRUCache<string, CallResult>({
		max: LIMITS.callCacheEntries,
		maxSize: LIMITS.callCacheBytes,
		sizeCalculation: ({ data }, key) => data.length + key.length,
	});
	readonly #underWay = new Map<string, Promise<CallResult>>();

	constructor(source: Pick<ChainSource, "call">) {
		this.#source = source;
	}

	/** Throws what `ChainSource.call` throws; that is not kept. */
	ask(block: Pick<BlockHeader, "number" | "hash">, { to, data }: Call): Promise<CallResult> {
		const key = `${block.hash}:${to}:${data}`;
		const known = this.#answers.get(key);
		if (known !== undefined) return Promise.resolve(known);
		const before = this.#underWay.get(key);
		if (before !== undefined) return before;
		const asked = this.#ask(key, { to, data, block: { number: block.number, hash: block.hash } });
		this.#underWay.set(key, asked);
		return asked;
	}

	async #ask(key: string, request: Parameters<ChainSource["call"]>[0]): Promise<CallResult> {
		try {
			const answer = await this.#source.call(request);
			this.#answers.set(key, answer);
			return answer;
		} finally {
			this.#underWay.delete(key);
		}
	}
}

/** Of one run of one handler. */
export class BlockClient implements HandlerClient {
	readonly #calls: BlockCalls;
	readonly #block: Pick<BlockHeader, "number" | "hash">;
	#waiting = 0;
	#failure: { readonly error: unknown } | undefined;

	constructor(calls: BlockCalls, block: Pick<BlockHeader, "number" | "hash">) {
		this.#calls = calls;
		this.#block = block;
	}

	/** True while the handler waits for the node. */
	get isWaiting(): boolean {
		return this.#waiting > 0;
	}

	/** What the node failed with, whether or not the handler let it through. */
	get failure(): { readonly error: unknown } | undefined {
		return this.#failure;
	}

	readonly readContract = ((request: ViewRequest) =>
		handled(this.#read(request))) as HandlerClient["readContract"];

	call(request: Call): Promise<Hex> {
		return handled(this.#call(request, undefined));
	}

	async #read({ abi, address, functionName, args = [] }: ViewRequest): Promise<unknown> {
		const data = encoded({ abi, functionName, args });
		const answer = await this.#call({ to: address, data }, { abi, functionName });
		try {
			return decodeFunctionResult({ abi, functionName, args, data: answer });
		} catch (cause) {
			const why =
				answer === "0x" ? "no bytes: no contract stands there" : "what its ABI does not say";
			throw reverted({ to: address, data: answer, block: this.#block }, `answered ${why}`, cause);
		}
	}

	async #call(
		{ to, data }: Call,
		view: { readonly abi: Abi; readonly functionName: string } | undefined,
	): Promise<Hex> {
		if (!isAddress(to, { strict: false })) throw misuse(`"${String(to)}" is no address`);
		if (!isHex(data) || size(data) > LIMITS.callBytes) {
			throw misuse(
				`a call's data must be 0x and hexadecimal digits, ${LIMITS.callBytes} bytes at most`,
			);
		}
		const answer = await this.#ask({ to: lowerCase(to), data: lowerCase(data) });
		if (answer.type === "ok") return answer.data;
		const named = view === undefined ? "" : errorName(view.abi, answer.data);
		const what = `refused ${view?.functionName ?? "the call"}${named}`;
		throw reverted({ to, data: answer.data, block: this.#block }, what);
	}

	async #ask(call: Call): Promise<CallResult> {
		this.#waiting += 1;
		try {
			return await this.#calls.ask(this.#block, call);
		} catch (error) {
			this.#failure ??= { error };
			throw error;
		} finally {
			this.#waiting -= 1;
		}
	}

	/** After the handler ended by itself: throws what it must not have gone on without. */
	assertDone(): void {
		if (this.#failure !== undefined) throw this.#failure.error;
		if (this.isWaiting) throw misuse("it ended before its call was answered: await every call");
	}
}

interface ViewRequest {
	readonly abi: Abi;
	readonly address: Hex;
	readonly functionName: string;
	readonly args?: readonly unknown[];
}

/** A handler may drop the promise; that must not end the process. */
function handled<Answer>(promise: Promise<Answer>): Promise<Answer> {
	promise.catch(() => undefined);
	return promise;
}

function encoded(view: {
	readonly abi: Abi;
	readonly functionName: string;
	readonly args: readonly unknown[];
}): Hex {
	try {
		return encodeFunctionData(view);
	} catch (cause) {
		throw misuse(
			`${view.functionName} cannot be called so: ${cause instanceof Error ? cause.message : String(cause)}`,
			cause,
		);
	}
}

/** The name of the error that the contract's data stands for, where the ABI has it. */
function errorName(abi: Abi, data: Hex): string {
	if (data === "0x") return "";
	try {
		return ` with ${decodeErrorResult({ abi, data }).errorName}`;
	} catch {
		// Another contract's error, which this ABI cannot name; its data goes along.
		return "";
	}
}

function lowerCase(hex: Hex): Hex {
	return `0x${hex.slice(2).toLowerCase()}`;
}

function reverted(
	call: { readonly to: Hex; readonly data: Hex; readonly block: Pick<BlockHeader, "number"> },
	what: string,
	cause?: unknown,
): FatalError {
	return new FatalError("call_reverted", {
		message: `${call.to} ${what} at block ${call.block.number}`,
		hint: "catch it in the handler where the contract may refuse",
		fields: { to: call.to, data: call.data, block: call.block.number.toString() },
		cause,
	});
}

function misuse(message: string, cause?: unknown): FatalError {
	return new FatalError("handler_failed", {
		message,
		hint: "correct the handler in the chain's file",
		cause,
	});
}

/** A handler that waits for the node does not hang by itself. */
export function unanswered(what: string, block: Pick<BlockHeader, "number">): RetryableError {
	return new RetryableError("rpc_unavailable", {
		message: `handler ${what} waits for a contract's answer at block ${block.number}`,
		hint: "it is tried again; see whether the node answers slowly",
		fields: { handler: what, block: block.number.toString() },
	});
}
