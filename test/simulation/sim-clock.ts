/**
 * Virtual time. One queue of events, ordered by (time, sequence), is all that ever happens in a
 * simulation; time stands while code runs, and moves on only when nothing is left to run.
 *
 * Each process has a clock of its own on it, which can be skewed, stopped for a while (SIGSTOP), or cut
 * for good (SIGKILL): whatever enters a process (a timer, an answer, a call from outside) comes through its
 * clock, so a process that is cut runs no further line, and one that is stopped runs none before it goes on.
 */
import type { Clock } from "../../src/domain/clock.ts";
import { Random } from "../support/random.ts";

/** Events at one and the same moment before a run counts as one that goes in a circle. */
const EVENTS_AT_ONCE = 200_000;

interface Event {
	readonly atMs: number;
	readonly seq: number;
	/** Undefined: it was taken back. */
	work: (() => void) | undefined;
}

/** Something went wrong in the simulation itself, or in what it shows. */
export class SimulationError extends Error {
	override readonly name: string = "SimulationError";
}

export class VirtualTime {
	#nowMs = 0;
	#seq = 0;
	#fired = 0;
	#atOnce = 0;
	/** Binary heap. */
	readonly #events: Event[] = [];
	/** Calls of real servers that are under way; time waits for them. */
	#real = 0;
	#realOver: (() => void) | undefined;

	get nowMs(): number {
		return this.#nowMs;
	}

	/** Events that were run so far. */
	get fired(): number {
		return this.#fired;
	}

	/** Runs `work` after `ms`, behind what was put there before; the answer takes it back. */
	in(ms: number, work: () => void): () => void {
		const event: Event = { atMs: this.#nowMs + Math.max(0, ms), seq: this.#seq, work };
		this.#seq += 1;
		push(this.#events, event);
		return () => {
			event.work = undefined;
		};
	}

	/** Time stands until it has settled. */
	async real<Result>(call: Promise<Result>): Promise<Result> {
		this.#real += 1;
		try {
			return await call;
		} finally {
			this.#real -= 1;
			if (this.#real === 0) {
				this.#realOver?.();
				this.#realOver = undefined;
			}
		}
	}

	/** Runs what is due up to `untilMs` (inclusive), or until `isOver` says so between two events. */
	async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
		await this.#settled();
		while (!isOver()) {
			const event = this.#next(untilMs);
			if (event === undefined) {
				this.#nowMs = Math.max(this.#nowMs, untilMs);
				return;
			}
			this.#move(event.atMs);
			this.#fired += 1;
			event.work?.();
			await this.#settled();
		}
	}

	#move(atMs: number): void {
		this.#atOnce = atMs > this.#nowMs ? 0 : this.#atOnce + 1;
		if (this.#atOnce > EVENTS_AT_ONCE) {
			throw new SimulationError(
				`time stands still at ${this.#nowMs} ms: something goes in a circle`,
			);
		}
		this.#nowMs = Math.max(this.#nowMs, atMs);
	}

	#next(untilMs: number): Event | undefined {
		for (;;) {
			const first = this.#events[0];
			if (first === undefined || (first.atMs > untilMs && first.work !== undefined))
				return undefined;
			const event = pop(this.#events);
			if (event?.work !== undefined) return event;
		}
	}

	/** Everything that can run without time has run: an immediate comes behind all microtasks. */
	async #settled(): Promise<void> {
		await immediate();
		while (this.#real > 0) {
			await new Promise<void>((resolve) => {
				this.#realOver = resolve;
			});
			await immediate();
		}
	}
}

function immediate(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve);
	});
}

function isBefore(left: Event, right: Event): boolean {
	return left.atMs < right.atMs || (left.atMs === right.atMs && left.seq < right.seq);
}

function push(heap: Event[], event: Event): void {
	let index = heap.length;
	heap.push(event);
	while (index > 0) {
		const up = (index - 1) >> 1;
		const parent = heap[up];
		if (parent === undefined || !isBefore(event, parent)) break;
		heap[index] = parent;
		index = up;
	}
	heap[index] = event;
}

function pop(heap: Event[]): Event | undefined {
	const first = heap[0];
	const last = heap.pop();
	if (first === undefined || last === undefined || heap.length === 0) return first;
	let index = 0;
	for (;;) {
		let below = 2 * index + 1;
		let child = heap[below];
		if (child === undefined) break;
		const other = heap[below + 1];
		if (other !== undefined && isBefore(other, child)) {
			child = other;
			below += 1;
		}
		if (!isBefore(child, last)) break;
		heap[index] = child;
		index = below;
	}
	heap[index] = last;
	return first;
}

export interface ProcessClockOptions {
	readonly seed: number;
	/** How fast this machine's clock goes; 1 is true. */
	readonly rate: number;
	/** How wrong its wall clock is. */
	readonly skewMs: number;
}

export class ProcessClock implements Clock {
	readonly #time: VirtualTime;
	readonly #random: Random;
	readonly #rate: number;
	readonly #begunMs: number;
	#skewMs: number;
	#cut = false;
	/** What came while the process is stopped; undefined: it is not. */
	#held: (() => void)[] | undefined;

	constructor(time: VirtualTime, { seed, rate, skewMs }: ProcessClockOptions) {
		this.#time = time;
		this.#random = new Random(seed);
		this.#rate = rate;
		this.#skewMs = skewMs;
		this.#begunMs = time.nowMs;
	}

	get isCut(): boolean {
		return this.#cut;
	}

	get isStopped(): boolean {
		return this.#held !== undefined;
	}

	now(): number {
		return (this.#time.nowMs - this.#begunMs) * this.#rate;
	}

	/** The simulation's epoch is some day of 2026. */
	wallMs(): number {
		return 1_767_225_600_000 + Math.round(this.#time.nowMs) + this.#skewMs;
	}

	random(): number {
		return this.#random.next();
	}

	after(ms: number, work: () => void): () => void {
		return this.#time.in(ms / this.#rate, () => this.enter(work));
	}

	every(ms: number, work: () => void): () => void {
		let cancel: () => void = () => undefined;
		let ended = false;
		const next = () => {
			cancel = this.after(ms, () => {
				if (ended) return;
				next();
				work();
			});
		};
		next();
		return () => {
			ended = true;
			cancel();
		};
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		if (signal?.aborted === true) return Promise.resolve();
		return new Promise((resolve) => {
			const cancel = this.after(ms, () => {
				signal?.removeEventListener("abort", early);
				resolve();
			});
			const early = () => {
				cancel();
				resolve();
			};
			signal?.addEventListener("abort", early, { once: true });
		});
	}

	/** Whatever runs code of the process comes through here. */
	enter(work: () => void): void {
		if (this.#cut) return;
		if (this.#held === undefined) work();
		else this.#held.push(work);
	}

	/** SIGKILL: nothing of the process runs any more, ever. */
	cut(): void {
		this.#cut = true;
		this.#held = undefined;
	}

	/** SIGSTOP. */
	stop(): void {
		if (!this.#cut) this.#held ??= [];
	}

	/** SIGCONT: what came meanwhile comes now, in order. */
	goOn(): void {
		const held = this.#held ?? [];
		this.#held = undefined;
		for (const work of held) this.#time.in(0, () => this.enter(work));
	}

	jumpWall(ms: number): void {
		this.#skewMs += ms;
	}
}
