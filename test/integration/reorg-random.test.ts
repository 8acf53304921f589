/**
 * Random schedules of blocks, writes, forks, rollbacks by hand and restarts, each held against a
 * straight run. A seed gives the same steps again; when they meet the service is its own timing.
 */
import { expect, test } from "vitest";
import type { SignedTransaction } from "../../scripts/support/token.ts";
import { RecantError } from "../../src/domain/errors.ts";
import type { Layer } from "../../src/domain/layer.ts";
import { LOSS_POLICIES, type Sources } from "../../src/domain/provenance.ts";
import { readMemories } from "../support/held-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { announcedSeed } from "../support/seed.ts";
import { tryToTakeSnapshot } from "../support/snapshot-api.ts";
import type { TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import {
	type AgentOperation,
	type AnchorOf,
	type LinkOperation,
	World,
	type WorldOperation,
} from "../support/world.ts";

const FILE = "test/integration/reorg-random.test.ts";
const STEPS = 40;
/** Lowest block that a fork leaves: the accounts have their tokens there. */
const ROOT = 2;
/** Of the namespace's short-term memories two are kept. */
const SHORT_IDS = ["a", "e", "f"];
const LINKED_IDS = ["b", "c", "d"];
const IDS = [...SHORT_IDS, ...LINKED_IDS];
const MEMORY = { memory: { default: { shortTermCapacity: 2 } } };
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;

test("any schedule ends as a straight run does", { timeout: 120_000 }, async ({ annotate }) => {
	const seed = announcedSeed(FILE);
	// Stands beside the failure, too, when all that is kept of a run is its end.
	await annotate(`seed ${seed}`);
	const random = new Random(seed);
	const restores = random.chance(0.3);
	const world = await World.create({
		inlineRollbacks: random.chance(0.8),
		chainFile: MEMORY,
		// Then every rollback restores the ancestor's state instead of setting memories back.
		...(restores ? { rollbackChanges: 0 } : {}),
	});
	const schedule = new Schedule(world, random);
	for (let step = 0; step < STEPS; step += 1) await schedule.step();
	await expectStraightRun(world);
});

class Schedule {
	readonly #world: World;
	readonly #random: Random;
	/** Signed before, on whatever branch. */
	readonly #sent: SignedTransaction[] = [];

	constructor(world: World, random: Random) {
		this.#world = world;
		this.#random = random;
	}

	async step(): Promise<void> {
		const draw = this.#random.next();
		if (draw < 0.3) return this.#blocks();
		if (draw < 0.75) return this.#write();
		if (draw < 0.9) return this.#fork();
		if (draw < 0.94) return this.#rollBack();
		if (draw < 0.96) return this.#snapshot();
		await this.#world.stop();
		if (this.#random.chance(0.5)) await this.#branch(this.#world.chain);
		await this.#world.start();
		await this.#world.followed();
	}

	/** A fork that is on its way may take its block. */
	async #snapshot(): Promise<void> {
		const { state, error } = await tryToTakeSnapshot(this.#world.recant);
		if (state === "cancelled") expect(error?.code).toBe("snapshot_orphaned");
		else expect(state).toBe("verified");
	}

	async #blocks(): Promise<void> {
		const blocks = this.#random.between(1, 3);
		await this.#world.gate.hold(() => this.#mine(this.#world.chain, blocks));
		if (this.#random.chance(0.7)) await this.#world.followed();
	}

	async #fork(): Promise<void> {
		if (this.#random.chance(0.7)) await this.#world.fork((chain) => this.#branch(chain));
		else await this.#world.gate.hold(() => this.#branch(this.#world.chain));
	}

	async #branch(chain: TestChain): Promise<void> {
		const head = Number((await chain.head()).number);
		const depth = this.#random.between(1, Math.min(6, head - ROOT));
		if (head === ROOT) return;
		await chain.drop(depth);
		// Not shorter by much: a chain that only shrinks is taken for a lagging node for seconds.
		await this.#mine(chain, this.#random.between(1, depth + 2));
	}

	async #mine(chain: TestChain, blocks: number): Promise<void> {
		for (let index = 0; index < blocks; index += 1) {
			const again = this.#sent.filter(() => this.#random.chance(0.3));
			for (const signed of again) await chain.token.send(signed).catch(ignoreRefusal);
			const transfers = Array.from({ length: this.#random.between(0, 2) }, () => ({
				from: this.#random.between(1, 3),
				to: this.#random.between(1, 4),
				value: BigInt(this.#random.between(1, 900)),
			}));
			const { sent } = await chain.block(...transfers);
			this.#sent.push(...sent);
		}
	}

	async #write(): Promise<void> {
		const count = this.#random.between(1, 2);
		const operations: WorldOperation[] = [];
		for (let index = 0; index < count; index += 1) {
			const isLink = this.#random.chance(0.15);
			operations.push(isLink ? await this.#link() : await this.#operation());
		}
		try {
			await this.#world.write(...operations);
		} catch (error) {
			// Refused as a whole: what it needs is not there.
			if (!(error instanceof RecantError)) throw error;
		}
	}

	async #operation(): Promise<AgentOperation> {
		const grounds = await this.#grounds();
		const kind = this.#random.next();
		if (kind < 0.08) {
			const content = { n: this.#random.between(0, 9) };
			return { op: "action", id: `action ${this.#world.journal.length}`, content, ...grounds };
		}
		const id = this.#random.oneOf(IDS);
		const condition = this.#random.chance(0.2) ? ({ ifVersion: "present" } as const) : {};
		const shared = { id, ...grounds, ...condition };
		const n = this.#random.between(0, 9);
		if (kind < 0.17) return { op: "delete", ...shared };
		if (kind < 0.35) return { op: "patch", ...shared, content: { [`patch ${n}`]: n } };
		return {
			op: "put",
			...shared,
			layer: this.#layer(id),
			content: { n },
			...(this.#random.chance(0.6) ? { text: `the whale moves ${n}` } : {}),
			...(await this.#end()),
		};
	}

	#layer(id: string): Layer {
		if (SHORT_IDS.includes(id)) return "short_term";
		return this.#random.chance(0.9) ? "semantic" : "long_term";
	}

	async #end(): Promise<Pick<AgentOperation, "expiresAtBlock" | "expiresAtTime">> {
		const { number, timestamp } = await this.#world.chain.head();
		const blocks = this.#random.between(2, 6);
		if (this.#random.chance(0.2)) return { expiresAtBlock: number + BigInt(blocks) };
		if (this.#random.chance(0.2)) return { expiresAtTime: timestamp + BigInt(12 * blocks) };
		return {};
	}

	/** What it rests on, if on anything, and what becomes of it without. */
	async #grounds(): Promise<Pick<AgentOperation, "anchor" | "anchors" | "derivedFrom" | "onLoss">> {
		const random = this.#random;
		const anchors = random.chance(0.35) ? await this.#anchors() : {};
		const sources = random.chance(0.4) ? await this.#sources() : [];
		return {
			...anchors,
			...(sources.length === 0 ? {} : { derivedFrom: sources }),
			...(random.chance(0.4) ? { onLoss: random.oneOf(LOSS_POLICIES) } : {}),
		};
	}

	async #anchors(): Promise<Pick<AgentOperation, "anchor" | "anchors">> {
		const first = await this.#anchor();
		if (this.#random.chance(0.7)) return { anchor: first };
		const both = [first, await this.#anchor()];
		return { anchors: this.#random.chance(0.5) ? { all: both } : { any: both } };
	}

	async #anchor(): Promise<AnchorOf> {
		const { chain } = this.#world;
		const blocks = chain.record.branch((await chain.head()).hash).slice(-6);
		const transactions = blocks.flatMap((block) => [...block.effects.keys()]);
		if (transactions.length > 0 && this.#random.chance(0.7)) {
			return { transaction: this.#random.oneOf(transactions) };
		}
		return { block: this.#random.oneOf(blocks).hash };
	}

	/** Alternatives of what agents and handlers say now; a handler's memory of a transfer as well. */
	async #sources(): Promise<Sources> {
		const memories = (await readMemories(this.#world.service, PENDING)).filter(
			({ namespace }) => namespace === "default" || this.#random.chance(0.3),
		);
		if (memories.length === 0) return [];
		const set = () => {
			const chosen = Array.from({ length: this.#random.between(1, 2) }, () =>
				this.#random.oneOf(memories),
			);
			return [...new Set(chosen)].map(({ namespace, id, contentHash }) => ({
				...{ namespace, id, contentHash },
			}));
		};
		return Array.from({ length: this.#random.between(1, 2) }, set);
	}

	async #link(): Promise<LinkOperation> {
		const [from, to] = [this.#random.oneOf(LINKED_IDS), this.#random.oneOf(LINKED_IDS)];
		const type = this.#random.oneOf(["isA", "isA", "near"]);
		const { anchor, derivedFrom } = await this.#grounds();
		return {
			op: this.#random.chance(0.2) ? "unlink" : "link",
			...{ from, type, to },
			...(anchor === undefined ? {} : { anchor }),
			...(derivedFrom === undefined ? {} : { derivedFrom }),
		};
	}

	async #rollBack(): Promise<void> {
		const head = Number((await this.#world.followed()).number);
		const toBlock = BigInt(this.#random.between(Math.max(ROOT, head - 5), head));
		const { id } = await this.#world.service.startRollback(CHAIN, toBlock);
		await until(
			"the rollback by hand is over",
			async () => (await this.#world.service.rollback(CHAIN, id)).state === "committed",
			() => this.#world.service.rollback(CHAIN, id),
		);
	}
}

/** The account's nonce has moved on: another transaction took its place on this branch. */
function ignoreRefusal(error: unknown): void {
	if (!(error instanceof Error && /nonce|already|known|underpriced/i.test(error.message))) {
		throw error;
	}
}
