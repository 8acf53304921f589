/**
 * Random writes, blocks and forks, with restores and merges in between. Of each of these: what a dry run
 * says is what is applied, operation by operation; afterwards the same wish has nothing left to do; and a
 * straight run of all operations gives the same state.
 */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { RecantError } from "../../src/domain/errors.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import { canonicalJson } from "../../src/memory/canonical.ts";
import type { MergeRule, SideChoice } from "../../src/memory/merge-rules.ts";
import { type StoredOperation, toWire } from "../../src/memory/operation-codec.ts";
import type {
	ApplyMode,
	PartialAnswer,
	PartialSelection,
} from "../../src/service/restoring/partial-restore-service.ts";
import { adoptOperations } from "../support/adopt-operations.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { announcedSeed } from "../support/seed.ts";
import { type AgentOperation, hashOf, World } from "../support/world.ts";

const FILE = "test/integration/partial-random.test.ts";
const STEPS = 40;
const MOST_STEPS = 200;
/** Lowest block that a fork leaves, and that is restored to. */
const ROOT = 2;
const IDS = ["a", "b", "c", "d", "e"];
const CHOICES: readonly SideChoice[] = ["ours", "theirs", "latest"];
const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

test("a dry run says what is applied, on any history", { timeout: 180_000 }, async ({
	annotate,
}) => {
	const seed = announcedSeed(FILE);
	await annotate(`seed ${seed}`);
	const schedule = new Schedule(await World.create(), new Random(seed));
	// Some seeds draw no wish early that has anything to do.
	for (let step = 0; step < STEPS || (schedule.written === 0 && step < MOST_STEPS); step += 1) {
		await schedule.step();
	}
	await schedule.wish();
	expect(schedule.written, "operations that wishes wrote").toBeGreaterThan(0);
	await expectStraightRun(schedule.world);
});

class Schedule {
	readonly world: World;
	/** Operations that restores and merges wrote. */
	written = 0;
	readonly #random: Random;
	/** Of the branch, when the step began. */
	#head: Hex = "0x";

	constructor(world: World, random: Random) {
		this.world = world;
		this.#random = random;
	}

