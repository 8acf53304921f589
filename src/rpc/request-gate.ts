/**
 * How many requests, and how many calls a second, one provider is given. Neither limit is published, and both
 * depend on a plan and on the hour, so they are learned: a sign of too much takes them down by a share at once,
 * answers take them up a little at a time.
 *
 * Invariants
 * 1. At least one request is let through at a time, at most LIMITS.rpcRequests.
 * 2. Requests of one kind are let through in the order in which they came. A light one goes past heavy ones that
 *    wait, so that a head needs not wait for a backfill; but no heavy one that is next is passed by more than
 *    MOST_PASSING of them, so that it gets its turn however many light ones come.
 * 3. Signs of too much that were under way together count once.
 * 4. The rate is limited only once a provider said that it limits it, and not for good: never below LEAST_RATE, and
 *    where nothing is refused for QUIET_MS it is free again within half a minute more.
 * 5. Whoever is next waits for calls of two seconds at most, however much was sent before: batches that were made
 *    before the limit was known once had all that came after them wait for minutes.
 */
import type { Clock } from "../domain/clock.ts";
import { LIMITS } from "../domain/limits.ts";

/** What a request was let through with; to be handed back when it is over, however it ended. */
export interface Pass {
	readonly startedMs: number;
	/** With it more than half of what is let through was under way: its answer says something of the limit. */
	readonly isBusy: boolean;
}

export type PassAnswer =
	| { readonly type: "pass"; readonly pass: Pass }
	/** Too many wait already; it was sent away while it waited; the gate was closed. */
	| { readonly type: "full" | "sent_away" | "closed" };

/** Light: a small question, such as for a head. It costs the provider little, and somebody waits for it. */
export type Weight = "light" | "heavy";

interface Waiting {
	readonly calls: number;
	readonly enter: (answer: PassAnswer) => void;
}

/** Light requests that may go past one heavy request that is next: a poll asks for less at once. */
const MOST_PASSING = 8;
/** As many as follower, anchors and a backfill ask at once; a provider that bears less says so. */
const FIRST_REQUESTS = 32;
const SHRINK = 0.5;
const GROW_REQUESTS = 2;
/** Share of the calls of the last second that is asked for after a provider found them too many. */
const SHRINK_RATE = 0.7;
/** How long a rate must have been borne before more is tried, and how much more. */
interface Growth {
	readonly factor: number;
	readonly everyMs: number;
}

const SLOWLY: Growth = { factor: 1.1, everyMs: 5_000 };
/** After a refusal that stands alone, or long ago: a provider may refuse for reasons that are not ours. */
const SOON: Growth = { factor: 1.5, everyMs: 2_000 };
const ALONE_MS = 60_000;
/** Longer than what is borne takes to be tried past by SLOWLY: from SHRINK_RATE of it four steps. */
const QUIET_MS = 25_000;
/**
 * With less a chain stands still. Who bears less refuses some, and is put aside each time for longer, which
 * limits the rate as well.
 */
const LEAST_RATE = 5;
/** Past this the network is the limit, and the rate is left alone again. */
const MOST_RATE = 5_000;
const SECOND_MS = 1_000;

export class RequestGate {
	readonly #clock: Clock;
	readonly #waiting: Readonly<Record<Weight, Waiting[]>> = { light: [], heavy: [] };
	/** Light requests that went past the heavy one that is next. */
	#passing = 0;
	#requests = FIRST_REQUESTS;
	#underWay = 0;
	#shrunkAtMs = Number.NEGATIVE_INFINITY;
	/** Calls a second; undefined: not limited. */
	#rate: number | undefined;
	#rateSetAtMs = Number.NEGATIVE_INFINITY;
	#refusedAtMs = Number.NEGATIVE_INFINITY;
	#growth: Growth = SOON;
	/** Calls that may be sent now, in [-rate, rate]; negative after a request larger than what a second brings. */
	#tokens = 0;
	#tokensAtMs = 0;
	/** What was sent in the present second and in the one before it. */
	#sent = { atMs: Number.NEGATIVE_INFINITY, calls: 0, before: 0 };
	#stopTimer: (() => void) | undefined;
	#closed = false;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Calls a second that it is held to; undefined: as many as come. */
	get callsPerSecond(): number | undefined {
		return this.#rate;
	}

	/** Calls that one request should hold at most, so that it needs not wait for longer than a second. */
	get mostCalls(): number {
		return this.#rate === undefined ? LIMITS.rpcBatchCalls : Math.max(1, Math.floor(this.#rate));
	}

