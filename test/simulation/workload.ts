/**
 * Agents that write while everything fails: random requests, drawn from what an agent can know, and sent to
 * the service's own code. Whoever gets no answer asks again under the same key, perhaps elsewhere.
 *
 * What was asked and what was answered is written down; the oracle holds the one against the other.
 */
import type { Clock } from "../../src/domain/clock.ts";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { Hex, OperationId, VersionId } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import { linkInContent } from "../../src/domain/link.ts";
import {
	DEFAULT_COLLECTION,
	type JsonObject,
	type MemoryBody,
	type Operation,
} from "../../src/domain/operation.ts";
import type { AgentWrite, AgentWrites, Written } from "../../src/service/writing/agent-writes.ts";
import { Random } from "../support/random.ts";
import { RandomOperations } from "../support/random-operations.ts";
import { lastOf, type Says } from "../support/reference-history.ts";
import type { ModelOperation, ReferenceModel } from "../support/reference-model.ts";
import { ConnectionLost } from "./machine.ts";
import type { RunReads } from "./run-reads.ts";
import type { AskedRequest, SimHistory } from "./sim-history.ts";

export type AgentPort = Pick<AgentWrites, "write">;

export interface SimRequest extends AskedRequest {
	readonly writes: readonly AgentWrite[];
	/** Every answer that came, in order. */
	readonly answers: Written[];
	/** Code with which it was refused for good; nothing of it takes effect, now or ever. */
	refused: string | undefined;
}

export interface WorkloadOptions {
	readonly random: Random;
	/** The world's, which no fault touches. */
	readonly clock: Pick<Clock, "sleep">;
	/** Processes that can be asked now. */
	readonly ports: () => readonly AgentPort[];
	readonly reads: RunReads;
	/** What agents can know; the oracle goes on with it. */
	readonly history: SimHistory;
}

/** How often a request is sent before an agent waits for better times. */
const TRIES = 4;
/** In better times. */
const LAST_TRIES = 60;
const PAUSE_MS = 500;

type Attempt =
	| { readonly type: "answered"; readonly written: Written }
	| { readonly type: "refused"; readonly code: string }
	/** Nobody knows whether it was taken in. */
	| { readonly type: "unknown" };

export class Workload {
	readonly requests: SimRequest[] = [];
	readonly counts: Record<string, number> = {};
	/** Errors that no caller should ever see. */
	readonly defects: unknown[] = [];
	readonly #options: WorkloadOptions;
	readonly #seed: number;
	/** Of the request that is made now. */
	readonly #random = new RandomInTurn();
	readonly #draw: RandomOperations;
	readonly #under = new Set<Promise<void>>();
	#stopped = false;
	#asked = 0;

	constructor(options: WorkloadOptions) {
		this.#options = options;
		this.#seed = options.random.between(0, 2 ** 31);
		this.#draw = new RandomOperations(this.#random, options.history.model);
	}