	async step(): Promise<void> {
		this.#head = (await this.world.followed()).hash;
		const draw = this.#random.next();
		if (draw < 0.45) return this.#write();
		if (draw < 0.65) {
			await this.world.block({ from: 1, to: 2, value: BigInt(this.#random.between(1, 9)) });
			return;
		}
		return draw < 0.8 ? this.#fork() : this.wish();
	}

	/** A restore or a merge: dry, applied, and dry again. */
	async wish(): Promise<void> {
		this.#head = (await this.world.followed()).hash;
		const ask = this.#random.chance(0.5) ? this.#restore() : this.#merge();
		const dry = await ask({ dryRun: true });
		expect(await adoptOperations(this.world), "a dry run writes nothing").toEqual([]);
		const done = await ask({ dryRun: false, idempotencyKey: undefined });
		const written = await adoptOperations(this.world);
		expect(done.plan?.planHash).toBe(dry.plan?.planHash);
		expect(done.plan?.items).toEqual(dry.plan?.items);
		expect(planHash(written), "the log holds the plan").toBe(dry.plan?.planHash);
		expect(done.outcome).toMatchObject({ applied: written.length, failed: 0, waiting: 0 });
		expect(written).toHaveLength(dry.plan?.counts.operations ?? -1);
		this.written += written.length;
		const left = await ask({ dryRun: true });
		expect(left.plan?.counts.operations, "nothing is left to do").toBe(0);
	}

	#restore(): (mode: ApplyMode) => Promise<PartialAnswer> {
		const { recant } = this.world;
		const request = { to: this.#place(), selection: this.#selection(true) };
		return (mode) => recant.restores.restore(CHAIN, request, mode);
	}

	/** Both sides stand still, so that the same merge gives the same again. */
	#merge(): (mode: ApplyMode) => Promise<PartialAnswer> {
		const { recant } = this.world;
		const rule = this.#rule();
		const still = rule.kind === "latest" || rule.kind === "source";
		const ours = still && this.#random.chance(0.5) ? PENDING : this.#place();
		const request = { ours, theirs: this.#place(), rule, selection: this.#selection(false) };
		return (mode) => recant.restores.merge(CHAIN, request, mode);
	}

	#rule(): MergeRule {
		const draw = this.#random.next();
		if (draw < 0.3) return { kind: "latest" };
		if (draw < 0.5) return { kind: "source", side: this.#random.oneOf(["ours", "theirs"]) };
		const fields = { n: this.#random.oneOf(CHOICES), extra: this.#random.oneOf(CHOICES) };
		return { kind: "field", fields, otherwise: this.#random.oneOf(CHOICES) };
	}

	/** A sealed block of this branch, or the head of one that was left. */
	#place(): AtRequest {
		const { remembered } = this.world;
		if (remembered.length > 0 && this.#random.chance(0.5)) {
			const { head, generation } = this.#random.oneOf(remembered);
			return hashOf(head, generation);
		}
		const blocks = this.#branch();
		return hashOf(this.#random.oneOf(blocks));
	}

	#branch() {
		const { chain } = this.world;
		return chain.record.branch(this.#head).slice(ROOT);
	}

	#selection(needed: boolean): PartialSelection {
		const layers = this.#random.chance(0.3) ? [this.#random.oneOf(LAYERS)] : undefined;
		const collections = needed && this.#random.chance(0.2) ? ["default"] : undefined;
		const all = layers === undefined && collections === undefined;
		const namespaces = (needed && all) || this.#random.chance(0.5) ? ["default"] : undefined;
		return { namespaces, layers, collections };
	}

	async #fork(): Promise<void> {
		const head = Number((await this.world.followed()).number);
		if (head <= ROOT) return;
		const depth = this.#random.between(1, Math.min(4, head - ROOT));
		await this.world.fork(async (chain) => {
			await chain.drop(depth);
			await chain.empty(depth + this.#random.between(0, 2));
		});
	}

	async #write(): Promise<void> {
		const operations = Array.from({ length: this.#random.between(1, 3) }, () => this.#operation());
		try {
			await this.world.write(...operations);
		} catch (error) {
			// Refused as a whole: what it needs is not there.
			if (!(error instanceof RecantError)) throw error;
		}
	}

	#operation(): AgentOperation {
		const id = this.#random.oneOf(IDS);
		const draw = this.#random.next();
		if (draw < 0.2) return { op: "delete", id };
		const extra: Record<string, number> = this.#random.chance(0.5)
			? { extra: this.#random.between(0, 3) }
			: {};
		const content = { n: this.#random.between(0, 3), ...extra };
		if (draw < 0.4) return { op: "patch", id, content };
		const head = this.#branch().at(-1);
		return {
			op: "put",
			id,
			layer: this.#random.oneOf(LAYERS),
			content,
			...(this.#random.chance(0.4) ? { text: `the whale says ${content.n}` } : {}),
			...(this.#random.chance(0.2) ? { vector: vectorOf(this.#random) } : {}),
			...(this.#random.chance(0.3) && head !== undefined ? { anchor: { block: head.hash } } : {}),
			...(this.#random.chance(0.15) && head !== undefined
				? { expiresAtBlock: head.number + BigInt(this.#random.between(2, 6)) }
				: {}),
		};
	}
}

function vectorOf(random: Random): readonly number[] {
	return Array.from({ length: 384 }, () => random.next() - 0.5);
}

/** Of operations as they stand in the log. */
function planHash(operations: readonly StoredOperation[]): string {
	const hash = createHash("sha256").update("recant.partial-plan.v1\0");
	for (const stored of operations) {
		const { operationId: _own, ...wire } = toWire(stored);
		hash.update(`${canonicalJson(wire)}\n`);
	}
	return `0x${hash.digest("hex")}`;
}