	get figures(): { readonly atMost: number; readonly underWay: number; readonly waiting: number } {
		return {
			atMost: Math.floor(this.#requests),
			underWay: this.#underWay,
			waiting: this.#waiting.light.length + this.#waiting.heavy.length,
		};
	}

	/** Resolves when the request may be sent. As many of either weight may wait as LIMITS.rpcWaitingRequests. */
	async enter(calls: number, weight: Weight = "heavy"): Promise<PassAnswer> {
		if (this.#closed) return { type: "closed" };
		if (this.#next === undefined && this.#admits(calls)) return this.#pass(calls);
		const waiting = this.#waiting[weight];
		if (waiting.length >= LIMITS.rpcWaitingRequests) return { type: "full" };
		return new Promise((resolve) => {
			waiting.push({ calls, enter: resolve });
			this.#pump();
		});
	}

	/** The request is over. `isTooMuch`: it ended in a way that a provider has who is asked too much. */
	leave(pass: Pass, how: { readonly isTooMuch: boolean }): void {
		this.#underWay -= 1;
		if (how.isTooMuch) this.#shrink(pass);
		else this.#grow(pass);
		this.#pump();
	}

	/** The provider said that it limits the rate. */
	limitRate(pass: Pass): void {
		if (pass.startedMs <= this.#refusedAtMs) return;
		const now = this.#clock.now();
		this.#growth = now - this.#refusedAtMs > ALONE_MS ? SOON : SLOWLY;
		this.#refusedAtMs = now;
		const borne = Math.max(this.#sentLately(), LEAST_RATE);
		const rate = Math.min(this.#rate ?? borne, borne) * SHRINK_RATE;
		this.#setRate(Math.max(LEAST_RATE, rate));
	}

	/** Whoever waits need not any more: the provider hangs, and another may be asked. */
	sendAway(): void {
		this.#end("sent_away");
	}

	/** Whoever waits is told so. */
	close(): void {
		this.#closed = true;
		this.#end("closed");
	}

	#end(type: "sent_away" | "closed"): void {
		this.#stopTimer?.();
		this.#stopTimer = undefined;
		const { light, heavy } = this.#waiting;
		this.#passing = 0;
		for (const { enter } of [...light.splice(0), ...heavy.splice(0)]) enter({ type });
	}

	/** Of which weight the request is that is let through next; undefined: none waits. */
	get #next(): Weight | undefined {
		const { light, heavy } = this.#waiting;
		if (heavy.length === 0) return light.length === 0 ? undefined : "light";
		return light.length > 0 && this.#passing < MOST_PASSING ? "light" : "heavy";
	}

	#admits(calls: number): boolean {
		if (this.#underWay >= Math.floor(this.#requests)) return false;
		return this.#waitMs(calls) === 0;
	}

	#pass(calls: number): PassAnswer {
		this.#underWay += 1;
		const now = this.#clock.now();
		if (this.#rate !== undefined) this.#tokens = Math.max(this.#tokens - calls, -this.#rate);
		this.#countSent(calls, now);
		const isBusy = 2 * this.#underWay > Math.floor(this.#requests);
		return { type: "pass", pass: { startedMs: now, isBusy } };
	}

	#pump(): void {
		this.#stopTimer?.();
		this.#stopTimer = undefined;
		for (let weight = this.#next; weight !== undefined; weight = this.#next) {
			const [next] = this.#waiting[weight];
			if (next === undefined || this.#underWay >= Math.floor(this.#requests)) return;
			const waitMs = this.#waitMs(next.calls);
			if (waitMs > 0) {
				this.#stopTimer = this.#clock.after(waitMs, () => this.#pump());
				return;
			}
			this.#waiting[weight].shift();
			const isPassing = weight === "light" && this.#waiting.heavy.length > 0;
			this.#passing = isPassing ? this.#passing + 1 : 0;
			next.enter(this.#pass(next.calls));
		}
	}

	/** Milliseconds until so many calls may be sent; more than a second brings wait for a full second. */
	#waitMs(calls: number): number {
		if (this.#rate === undefined) return 0;
		const now = this.#clock.now();
		const gained = ((now - this.#tokensAtMs) * this.#rate) / SECOND_MS;
		this.#tokens = Math.min(this.#tokens + gained, this.#rate);
		this.#tokensAtMs = now;
		const missing = Math.min(calls, this.#rate) - this.#tokens;
		// A fraction that floating-point left over would be waited for in no time, again and again.
		return missing <= 1e-6 ? 0 : Math.max(1, Math.ceil((missing / this.#rate) * SECOND_MS));
	}

	#shrink({ startedMs }: Pass): void {
		if (startedMs <= this.#shrunkAtMs) return;
		this.#shrunkAtMs = this.#clock.now();
		this.#requests = Math.max(1, Math.floor(this.#requests) * SHRINK);
	}

	#grow({ isBusy, startedMs }: Pass): void {
		// One more for a round of as many answers as there may be requests, of which half count.
		if (isBusy && startedMs > this.#shrunkAtMs)
			this.#requests = Math.min(
				LIMITS.rpcRequests,
				this.#requests + GROW_REQUESTS / Math.floor(this.#requests),
			);
		const now = this.#clock.now();
		const { factor, everyMs } = now - this.#refusedAtMs >= QUIET_MS ? SOON : this.#growth;
		if (this.#rate === undefined || now - this.#rateSetAtMs < everyMs) return;
		this.#setRate(this.#rate * factor);
	}

	#setRate(rate: number): void {
		const now = this.#clock.now();
		if (this.#rate === undefined) {
			this.#tokens = 0;
			this.#tokensAtMs = now;
		}
		this.#rateSetAtMs = now;
		this.#rate = rate > MOST_RATE ? undefined : rate;
		// What was overdrawn at a higher rate must not be paid back at a lower one.
		this.#tokens = Math.max(this.#tokens, -rate);
	}

	#countSent(calls: number, now: number): void {
		const { atMs } = this.#sent;
		if (now - atMs >= SECOND_MS) {
			const before = now - atMs < 2 * SECOND_MS ? this.#sent.calls : 0;
			this.#sent = { atMs: now, calls: 0, before };
		}
		this.#sent.calls += calls;
	}

	/** The larger of two seconds: the present one may just have begun. */
	#sentLately(): number {
		return Math.max(this.#sent.calls, this.#sent.before);
	}
}