	/** An agent writes something. Leaving one out changes little of the others: each has draws of its own. */
	one(nth = this.requests.length): void {
		if (this.#stopped) return;
		const work = this.#one(new Random(this.#seed ^ Math.imul(nth + 1, 0x9e3779b1)))
			.catch((error: unknown) => {
				this.defects.push(error);
			})
			.finally(() => {
				this.#under.delete(work);
			});
		this.#under.add(work);
	}

	/** No more requests; resolves when those under way have an answer, or were given up. */
	async stop(): Promise<void> {
		this.#stopped = true;
		await Promise.all(this.#under);
	}

	/** Asks for what was never answered, under the same key, until it is. */
	async retryAll(): Promise<void> {
		const open = this.requests.filter((each) => each.key !== undefined && !isSettled(each));
		for (const request of open) {
			await this.#insist(request, LAST_TRIES, this.#options.random);
			if (!isSettled(request)) throw new Error(`request ${request.index} is never answered`);
		}
		await this.#options.history.refresh();
	}

	async #one(random: Random): Promise<void> {
		const { history } = this.#options;
		await history.refresh();
		if (!history.hasHead) return;
		const request = await this.#drawn(random);
		this.requests.push(request);
		history.asks(request);
		this.#count("requests");
		if (request.key === undefined) return this.#try(request, random);
		if (random.chance(0.08)) {
			this.#count("sentTwice");
			await Promise.all([this.#try(request, random), this.#try(request, random)]);
		}
		await this.#insist(request, TRIES, random);
		// Now and then somebody asks again for what was answered already.
		if (random.chance(0.1)) await this.#try(request, random);
	}

	async #insist(request: SimRequest, tries: number, random: Random): Promise<void> {
		for (let nth = 0; nth < tries && !isSettled(request); nth += 1) {
			if (nth > 0) await this.#options.clock.sleep(PAUSE_MS * random.next());
			await this.#try(request, random);
		}
	}

	async #try(request: SimRequest, random: Random): Promise<void> {
		const attempt = await this.#attempt(request, random);
		if (attempt.type === "unknown") {
			this.#count("unanswered");
			return;
		}
		if (attempt.type === "refused") {
			this.#count(`refused ${attempt.code}`);
			request.refused ??= attempt.code;
			return;
		}
		const { written } = attempt;
		request.answers.push(written);
		this.#count(written.committed ? "acknowledged" : "accepted");
		if (written.repeated) this.#count("repeated");
		this.#options.history.got(
			request,
			written.operations.map(({ operationId }) => operationId),
		);
	}

	/** Never rejects, and ends in bounded time. */
	async #attempt({ writes, key }: SimRequest, random: Random): Promise<Attempt> {
		const { clock, ports } = this.#options;
		const open = ports();
		const deadlineMs = random.oneOf([0, 200, 1_000, 3_000]);
		const patienceMs = deadlineMs + random.between(500, 4_000);
		if (open.length === 0) {
			await clock.sleep(patienceMs);
			return { type: "unknown" };
		}
		const asked = random.oneOf(open).write({ writes, idempotencyKey: key, deadlineMs });
		const over = clock.sleep(patienceMs).then((): Attempt => ({ type: "unknown" }));
		const answered = asked.then(
			(written): Attempt => ({ type: "answered", written }),
			(error: unknown) => this.#failed(error),
		);
		return Promise.race([answered, over]);
	}

	#failed(error: unknown): Attempt {
		if (error instanceof RetryableError || error instanceof ConnectionLost) {
			this.#count(`failed ${error instanceof RetryableError ? error.code : "connection"}`);
			return { type: "unknown" };
		}
		if (!(error instanceof FatalError) || error.code === "internal") {
			this.defects.push(error);
			return { type: "unknown" };
		}
		return { type: "refused", code: error.code };
	}

	async #drawn(random: Random): Promise<SimRequest> {
		const index = this.requests.length;
		const isKeyed = random.chance(0.8);
		const count = isKeyed && random.chance(0.25) ? random.between(2, 3) : 1;
		const operations: ModelOperation[] = [];
		const writes: AgentWrite[] = [];
		for (let place = 0; place < count; place += 1) {
			this.#random.turn(random);
			const drawn = this.#drawOne(isKeyed ? undefined : index, random);
			operations.push(drawn);
			writes.push(await this.#writeOf(drawn, place));
		}
		const key = isKeyed ? `request-${index}` : undefined;
		return { index, key, operations, writes, answers: [], refused: undefined };
	}

	/** `only`: a number that tells it from every other, where no key does. */
	#drawOne(only: number | undefined, random: Random): ModelOperation {
		for (;;) {
			this.#asked += 1;
			const drawn = this.#draw.operation(`asked-${this.#asked}`);
			if (only === undefined) return withMeaning(drawn, random);
			if (drawn.says === undefined || drawn.link !== undefined) continue;
			const content = { ...drawn.says.content, only };
			return withMeaning({ ...drawn, says: { ...drawn.says, content } }, random);
		}
	}

	async #writeOf(of: ModelOperation, place: number): Promise<AgentWrite> {
		const { history, reads } = this.#options;
		const { condition } = of;
		const ifVersion =
			condition === undefined
				? undefined
				: condition.type === "absent"
					? 0n
					: // Gone meanwhile: a version that there never was.
						((await reads.versionOf(condition.operationId as OperationId)) ?? NO_VERSION);
		return {
			operation: operationOf(of, ifVersion, history.model),
			anchors: {
				mode: of.mode,
				anchors: of.anchors.map((anchor) =>
					"block" in anchor
						? { block: anchor.block as Hex }
						: { transaction: anchor.transaction as Hex },
				),
			},
			sources: of.sources.map((set) =>
				set.map((source) => ({ ...source, contentHash: source.contentHash as Hex })),
			),
			policy: of.onLoss,
			askedPolicy: of.onLoss,
			path: `operations[${place}]`,
		};
	}

	#count(what: string): void {
		this.counts[what] = (this.counts[what] ?? 0) + 1;
	}
}

