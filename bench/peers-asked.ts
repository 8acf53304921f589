/** What a side asked its node, and which heads it was shown: each counted once, polls apart. */
import type { Hex } from "viem";

export interface Call {
	readonly id: number | string;
	readonly method: string;
	readonly params?: readonly unknown[];
}

export interface Answer {
	readonly id?: number | string;
	readonly result?: unknown;
	readonly method?: string;
	readonly params?: { readonly result?: unknown };
}

const TAGS = new Set(["latest", "safe", "finalized", "pending"]);

/** What a side asked since `restart`. */
export interface Asked {
	/** JSON-RPC calls, those of a batch one by one, without polls that showed nothing new. */
	readonly calls: number;
	/** Questions for a head by its tag whose answer was the one of before. */
	readonly idlePolls: number;
	/** Calls of `calls` by method, heads apart from other blocks. */
	readonly byMethod: Readonly<Record<string, number>>;
	/** HTTP requests, or messages of a WebSocket, that carried those calls. */
	readonly messages: number;
}

export class AskedNode {
	readonly #heads = new Map<string, string>();
	readonly #shownAt = new Map<string, number>();
	#byMethod = new Map<string, number>();
	#idlePolls = 0;
	#messages = 0;
	#firstAskedAt = Number.NaN;
	/** Told once, when a block or logs are asked for the first time since `restart`. */
	onFirstAsked: (() => void) | undefined;

	/** Forgets what was asked. */
	restart(): void {
		this.#byMethod = new Map();
		this.#idlePolls = 0;
		this.#messages = 0;
		this.#firstAskedAt = Number.NaN;
	}

	counts(): Asked {
		const byMethod = Object.fromEntries(
			[...this.#byMethod].toSorted(([one], [other]) => one.localeCompare(other)),
		);
		const calls = [...this.#byMethod.values()].reduce((sum, each) => sum + each, 0);
		return { calls, idlePolls: this.#idlePolls, byMethod, messages: this.#messages };
	}

	/** When a block or logs were first asked for since `restart`; NaN: none were. */
	get firstAskedAt(): number {
		return this.#firstAskedAt;
	}

	/** When the side was first shown that block as a head; NaN: it was not. */
	shownAt(hash: Hex): number {
		return this.#shownAt.get(hash) ?? Number.NaN;
	}

	/** The answers that were given before, if all of it is about heads. */
	fromBefore(calls: readonly Call[]): readonly unknown[] | undefined {
		if (!calls.every(asksForHead)) return undefined;
		const known = calls.map((call) => this.#heads.get(keyOf(call)));
		if (known.includes(undefined)) return undefined;
		return calls.map(({ id }, index) => ({
			jsonrpc: "2.0",
			id,
			result: JSON.parse(known[index] ?? "null"),
		}));
	}

	learn(calls: readonly Call[], parsed: unknown): void {
		const answers = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Answer[];
		let idle = 0;
		for (const call of calls) {
			if (!asksForHead(call)) continue;
			const result = answers.find(({ id }) => id === call.id)?.result;
			if (result === undefined) continue;
			const text = JSON.stringify(result);
			if (this.#heads.get(keyOf(call)) === text) {
				this.#takeBack(call);
				idle += 1;
			}
			this.#heads.set(keyOf(call), text);
			if (call.params?.[0] === "latest") this.show(result);
		}
		if (idle === calls.length && this.#messages > 0) this.#messages -= 1;
	}

	/** It was counted as a call when it was asked; now it turns out to have shown nothing new. */
	#takeBack(call: Call): void {
		const counted = this.#byMethod.get(nameOf(call)) ?? 0;
		// 0: it was asked before the last `restart`.
		if (counted > 0) this.#byMethod.set(nameOf(call), counted - 1);
		this.#idlePolls += 1;
	}

	show(block: unknown): void {
		if (typeof block !== "object" || block === null || !("hash" in block)) return;
		const hash = String(block.hash);
		if (!this.#shownAt.has(hash)) this.#shownAt.set(hash, performance.now());
	}

	count(calls: readonly Call[]): void {
		this.#messages += 1;
		for (const call of calls) {
			this.#byMethod.set(nameOf(call), (this.#byMethod.get(nameOf(call)) ?? 0) + 1);
			if (call.method.startsWith("eth_get") && Number.isNaN(this.#firstAskedAt)) {
				this.#firstAskedAt = performance.now();
				this.onFirstAsked?.();
			}
		}
	}
}

export function asksForHead({ method, params }: Call): boolean {
	if (method === "eth_blockNumber" || method === "eth_chainId") return true;
	return method === "eth_getBlockByNumber" && TAGS.has(String(params?.[0]));
}

function keyOf({ method, params }: Call): string {
	return `${method} ${JSON.stringify(params ?? [])}`;
}

function nameOf(call: Call): string {
	const { method, params } = call;
	return method === "eth_getBlockByNumber" && asksForHead(call)
		? `${method} ${String(params?.[0])}`
		: method;
}
