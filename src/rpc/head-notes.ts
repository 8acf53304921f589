/**
 * The heads that the providers of a chain showed last, and whether one of them is far off the others.
 *
 * Behind is told by one other provider, since a higher head is what every node moves to: but only by a head
 * that was seen before, as a chain moves on between two looks. Ahead is told by two others at least that go on
 * and are not catching up themselves; that a chain moved on since they were looked at is allowed for. So nodes
 * that stand still, or that are still syncing, do not put the one aside that goes on.
 */
import type { Clock } from "../domain/clock.ts";
import type { Height } from "../domain/ids.ts";

export interface Head {
	readonly height: Height;
	/** The block's, in seconds; undefined where only the height is known. */
	readonly timestamp: bigint | undefined;
}

/** `blocks` is at least 1. */
export type HeadVerdict =
	| { readonly type: "level" }
	| { readonly type: "lagging"; readonly blocks: bigint }
	| { readonly type: "ahead"; readonly blocks: bigint };

interface Note<Who> {
	readonly head: Head;
	/** From where the chain's pace is measured. */
	readonly paceFrom: Head;
	readonly atMs: number;
	/** When its height was another one last. */
	readonly movedAtMs: number;
	readonly verdict: HeadVerdict;
	/** Whose heads it was found to lag behind; empty unless it lags. */
	readonly behind: readonly Who[];
}

/** How far a head is behind others. */
interface Lag<Who> {
	/** 0: it is level. */
	readonly blocks: bigint;
	readonly behind: readonly Who[];
}

interface HeadNotesOptions<Who> {
	readonly clock: Clock;
	/** Whether a provider's head says something about the others' now. */
	readonly counts: (who: Who) => boolean;
	/** Told when a verdict becomes one of another type. */
	readonly onVerdict: (who: Who, verdict: HeadVerdict) => void;
}

const LEVEL: HeadVerdict = { type: "level" };
/** Nodes import a block within seconds of one another; below it nobody lags. */
const LAG_MS = 10_000;
const LAG_BLOCKS = 3n;
/** How many seconds of a chain its pace is measured over. */
const MEASURED_S = 10n;
/** So many times as far as what makes a node lag is far ahead: one node may be first by a little. */
const AHEAD_FACTOR = 4n;
/** What is older says nothing, neither of a head nor of whether it moves. */
const STALE_MS = 60_000;
/** A head whose block is older than this is one of a node that is still syncing, on a chain that keeps time. */
const TIP_MS = 120_000;
/** What a chain may have for all we know, until its pace was seen. */
const FAST_BLOCK_MS = 100;

export class HeadNotes<Who> {
	readonly #options: HeadNotesOptions<Who>;
	readonly #notes = new Map<Who, Note<Who>>();
	readonly #listeners = new Set<(who: Who, head: Head) => void>();
	/** Milliseconds between two blocks, as their timestamps say; undefined: not known yet. */
	#blockMs: number | undefined;

	constructor(options: HeadNotesOptions<Who>) {
		this.#options = options;
	}

	get blockMs(): number | undefined {
		return this.#blockMs;
	}

	headOf(who: Who): Height | undefined {
		return this.#notes.get(who)?.head.height;
	}

	/** Level too when its head was not seen for STALE_MS: nobody is put aside for what is not known any more. */
	verdictOf(who: Who): HeadVerdict {
		const note = this.#notes.get(who);
		return note !== undefined && this.#now - note.atMs < STALE_MS ? note.verdict : LEVEL;
	}

	/** How long ago the provider showed a head; undefined: never. */
	ageMs(who: Who): number | undefined {
		const note = this.#notes.get(who);
		return note && this.#now - note.atMs;
	}

	/** How long its head has been the same. */
	standsMs(who: Who): number {
		const note = this.#notes.get(who);
		return note === undefined ? 0 : this.#now - note.movedAtMs;
	}