const NO_VERSION = 2n ** 60n;

/** Draws of whoever's turn it is. */
class RandomInTurn extends Random {
	#whose = new Random(0);

	constructor() {
		super(0);
	}

	turn(whose: Random): void {
		this.#whose = whose;
	}

	override next(): number {
		return this.#whose.next();
	}
}

/** Its fate is told: acknowledged, or refused. */
function isSettled({ answers, refused }: SimRequest): boolean {
	return refused !== undefined || answers.some(({ committed }) => committed);
}

const TEXT = 0.4;
const WEIGHT = 0.15;

/** Some say something that is embedded, and how much it counts. */
function withMeaning(of: ModelOperation, random: Random): ModelOperation {
	if (of.link !== undefined) return of;
	const text = `what is said of ${of.id} ${random.between(0, 4)}`;
	const meaning = {
		...(random.chance(TEXT) ? { text } : {}),
		...(random.chance(WEIGHT) ? { importance: random.between(0, 4) / 4 } : {}),
		...(random.chance(WEIGHT) ? { confidence: random.between(0, 4) / 4 } : {}),
	};
	if (of.says !== undefined) return { ...of, says: { ...of.says, ...meaning } };
	return of.patch === undefined ? of : { ...of, patch: { ...of.patch, ...meaning } };
}

function operationOf(
	of: ModelOperation,
	ifVersion: VersionId | undefined,
	model: ReferenceModel,
): Operation {
	const { namespace, id } = of;
	const target = { namespace, id, ifVersion };
	if (of.link !== undefined) {
		const weight = Number(of.says?.content["weight"]);
		return { kind: "link", ...target, link: of.link, weight, properties: undefined };
	}
	if (of.kind === "patch") {
		const { content = {}, text, importance, confidence } = of.patch ?? {};
		return {
			kind: "patch",
			...target,
			content: content as JsonObject,
			text,
			importance,
			confidence,
		};
	}
	if (of.says !== undefined) {
		return { kind: of.isAction ? "action" : "put", ...target, body: bodyOf(of.says) };
	}
	const link = linkInContent((lastOf(model.history, of)?.says?.content ?? {}) as JsonObject);
	return link === undefined ? { kind: "delete", ...target } : { kind: "unlink", ...target, link };
}

function bodyOf(says: Says): MemoryBody {
	return {
		layer: says.layer as Layer,
		content: says.content as JsonObject,
		text: says.text,
		vector: undefined,
		collection: says.text === undefined ? undefined : DEFAULT_COLLECTION,
		importance: says.importance,
		confidence: says.confidence,
		expiresAtBlock: says.expiresAtBlock,
		expiresAtTime: says.expiresAtTime,
	};
}
