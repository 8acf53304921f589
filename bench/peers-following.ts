/** Both sides follow one chain: new blocks, forks, bursts; by polling, and with announced heads. */
import { setTimeout as sleep } from "node:timers/promises";
import { ToolError } from "../scripts/support/tool-error.ts";
import { type LedgerNode, startLedgerNode } from "./ledger-node.ts";
import { CHAIN_ID } from "./peers-backfill.ts";
import { FollowedEvents } from "./peers-followed.ts";
import { Follower, type Seen } from "./peers-follower.ts";
import { ponder, ponderByWebSocket } from "./peers-ponder.ts";
import { recant } from "./peers-recant.ts";
import type { Part } from "./peers-table.ts";
import { type Ground, outcomeOf } from "./peers-trial.ts";
import { truthAbove } from "./peers-truth.ts";
import type { SectionContext } from "./section.ts";

/** Below the first fork, so that the deepest leaves blocks that are not final in either's view. */
const FIRST_BLOCKS = 150;
/** Seen and asked for before the first that counts: plans, caches, compiled code. */
const WARM_UP_BLOCKS = 40;
/** The same of forks, of a depth that every side comes through. */
const WARM_UP = { depth: 5, forks: 10 } as const;
const BURST_BLOCKS = 500;
const DEPTHS = [1, 5, 20, 60] as const;
/** Several times what the slowest takes for it on a busy machine. */
const LIMITS_MS = { block: 10_000, fork: 15_000, burst: 120_000, start: 240_000 };
/** After what was waited for: the questions that still belong to it. */
const SETTLING_MS = 250;

interface Setup {
	readonly blocks: number;
	readonly forks: number;
	readonly bursts: number;
}
const WHOLE: Setup = { blocks: 15, forks: 7, bursts: 5 };
const QUICK: Setup = { blocks: 3, forks: 2, bursts: 1 };

/** What all follow, and how it is changed while none sees it. */
class Scene {
	readonly node: LedgerNode;
	readonly followers: readonly Follower[];
	readonly #say: SectionContext["say"];

	constructor(node: LedgerNode, followers: readonly Follower[], say: SectionContext["say"]) {
		this.node = node;
		this.followers = followers;
		this.#say = say;
	}

	truth(above: bigint, isFork: boolean) {
		return truthAbove(this.node.rpcUrl, this.node.token, { above, isFork });
	}

	async head(): Promise<bigint> {
		return (await this.truth(0n, false)).height;
	}

	/** Each in its turn sees what `change` made, and is looked at until it is right. */
	async each(
		change: () => Promise<{ readonly above: bigint; readonly isFork: boolean }>,
		limitMs: number,
		note: (follower: Follower, seen: Seen) => void,
	): Promise<void> {
		for (const { trial } of this.followers) await trial.proxy.hold();
		const { above, isFork } = await change();
		const wanted = await this.truth(above, isFork);
		const stuck: Follower[] = [];
		for (const follower of turned(this.followers)) {
			const { proxy } = follower.trial;
			proxy.asked.restart();
			const releasedAt = performance.now();
			proxy.release();
			const outcome = await outcomeOf(follower.trial, wanted, { limitMs, ask: true });
			await sleep(SETTLING_MS);
			note(follower, {
				outcome,
				releasedAt,
				shownAt: proxy.asked.shownAt(wanted.hash),
				asked: proxy.asked.counts(),
			});
			if (outcome.type === "wrong") {
				this.#say(`${follower.side.name} failed: ${outcome.why}`);
				stuck.push(follower);
			}
			await proxy.hold();
		}
		for (const { trial } of this.followers) trial.proxy.release();
		for (const follower of stuck) await this.mend(follower);
	}

	/** With another block, if that helps; else from the beginning, with a new database. */
	async mend(follower: Follower): Promise<void> {
		await this.node.mine(1);
		if (await this.isRight(follower, LIMITS_MS.block)) return;
		this.#say(`${follower.side.name} is started anew`);
		await follower.start();
		await this.started(follower);
	}

	/** One that waits for an announced head needs one. */
	async started(follower: Follower): Promise<void> {
		const until = performance.now() + LIMITS_MS.start;
		while (performance.now() < until) {
			if (await this.isRight(follower, LIMITS_MS.block)) return;
			await this.node.mine(1);
		}
		throw new ToolError("measurement_failed", {
			message: `${follower.side.name} does not follow: ${follower.trial.running.process.output()}`,
			hint: "see what it says in the message",
		});
	}