	/** The highest head that counts; undefined: none does. */
	get highest(): Height | undefined {
		return highest(this.#counted());
	}

	/** Calls `listener` at each head that is noted; the answer ends it. */
	listen(listener: (who: Who, head: Head) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	note(who: Who, head: Head): void {
		const atMs = this.#now;
		const before = this.#notes.get(who);
		const paceFrom = this.#measure(before?.paceFrom, head);
		const movedAtMs = before?.head.height === head.height ? before.movedAtMs : atMs;
		const { verdict = LEVEL, behind = [] } = before ?? {};
		this.#notes.set(who, { head, paceFrom, atMs, movedAtMs, verdict, behind });
		if (this.#notes.size > 1) this.#judge(who);
		for (const listener of this.#listeners) listener(who, head);
	}

	/**
	 * Whose heads count has changed, or one came back: who lagged behind such ones alone lags no more. Who is
	 * still behind one of those that it was held against goes on to lag, however lately that was seen.
	 */
	reconsider(): void {
		for (const [who, note] of [...this.#notes])
			if (note.verdict.type === "lagging" && !this.#isStillBehind(note)) this.#find(who, LEVEL);
	}

	/** Who is ahead first: its head must not make the others lag, and those that it did lag no more. */
	#judge(noted: Who): void {
		for (const [who, note] of [...this.#notes]) {
			const blocks = this.#lead(who, note);
			if (blocks > 0n) this.#find(who, { type: "ahead", blocks });
			else if (note.verdict.type === "ahead") this.#find(who, LEVEL);
		}
		this.#findLag(noted);
		// Of the others the heads that they were held against are gone: what was found then stays.
		this.reconsider();
	}

	#findLag(who: Who): void {
		const note = this.#notes.get(who);
		if (note === undefined || note.verdict.type === "ahead") return;
		const { blocks, behind } = this.#lag(who, note);
		this.#find(who, blocks > 0n ? { type: "lagging", blocks } : LEVEL, behind);
	}

	#isStillBehind({ head, behind }: Note<Who>): boolean {
		const others = this.#counted().filter(
			([other]) => behind.includes(other) && this.verdictOf(other).type !== "ahead",
		);
		const best = highest(others);
		return best !== undefined && best - head.height > this.#tolerance() / 2n;
	}

	#find(who: Who, verdict: HeadVerdict, behind: readonly Who[] = []): void {
		const note = this.#notes.get(who);
		if (note === undefined) return;
		this.#notes.set(who, { ...note, verdict, behind });
		if (verdict.type !== note.verdict.type) this.#options.onVerdict(who, verdict);
	}

	/** By how many blocks it is too far ahead of at least two others; 0: it is not. */
	#lead(who: Who, { head }: Note<Who>): bigint {
		const others = this.#counted().filter(([other]) => other !== who);
		const best = highest(others);
		if (best === undefined || others.length < 2) return 0n;
		const lead = head.height - best;
		const oldestMs = Math.min(...others.map(([, { atMs }]) => atMs));
		const since = (2 * (this.#now - oldestMs)) / (this.#blockMs ?? FAST_BLOCK_MS);
		if (lead <= this.#tolerance() * AHEAD_FACTOR + BigInt(Math.ceil(since))) return 0n;
		return others.every(([, other]) => this.#goesOn(other, head)) ? lead : 0n;
	}

	/** It moves, and is no node that catches up with one that is where the time is. */
	#goesOn({ movedAtMs, head }: Note<Who>, lead: Head): boolean {
		if (this.#now - movedAtMs >= STALE_MS) return false;
		return !this.#isOfNow(lead) || this.#isOfNow(head);
	}

	#isOfNow({ timestamp }: Head): boolean {
		if (timestamp === undefined) return false;
		return Math.abs(this.#options.clock.wallMs() - Number(timestamp) * 1_000) < TIP_MS;
	}

	/** By how many blocks it is behind others that were looked at before, and behind whom. */
	#lag(who: Who, { head, atMs, verdict }: Note<Who>): Lag<Who> {
		// Half of it ends a lag, so that a node at the edge does not come and go.
		const tolerance = this.#tolerance() / (verdict.type === "lagging" ? 2n : 1n);
		const before = this.#counted().filter(
			([other, note]) =>
				other !== who &&
				note.atMs <= atMs &&
				this.verdictOf(other).type !== "ahead" &&
				note.head.height - head.height > tolerance,
		);
		const best = highest(before);
		return {
			blocks: best === undefined ? 0n : best - head.height,
			behind: before.map(([other]) => other),
		};
	}

	#counted(): readonly (readonly [Who, Note<Who>])[] {
		const { counts } = this.#options;
		return [...this.#notes].filter(([who, { atMs }]) => this.#now - atMs < STALE_MS && counts(who));
	}

	#tolerance(): bigint {
		// Until it is known: on a fast chain that is little, and costs a provider its turn for some seconds.
		if (this.#blockMs === undefined) return LAG_BLOCKS;
		const blocks = BigInt(Math.ceil(LAG_MS / this.#blockMs));
		return blocks > LAG_BLOCKS ? blocks : LAG_BLOCKS;
	}

	/** Answers from which head on the pace is measured next. Timestamps are whole seconds: few say nothing. */
	#measure(from: Head | undefined, head: Head): Head {
		if (from?.timestamp === undefined || head.timestamp === undefined) return head;
		const blocks = head.height - from.height;
		const seconds = head.timestamp - from.timestamp;
		if (blocks <= 0n || seconds < 0n) return head;
		if (seconds < MEASURED_S) return from;
		const ms = (Number(seconds) * 1_000) / Number(blocks);
		this.#blockMs = this.#blockMs === undefined ? ms : this.#blockMs + (ms - this.#blockMs) / 4;
		return head;
	}

	get #now(): number {
		return this.#options.clock.now();
	}
}

function highest<Who>(notes: readonly (readonly [Who, Note<Who>])[]): Height | undefined {
	let best: Height | undefined;
	for (const [, { head }] of notes)
		if (best === undefined || head.height > best) best = head.height;
	return best;
}
