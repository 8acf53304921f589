/**
 * A gate between a service of this process and its node: the service's HTTP requests are counted and
 * timed, and wait while the gate is shut.
 *
 * Anvil builds a fork block by block and shows each half-built state; a real node shows a new branch
 * at once. So forks are made behind a shut gate, and time counts from the first request after it.
 */
import type { Hex } from "viem";

const gates = new Map<string, NodeGate>();
let direct: typeof fetch | undefined;

export class NodeGate {
	/** What the service is given: the node's URL, told from others by its query. */
	readonly url: string;
	readonly #shown = new Map<Hex, number>();
	#shut: PromiseWithResolvers<void> | undefined;
	#underWay = 0;
	#idle: (() => void) | undefined;
	#firstAfterOpening: number | undefined;
	#requests = 0;

	constructor(nodeUrl: string) {
		this.url = `${nodeUrl}/?gate=${gates.size}`;
		gates.set(this.url, this);
		direct ??= interceptFetch();
	}

	/** Requests that were passed on since the last opening. */
	get requests(): number {
		return this.#requests;
	}

	/** When the first request after the last opening was passed on. */
	get firstAfterOpening(): number {
		return this.#firstAfterOpening ?? Number.NaN;
	}

	/** When the node first answered with that block as its head. */
	shownAt(hash: Hex): number {
		return this.#shown.get(hash) ?? Number.NaN;
	}

	/** Requests wait from now on; resolves when none is under way. */
	async shut(): Promise<void> {
		this.#shut ??= Promise.withResolvers();
		if (this.#underWay === 0) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#idle = resolve;
		await promise;
	}

	open(): void {
		this.#requests = 0;
		this.#firstAfterOpening = undefined;
		this.#shut?.resolve();
		this.#shut = undefined;
	}

	async pass(...request: Parameters<typeof fetch>): Promise<Response> {
		while (this.#shut !== undefined) await this.#shut.promise;
		this.#underWay += 1;
		this.#requests += 1;
		this.#firstAfterOpening ??= performance.now();
		try {
			return await this.#answer(request);
		} finally {
			this.#underWay -= 1;
			if (this.#underWay === 0) this.#idle?.();
		}
	}

	/** The body is read whole here, so that what is under way is known; heads are remembered. */
	async #answer(request: Parameters<typeof fetch>): Promise<Response> {
		const response = await (direct ?? fetch)(...request);
		const text = await response.text();
		const now = performance.now();
		const asked = request[1]?.body;
		if (typeof asked === "string" && asked.includes('"latest"')) {
			const hash = /"hash":"(0x[0-9a-f]{64})"/.exec(text)?.[1] as Hex | undefined;
			if (hash !== undefined && !this.#shown.has(hash)) this.#shown.set(hash, now);
		}
		return new Response(text, { status: response.status, headers: response.headers });
	}
}

function interceptFetch(): typeof fetch {
	const original = globalThis.fetch;
	globalThis.fetch = (input, init) => {
		const gate = gates.get(input instanceof Request ? input.url : input.toString());
		return gate === undefined ? original(input, init) : gate.pass(input, init);
	};
	return original;
}
