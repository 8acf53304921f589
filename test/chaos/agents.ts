/**
 * Agents that write over HTTP, each request under an idempotency key, to whichever process answers. A
 * request whose outcome is not known is sent again under its key until it is.
 *
 * Whatever was answered once must be answered the same way for ever: the operations of a key never change.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { WriteAnswer } from "../../src/client/answers.ts";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import type { OperationInput } from "../../src/client/requests.ts";
import type { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import type { AgentOperation } from "../support/world.ts";
import type { ChainDriver } from "./chain-driver.ts";
import type { ChaosWorld } from "./chaos-world.ts";

const AGENTS = 3;
const PAUSE_MS = { min: 80, max: 400 };
/** Before the same request is sent again. */
const RETRY_MS = 60;
/** Until every outcome must be known once everything runs again. */
const RESOLVED_MS = 30_000;
/** Of one answer; past it a write is durable, and may be refused still. */
const WAIT_MS = 1_500;
const SHORT_ID = "a";
const IDS = [SHORT_ID, "b", "c", "d", "e", "f"];

interface Request {
	readonly key: string;
	readonly said: readonly AgentOperation[];
}

export class Agents {
	readonly #chaos: ChaosWorld;
	readonly #chain: ChainDriver;
	readonly #random: Random;
	/** Of every request that was answered: its operations. */
	readonly #answered = new Map<string, { readonly ids: string; readonly request: Request }>();
	/** Refused, after a time at which nobody knew: what stood still then may take them in when it wakes. */
	readonly #doubtful: Request[] = [];
	#running = false;
	#loops: Promise<void> = Promise.resolve();
	#count = 0;
	#resolveByMs = Number.POSITIVE_INFINITY;
	refused = 0;
	/** Requests that were sent more than once. */
	repeated = 0;
	readonly violations: string[] = [];
	/** Codes of answers that were no answers. */
	readonly codes = new Map<string, number>();

	constructor(chaos: ChaosWorld, chain: ChainDriver, random: Random) {
		this.#chaos = chaos;
		this.#chain = chain;
		this.#random = random;
	}

	get answered(): number {
		return this.#answered.size;
	}

	start(): void {
		this.#running = true;
		this.#resolveByMs = Number.POSITIVE_INFINITY;
		this.#loops = Promise.all(Array.from({ length: AGENTS }, () => this.#run())).then(
			() => undefined,
		);
		// Whoever awaits `stop` hears of it; until then it must not end the process.
		this.#loops.catch(() => undefined);
	}

	/** No new requests; resolves when the outcome of every request is known. */
	async stop(): Promise<void> {
		this.#running = false;
		this.#resolveByMs = performance.now() + RESOLVED_MS;
		await this.#loops;
	}

	/** Sends what was refused late once more; everything must run. */
	async sendDoubtful(): Promise<void> {
		const doubtful = this.#doubtful.splice(0);
		this.#resolveByMs = performance.now() + RESOLVED_MS;
		for (const request of doubtful) await this.#resolve(request);
	}

	/** Sends some that were answered once more: they must be known, with the same operations. */
	async sendAgain(count: number): Promise<void> {
		const keys = [...this.#answered.keys()];
		for (let index = 0; index < count && keys.length > 0; index += 1) {
			const { ids, request } = this.#answered.get(this.#random.oneOf(keys)) ?? {};
			const [client] = this.#chaos.clients;
			if (request === undefined || client === undefined) return;
			const answer = await send(client, request);
			if (!answer.repeated || idsOf(answer) !== ids)
				this.violations.push(
					`${request.key} was ${ids}, and is ${idsOf(answer)} (repeated: ${answer.repeated})`,
				);
		}
	}

	async #run(): Promise<void> {
		while (this.#running) {
			this.#count += 1;
			const length = this.#random.chance(0.2) ? 2 : 1;
			const said = Array.from({ length }, () => this.#operation());
			await this.#resolve({ key: `chaos-${this.#count}`, said });
			await sleep(this.#random.between(PAUSE_MS.min, PAUSE_MS.max));
		}
	}

	async #resolve(request: Request): Promise<void> {
		for (let attempt = 1; ; attempt += 1) {
			const { clients } = this.#chaos;
			if (clients.length > 0) {
				try {
					const answer = await send(this.#random.oneOf(clients), request);
					return this.#note(request, answer);
				} catch (error) {
					if (!(error instanceof RecantApiError)) throw error;
					this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
					if (isRefusal(error)) {
						this.refused += 1;
						if (attempt > 1) this.#doubtful.push(request);
						return;
					}
				}
			}
			if (attempt === 2) this.repeated += 1;
			if (performance.now() > this.#resolveByMs)
				throw new Error(`${request.key} has no outcome after ${attempt} attempts`);
			await sleep(RETRY_MS);
		}
	}

	#note(request: Request, answer: WriteAnswer): void {
		const { journal } = this.#chaos.world;
		this.#answered.set(request.key, { ids: idsOf(answer), request });
		const requestIndex = journal.length;
		for (const [index, { operationId }] of answer.operations.entries()) {
			const said = request.said[index];
			if (said === undefined) continue;
			journal.push({ operationId, said, readFrom: undefined, requestIndex });
		}
	}

	#operation(): AgentOperation {
		const random = this.#random;
		const anchor = random.chance(0.35) ? this.#anchor() : undefined;
		const rests = anchor === undefined ? {} : { anchor };
		const n = random.between(0, 9);
		const kind = random.next();
		const shared = { id: random.oneOf(IDS), ...rests };
		if (kind < 0.1) return { op: "delete", ...shared };
		if (kind < 0.3) return { op: "patch", ...shared, content: { [`patch ${n}`]: n } };
		const text = random.chance(0.7) ? { text: `the whale moves ${n}` } : {};
		if (kind < 0.45)
			return { op: "put", ...shared, id: `note ${this.#count}`, content: { n }, ...text };
		const layer = shared.id === SHORT_ID ? "short_term" : "semantic";
		return { op: "put", ...shared, layer, content: { n }, ...text };
	}

	#anchor(): AgentOperation["anchor"] {
		const { recent } = this.#chain;
		if (recent.length === 0) return undefined;
		const transactions = recent.flatMap((block) => [...block.effects.keys()]);
		if (transactions.length > 0 && this.#random.chance(0.7))
			return { transaction: this.#random.oneOf(transactions) };
		return { block: this.#random.oneOf(recent).hash };
	}
}

function send(client: RecantClient, { key, said }: Request): Promise<WriteAnswer> {
	const options = { idempotencyKey: key, waitMs: WAIT_MS };
	return client.write(CHAIN, said.map(inputOf), options);
}

function inputOf({ id, content = {}, text, anchor, op, layer }: AgentOperation): OperationInput {
	const rests = anchor === undefined ? {} : { anchor };
	if (op === "delete") return { op, id, ...rests };
	const said = { id, content, ...(text === undefined ? {} : { text }), ...rests };
	if (op === "patch") return { op, ...said };
	return { op: "put", ...said, layer: layer ?? "semantic" };
}

function idsOf({ operations }: WriteAnswer): string {
	return operations.map(({ operationId }) => operationId).join(",");
}

/** It was judged, and will not be taken in. */
function isRefusal({ status, retryable }: RecantApiError): boolean {
	return status !== undefined && status >= 400 && status < 500 && !retryable;
}
