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
import type { StateStore, StoredLogEntry } from "./reading/state-store.ts";
import type { EventView } from "./recant-service.ts";

/** A commit by another process whose notice was missed is seen after this at the latest. */
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
	/** Ends of the logs, as far as they are known here: a client that is there has nothing to read. */
	readonly #ends = new Map<ChainId, LogPosition>();
	#timer: NodeJS.Timeout | undefined;
	/** A look because of a notice, and whether another notice came meanwhile. */
	#looking: Promise<void> | undefined;
	#soundedAgain = false;

	constructor(store: StateStore) {
		this.#store = store;
	}

	/** A chain's log has come that far. */
	committed(chainId: ChainId, position: LogPosition): void {
		if (position <= (this.#ends.get(chainId) ?? 0n)) return;
		this.#ends.set(chainId, position);
		for (const listener of this.#listeners) listener.wake();
	}

	/** Some log may have grown, by another process's commit. */
	heard(): void {
		if (this.#listeners.size === 0) return;
		this.#soundedAgain = this.#looking !== undefined;
		// As `#add` says of a look that fails.
		this.#looking ??= this.#look()
			.catch(() => undefined)
			.finally(() => {
				this.#looking = undefined;
				if (this.#soundedAgain) this.heard();
			});
	}

	/** Whether anybody reads the events here. */
	get isRead(): boolean {
		return this.#listeners.size > 0;
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
		const onAbort = () => alarm.ring();
		signal.addEventListener("abort", onAbort);
		this.#add(listener);
		try {
			await this.#look();
			while (!signal.aborted) {
				const rang = alarm.next();
				for (const event of listener.progress.splice(0)) {
					if (places.has(event.chainId) && wanted(event.type, types)) yield event;
				}
				const more = yield* this.#entries(places, types);
				if (!more && !signal.aborted) await rang;
			}
		} finally {
			signal.removeEventListener("abort", onAbort);
			this.#remove(listener);
		}
	}

	/** One batch of each chain; answers whether there may be more. */
	async *#entries(
		places: Map<ChainId, LogPosition>,
		types: readonly string[] | undefined,
	): AsyncGenerator<EventView, boolean> {
		let more = false;
		for (const [chainId, after] of places) {
			const end = this.#ends.get(chainId) ?? after;
			if (end <= after) continue;
			const entries = await this.#store.log(chainId, {
				after,
				kinds: types,
				limit: LIMITS.eventBatch,
			});
			for (const entry of entries) {
				places.set(chainId, entry.position);
				yield logEvent(chainId, entry);
			}
			if (entries.length === LIMITS.eventBatch) more = true;
			// What was left out as of another type need not be looked through again.
			else if (end > (places.get(chainId) ?? after)) places.set(chainId, end);
		}
		return more;
	}

	#add(listener: Listener): void {
		this.#listeners.add(listener);
		// A look that fails is no client's error: the next one tells as much.
		this.#timer ??= setInterval(() => void this.#look().catch(() => undefined), LOOK_MS);
	}

	#remove(listener: Listener): void {
		this.#listeners.delete(listener);
		if (this.#listeners.size > 0) return;
		clearInterval(this.#timer);
		this.#timer = undefined;
	}

	/** One query for all clients. */
	async #look(): Promise<void> {
		for (const [chainId, position] of await this.#store.logEnds())
			this.committed(chainId, position);
	}
}

/** Wakes a loop that waits. */
class Alarm {
	#rung = Promise.withResolvers<void>();

	ring(): void {
		this.#rung.resolve();
	}

	/** Resolves at the next ring after this call. */
	next(): Promise<void> {
		this.#rung = Promise.withResolvers<void>();
		return this.#rung.promise;
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
			...(event.ratePerSecond === undefined ? {} : { ratePerSecond: event.ratePerSecond }),
			...(event.etaMs === undefined ? {} : { etaMs: event.etaMs }),
		},
	};
}
