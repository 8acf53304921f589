/**
 * The event stream: entries of the logs as they are committed, and progress of rollbacks beside them.
 *
 * A client's place is a log position a chain, so it resumes where it was; its backlog stays in
 * Postgres and is read in batches. Progress has no place: what is missed is missed.
 */
import type { ChainId, LogPosition } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { StageEvent } from "../rollback/stage-clock.ts";
import type { EventView } from "./recant-service.ts";
import type { StateStore, StoredLogEntry } from "./state-store.ts";

/** A commit by another process is seen after this at the latest. */
const LOOK_MS = 1_000;
/** Progress events that one slow client may have waiting; older ones say less than newer ones. */
const PROGRESS_WAITING = 64;

interface Listener {
	readonly wake: () => void;
	readonly progress: EventView[];
}

export class EventFeed {
	readonly #store: StateStore;
	readonly #listeners = new Set<Listener>();

	constructor(store: StateStore) {
		this.#store = store;
	}

	/** Something was committed. */
	committed(): void {
		for (const listener of this.#listeners) listener.wake();
	}

	/** A rollback's stage went on. */
	progressed(event: StageEvent): void {
		const view = progressEvent(event);
		for (const listener of this.#listeners) {
			listener.progress.push(view);
			if (listener.progress.length > PROGRESS_WAITING) listener.progress.shift();
			listener.wake();
		}
	}

	/** Everything after those positions, until the signal aborts. */
	async *follow(
		from: ReadonlyMap<ChainId, LogPosition>,
		types: readonly string[] | undefined,
		signal: AbortSignal,
	): AsyncGenerator<EventView> {
		const places = new Map(from);
		const alarm = new Alarm();
		const listener: Listener = { wake: () => alarm.ring(), progress: [] };
		this.#listeners.add(listener);
		const onAbort = () => alarm.ring();
		signal.addEventListener("abort", onAbort);
		try {
			while (!signal.aborted) {
				const rang = alarm.next();
				for (const event of listener.progress.splice(0)) {
					if (places.has(event.chainId) && wanted(event.type, types)) yield event;
				}
				const more = yield* this.#entries(places, types);
				if (!more && !signal.aborted) await Promise.race([rang, alarm.after(LOOK_MS)]);
			}
		} finally {
			alarm.end();
			signal.removeEventListener("abort", onAbort);
			this.#listeners.delete(listener);
		}
	}

	/** One batch of each chain; answers whether there may be more. */
	async *#entries(
		places: Map<ChainId, LogPosition>,
		types: readonly string[] | undefined,
	): AsyncGenerator<EventView, boolean> {
		let more = false;
		for (const [chainId, after] of places) {
			const entries = await this.#store.log(chainId, {
				after,
				kinds: types,
				limit: LIMITS.eventBatch,
			});
			more ||= entries.length === LIMITS.eventBatch;
			for (const entry of entries) {
				places.set(chainId, entry.position);
				yield logEvent(chainId, entry);
			}
		}
		return more;
	}
}

/** Wakes a loop that waits; a ring between two waits is not lost. */
class Alarm {
	#rung = Promise.withResolvers<void>();
	#timer: NodeJS.Timeout | undefined;

	ring(): void {
		this.#rung.resolve();
	}

	/** Resolves at the next ring after this call. */
	next(): Promise<void> {
		this.#rung = Promise.withResolvers<void>();
		return this.#rung.promise;
	}

	after(ms: number): Promise<void> {
		clearTimeout(this.#timer);
		return new Promise((resolve) => {
			this.#timer = setTimeout(resolve, ms);
		});
	}

	end(): void {
		clearTimeout(this.#timer);
	}
}

function wanted(type: string, types: readonly string[] | undefined): boolean {
	return types === undefined || types.includes(type);
}

function logEvent(chainId: ChainId, entry: StoredLogEntry): EventView {
	return {
		chainId,
		position: entry.position,
		type: entry.kind,
		data: {
			generation: entry.generation.toString(),
			height: entry.height.toString(),
			...(entry.operationId === undefined ? {} : { operationId: entry.operationId }),
			...(JSON.parse(entry.body) as JsonObject),
		},
	};
}

function progressEvent(event: StageEvent): EventView {
	const { rollback } = event;
	return {
		chainId: rollback.chainId,
		position: undefined,
		type: "rollback_progress",
		data: {
			rollbackId: rollback.rollbackId,
			cause: rollback.cause,
			stage: event.stage,
			done: event.done,
			total: event.total,
			stageMs: { ...event.stageMs },
			...(event.etaMs === undefined ? {} : { etaMs: event.etaMs }),
		},
	};
}
