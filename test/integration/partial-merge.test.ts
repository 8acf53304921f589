/** Merging two coordinates: an orphaned branch with what is believed now, by each rule. */
import { describe, expect, test } from "vitest";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import type { MergeFunction } from "../../src/follower/define-chain.ts";
import type { MergeRule } from "../../src/memory/merge-rules.ts";
import type {
	ApplyMode,
	PartialAnswer,
} from "../../src/service/restoring/partial-restore-service.ts";
import { adoptOperations } from "../support/adopt-operations.ts";
import type { RecordedBlock } from "../support/chain-record.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { hashOf, onlyOne, World } from "../support/world.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const DRY: ApplyMode = { dryRun: true };
const APPLY: ApplyMode = { dryRun: false, idempotencyKey: undefined };
/** Brought to unit length twice, it would not be what it is after the first time. */
const VECTOR = [Math.sin(6), Math.cos(18), Math.sin(42), 0.5, ...Array<number>(380).fill(0)];

interface Forked {
	readonly world: World;
	/** Head of the branch that was left. */
	readonly orphaned: RecordedBlock;
}

/**
 * On the branch that is left, `conclusion` is drawn from a transfer that the new branch does not have,
 * `opinion` says more than before, and `doubt` is given up. After the fork, `opinion` is written again.
 */
async function forkedWorld(merges: Readonly<Record<string, MergeFunction>> = {}): Promise<Forked> {
	const world = await World.create({ chainFile: { merges } });
	await world.write(
		{ op: "put", id: "opinion", content: { first: 1, second: 1 }, text: "the whale is calm" },
		{ op: "put", id: "doubt", content: { n: 1 } },
		{ op: "put", id: "same", content: { n: 1 } },
	);
	const { sent } = await world.block({ from: 1, to: 2, value: 5n });
	const anchor = { transaction: onlyOne(sent).hash };
	await world.write(
		{ op: "put", id: "conclusion", content: { pays: true }, text: "the whale pays", anchor },
		{ op: "put", id: "picture", content: { seen: true }, vector: VECTOR, anchor },
		{ op: "patch", id: "opinion", content: { first: 2, third: 2 }, anchor },
		{ op: "delete", id: "doubt", anchor },
	);
	const { block: orphaned } = await world.block();
	await world.fork(async (chain) => {
		await chain.drop(2);
		await chain.empty(3);
	});
	await world.write({ op: "patch", id: "opinion", content: { second: 3 }, text: "a storm" });
	return { world, orphaned };
}

async function merge(
	{ world, orphaned }: Forked,
	rule: MergeRule,
	mode: ApplyMode,
	ours: AtRequest = PENDING,
): Promise<PartialAnswer> {
	const selection = { namespaces: ["default"], layers: undefined, collections: undefined };
	const request = { ours, theirs: hashOf(orphaned), rule, selection };
	return world.recant.restores.merge(CHAIN, request, mode);
}

function changes({ plan }: PartialAnswer): readonly string[] {
	return (plan?.items ?? []).map(({ id, change }) => `${change} ${id}`);
}