	async isRight(follower: Follower, limitMs: number): Promise<boolean> {
		const wanted = await this.truth(-1n, false);
		const outcome = await outcomeOf(follower.trial, wanted, { limitMs, ask: false });
		return outcome.type === "right";
	}

	/** All of them at the head, with a block more for those that need one. */
	async settled(): Promise<void> {
		for (const follower of this.followers) {
			if (!(await this.isRight(follower, LIMITS_MS.block))) await this.mend(follower);
		}
	}
}

let turns = 0;

function turned<Item>(items: readonly Item[]): readonly Item[] {
	turns += 1;
	const first = turns % items.length;
	return [...items.slice(first), ...items.slice(0, first)];
}

export async function measureFollowing(
	server: Ground["server"],
	{ quick, say }: SectionContext,
): Promise<Part> {
	const setup = quick ? QUICK : WHOLE;
	const node = await startLedgerNode({ chainId: CHAIN_ID });
	const ground = { server, rpcUrl: node.rpcUrl, chainId: CHAIN_ID, token: node.token };
	const followers = [
		new Follower(ground, recant("embeddedEvents"), false),
		new Follower(ground, ponder, false),
		new Follower(ground, recant("embeddedEvents"), true),
		new Follower(ground, ponderByWebSocket, true),
	];
	const scene = new Scene(node, followers, say);
	const events = new FollowedEvents(followers);
	try {
		await node.mine(FIRST_BLOCKS);
		for (const follower of followers) {
			say(`${follower.side.name} starts${follower.webSocket ? ", by WebSocket" : ""}`);
			await follower.start();
			await scene.started(follower);
		}
		await scene.settled();
		await measureBlocks(scene, events, setup, say);
		say(`${WARM_UP.forks} forks that do not count`);
		for (let round = 0; round < WARM_UP.forks; round += 1)
			await forkOnce(scene, WARM_UP.depth, () => undefined);
		for (const depth of DEPTHS)
			await measureForks(scene, events, { depth, repetitions: setup.forks }, say);
		await measureBursts(scene, events, setup, say);
		return events.part();
	} finally {
		for (const follower of followers) await follower.stop();
		await node.stop();
	}
}

async function measureBlocks(
	scene: Scene,
	events: FollowedEvents,
	{ blocks }: Setup,
	say: SectionContext["say"],
): Promise<void> {
	say(`${blocks} blocks, one by one`);
	for (let round = -WARM_UP_BLOCKS; round < blocks; round += 1) {
		const mine = await scene.node.readyBlock();
		const above = await scene.head();
		const change = async () => {
			await mine();
			return { above, isFork: false };
		};
		await scene.each(change, LIMITS_MS.block, (follower, seen) => {
			if (round >= 0) events.block(follower, seen);
		});
	}
}

async function measureForks(
	scene: Scene,
	events: FollowedEvents,
	{ depth, repetitions }: { readonly depth: number; readonly repetitions: number },
	say: SectionContext["say"],
): Promise<void> {
	for (let round = 0; round < repetitions; round += 1) {
		say(`forks of depth ${depth}, ${round + 1} of ${repetitions}`);
		await forkOnce(scene, depth, (follower, seen) => events.fork(follower, depth, seen));
	}
}

async function forkOnce(
	scene: Scene,
	depth: number,
	note: (follower: Follower, seen: Seen) => void,
): Promise<void> {
	const fork = await scene.node.readyFork(depth);
	const above = (await scene.head()) - BigInt(depth);
	const change = async () => {
		await fork();
		return { above, isFork: true };
	};
	await scene.each(change, LIMITS_MS.fork, note);
	await scene.settled();
}

async function measureBursts(
	scene: Scene,
	events: FollowedEvents,
	{ bursts }: Setup,
	say: SectionContext["say"],
): Promise<void> {
	for (let round = 0; round < bursts; round += 1) {
		say(`burst of ${BURST_BLOCKS} blocks, ${round + 1} of ${bursts}`);
		const above = await scene.head();
		const change = async () => {
			await scene.node.mine(BURST_BLOCKS);
			return { above, isFork: false };
		};
		await scene.each(change, LIMITS_MS.burst, (follower, seen) =>
			events.burst(follower, BURST_BLOCKS, seen),
		);
		await scene.settled();
	}
}
