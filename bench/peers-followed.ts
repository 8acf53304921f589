/** What was seen of those that follow, and what it comes to beside the targets. */
import { figure, median, type Row } from "./figures.ts";
import type { Follower, Seen } from "./peers-follower.ts";
import { type Comparison, type Part, SampleList, type Target } from "./peers-table.ts";

/** What one of the four showed of one kind of change. */
class Kept {
	/** From the first answer, or message, that showed the change, to its database having all. */
	readonly committed = new SampleList();
	/** The same to its HTTP API having answered all that is asked for. */
	readonly answered = new SampleList();
	/** As `answered`, from when the node showed it: the wait for a poll is in it. */
	readonly raw = new SampleList();
	readonly calls: number[] = [];
	readonly messages: number[] = [];
	readonly methods: Readonly<Record<string, number>>[] = [];
	readonly idlePolls: number[] = [];

	note({ outcome, releasedAt, shownAt, asked }: Seen): void {
		if (outcome.type === "wrong") {
			for (const list of [this.committed, this.answered, this.raw]) list.failures.push(outcome.why);
			return;
		}
		// Where it was never shown the block as a head it asked for it in another way.
		const from = Number.isNaN(shownAt) ? releasedAt : shownAt;
		const { committedAt, answeredAt } = outcome;
		this.committed.values.push(committedAt - from);
		this.answered.values.push(answeredAt - from);
		this.raw.values.push(answeredAt - releasedAt);
		this.calls.push(asked.calls - receiptsIn(asked));
		this.messages.push(asked.messages);
		this.methods.push(asked.byMethod);
		this.idlePolls.push(asked.idlePolls);
	}
}

/** They are asked for agents' anchors, which the other side has not. */
function receiptsIn({ byMethod }: Seen["asked"]): number {
	const methods = Object.entries(byMethod).filter(([method]) => method.includes("Receipt"));
	return methods.reduce((sum, [, count]) => sum + count, 0);
}

const BLOCK = "block";
const BURST = "burst of blocks";

export class FollowedEvents {
	readonly #followers: readonly Follower[];
	readonly #records = new Map<Follower, Map<string, Kept>>();
	#burstBlocks = 0;

	constructor(followers: readonly Follower[]) {
		this.#followers = followers;
	}

	block(follower: Follower, seen: Seen): void {
		this.#record(follower, BLOCK).note(seen);
	}

	fork(follower: Follower, depth: number, seen: Seen): void {
		this.#record(follower, forkName(depth)).note(seen);
	}

	burst(follower: Follower, blocks: number, seen: Seen): void {
		this.#burstBlocks = blocks;
		this.#record(follower, BURST).note(seen);
	}

	part(): Part {
		return { comparisons: this.#comparisons(), tables: this.#tables() };
	}

	#record(follower: Follower, name: string): Kept {
		const own = this.#records.get(follower) ?? new Map<string, Kept>();
		this.#records.set(follower, own);
		const record = own.get(name) ?? new Kept();
		own.set(name, record);
		return record;
	}

	#names(): readonly string[] {
		return [
			...new Set(this.#followers.flatMap((each) => [...(this.#records.get(each)?.keys() ?? [])])),
		];
	}

	#comparisons(): readonly Comparison[] {
		return [false, true].flatMap((webSocket) => {
			const [ours, theirs] = this.#followers.filter((each) => each.webSocket === webSocket);
			if (ours === undefined || theirs === undefined) return [];
			return this.#names().flatMap((name) => {
				const one = this.#record(ours, name);
				const other = this.#record(theirs, name);
				const peer = theirs.side.name;
				return name === BURST
					? [this.#burstCompared(one, other, { peer, webSocket })]
					: comparedTimes(name, one, other, { peer, webSocket });
			});
		});
	}

	#burstCompared(one: Kept, other: Kept, { peer, webSocket }: Beside): Comparison {
		const perSecond = ({ committed }: Kept) => {
			const list = new SampleList();
			list.values.push(...committed.values.map((ms) => (this.#burstBlocks * 1_000) / ms));
			list.failures.push(...committed.failures);
			return list;
		};
		return {
			what: `burst of ${this.#burstBlocks} blocks at once, ${by(webSocket)}`,
			unit: "/s",
			recant: perSecond(one),
			peer: { name: peer, samples: perSecond(other) },
			target: { atLeast: 2 },
		};
	}

	#tables(): Part["tables"] {
		const rows = this.#names().flatMap((name) =>
			this.#followers.map((follower): Row => {
				const record = this.#record(follower, name);
				return {
					what: name,
					side: follower.side.name,
					heads: by(follower.webSocket),
					"in its database": figure("ms", record.committed.values),
					"answered over HTTP": figure("ms", record.answered.values),
					"raw, the wait for the poll included": figure("ms", record.raw.values),
					calls: median(record.calls),
					"messages with calls": median(record.messages),
					"polls with nothing new": median(record.idlePolls),
					"by method": shownMethods(record.methods),
					failed: record.committed.failures.length,
				};
			}),
		);
		return [{ title: "Following", rows, notes: NOTES }];
	}
}

const NOTES = [
	"From the first answer, or announcement, that showed the side the new head; raw: from when the node",
	"showed it. Answered: by one question over HTTP, of Ponder for the block's last event by its key, of Recant for all",
	"of the block's events by meaning; a fork with the root at its head and the rollback's report. Calls: JSON-RPC",
	"calls, without polls of a tag whose answer was the one of before, and without receipts. By method: medians.",
];

interface Beside {
	readonly peer: string;
	readonly webSocket: boolean;
}

function comparedTimes(
	name: string,
	one: Kept,
	other: Kept,
	{ peer, webSocket }: Beside,
): readonly Comparison[] {
	const isFork = name !== BLOCK;
	const what = isFork ? `${name}, correct and visible` : "mined → queryable, vectors included";
	const target: Target = { atMost: isFork && !webSocket ? 0.5 : 0.8 };
	const times: Comparison = {
		what: `${what}, ${by(webSocket)}`,
		unit: "ms",
		recant: one.answered,
		peer: { name: peer, samples: other.answered },
		target,
	};
	const raw: Comparison = {
		...times,
		what: `${what}, ${by(webSocket)}, with the wait for the poll`,
		recant: one.raw,
		peer: { name: peer, samples: other.raw },
		target: undefined,
	};
	const calls: Comparison = {
		what: `requests to the node, ${name}, ${by(webSocket)}`,
		unit: "count",
		recant: { values: one.calls, failures: [] },
		peer: { name: peer, samples: { values: other.calls, failures: [] } },
		target: { atMost: 1 },
	};
	return webSocket ? [times, calls] : [times, raw, calls];
}

function by(webSocket: boolean): string {
	return webSocket ? "by WebSocket" : "by polling";
}

function forkName(depth: number): string {
	return `reorg of depth ${depth}`;
}

function shownMethods(counts: readonly Readonly<Record<string, number>>[]): string {
	const methods = [...new Set(counts.flatMap((each) => Object.keys(each)))];
	return methods
		.map((method) => [method, median(counts.map((each) => each[method] ?? 0))] as const)
		.filter(([, count]) => count > 0)
		.map(([method, count]) => `${count} ${method.replace("eth_", "")}`)
		.join(", ");
}