describe("a merge with an orphaned branch", () => {
	test("keeps what was concluded there, on every fork that follows", async () => {
		const forked = await forkedWorld();
		const { world, orphaned } = forked;
		expect(await world.memory("conclusion")).toBeUndefined();
		const dry = await merge(forked, { kind: "latest" }, DRY);
		expect(changes(dry)).toEqual(["add conclusion", "remove doubt", "add picture"]);
		expect(dry.plan?.theirs).toMatchObject({ blockHash: orphaned.hash, generation: 0n });
		const done = await merge(forked, { kind: "latest" }, APPLY);
		expect(done.plan?.planHash).toBe(dry.plan?.planHash);
		expect(done.outcome).toMatchObject({ applied: 3, failed: 0 });
		const there = hashOf(orphaned);
		for (const id of ["conclusion", "picture"]) {
			const kept = await world.memory(id);
			expect(kept?.contentHash).toBe((await world.memory(id, there))?.contentHash);
		}
		await adoptOperations(world);
		await world.block();
		await expectStraightRun(world);
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.block({ from: 2, to: 3, value: 4n });
			await chain.empty(4);
		});
		expect(await world.memory("conclusion")).toBeDefined();
		await expectStraightRun(world);
	});

	test("by source takes the one side's word, deletions and all", async () => {
		const forked = await forkedWorld();
		const theirs = await merge(forked, { kind: "source", side: "theirs" }, DRY);
		expect(changes(theirs)).toEqual([
			"add conclusion",
			"remove doubt",
			"change opinion",
			"add picture",
		]);
		const ours = await merge(forked, { kind: "source", side: "ours" }, DRY);
		expect(ours.plan).toMatchObject({ items: [], counts: { operations: 0 } });
	});

	test("by field mixes the content, and takes the rest whole", async () => {
		const forked = await forkedWorld();
		const rule: MergeRule = {
			kind: "field",
			fields: { first: "theirs", third: "theirs", second: "latest" },
			otherwise: "ours",
		};
		const done = await merge(forked, rule, APPLY);
		expect(changes(done)).toEqual(["change opinion"]);
		expect(await forked.world.memory("opinion")).toMatchObject({
			content: { first: 2, second: 3, third: 2 },
			text: "a storm",
		});
		await adoptOperations(forked.world);
		await expectStraightRun(forked.world);
	});

	test("may bring back an earlier belief of our own as well", async () => {
		const forked = await forkedWorld();
		await forked.world.block();
		const ours: AtRequest = { at: { kind: "height", height: 3n }, generation: 1n };
		const done = await merge(forked, { kind: "source", side: "ours" }, APPLY, ours);
		expect(changes(done)).toEqual(["change opinion"]);
		expect(await forked.world.memory("opinion")).toMatchObject({
			content: { first: 1, second: 1 },
			text: "the whale is calm",
		});
	});
});

describe("a merge by a function of the chain's", () => {
	const both: MergeFunction = (ours, theirs, { id, later }) => {
		if (ours === undefined || theirs === undefined) return id === "doubt" ? undefined : theirs;
		return { ...ours, content: { ...theirs.content, ...ours.content, later }, importance: 0.5 };
	};

	test("writes what it answers, vectors and all", async () => {
		const forked = await forkedWorld({ both });
		const { world, orphaned } = forked;
		const rule = { kind: "function", name: "both" } as const;
		const dry = await merge(forked, rule, DRY);
		const done = await merge(forked, rule, APPLY);
		expect(done.plan?.planHash).toBe(dry.plan?.planHash);
		expect(done.outcome).toMatchObject({ applied: 4, failed: 0 });
		expect(await world.memory("opinion")).toMatchObject({
			content: { first: 1, second: 3, third: 2, later: "ours" },
			importance: 0.5,
		});
		expect(await world.memory("doubt")).toBeUndefined();
		const picture = await world.memory("picture");
		expect(picture?.contentHash).toBe(
			(await world.memory("picture", hashOf(orphaned)))?.contentHash,
		);
		await adoptOperations(world);
		await expectStraightRun(world);
	});

	test("that does not answer a memory writes nothing", async () => {
		const wrongs = {
			throws: () => JSON.parse("{"),
			later: async () => undefined,
			large: () => ({ layer: "semantic", content: { t: "x".repeat(70_000) } }),
			vector: () => ({ layer: "semantic", content: {}, vector: [1, 2, 3] }),
		};
		// What a chain's file exports may be anything.
		const merges = wrongs as unknown as Readonly<Record<string, MergeFunction>>;
		const forked = await forkedWorld(merges);
		const reasons = {
			throws: /it threw: /,
			later: /a promise/,
			large: /65536/,
			vector: /3 dimensions/,
		};
		for (const [name, message] of Object.entries(reasons)) {
			for (const mode of [DRY, APPLY]) {
				const refused = merge(forked, { kind: "function", name }, mode);
				await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(message) });
			}
		}
		expect(await forked.world.memory("conclusion")).toBeUndefined();
		await expectStraightRun(forked.world);
	});

	test("that is not there is refused with those that are", async () => {
		const forked = await forkedWorld({ both });
		await expect(merge(forked, { kind: "function", name: "none" }, DRY)).rejects.toMatchObject({
			code: "invalid_request",
			hint: expect.stringContaining("both"),
		});
	});
});
