/** A snapshot becomes the state of an installation that never saw what agents had written. */
import { describe, expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { checked } from "../support/consistency.ts";
import { readHeld } from "../support/held-state.ts";
import { CHAIN, startTestRecant, type TestRecant } from "../support/recant.ts";
import { carrySnapshot, snapshotOf, takeSnapshot } from "../support/snapshot-api.ts";
import { readVectors } from "../support/stored-vectors.ts";
import { until } from "../support/until.ts";
import { onlyOne, World } from "../support/world.ts";

describe("a snapshot is imported", () => {
	test("and the chain goes on from it as the original does", { timeout: 120_000 }, async () => {
		const { world, lost } = await original();
		const snapshot = await takeSnapshot(world.recant);
		const fresh = await another(world);
		await carrySnapshot(world.recant, fresh, snapshot.id, { goal: "apply", replace: true });
		await holds(fresh, "kept");
		await expectEqual(world.recant, fresh, BigInt(snapshot.height));
		await expect(
			fresh.service.memories(CHAIN, { ...PAGE, at: at(BigInt(snapshot.height) - 1n) }),
		).rejects.toMatchObject({ code: "history_pruned" });

		await world.block({ from: 2, to: 1, value: 3n });
		await world.block(lost);
		await follows(fresh, world);
		await expectEqual(world.recant, fresh, BigInt(snapshot.height));

		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.block(lost);
			await chain.empty(2);
		});
		await follows(fresh, world);
		await expectEqual(world.recant, fresh, BigInt(snapshot.height));

		// What was suspended came back with its transaction, and is judged by forks here as there.
		expect(await memory(fresh, "waits")).toEqual(await memory(world.recant, "waits"));

		await expectHealthy(fresh);
		await fresh.stop();
		const again = await startTestRecant({
			...world.options,
			name: "imported again",
			home: fresh.home,
		});
		await follows(again, world);
		await expectHealthy(again);
	});

	test("is refused over state that nobody gave up", { timeout: 60_000 }, async () => {
		const { world } = await original();
		const { id } = await takeSnapshot(world.recant);
		const fresh = await another(world);
		const brought = await carrySnapshot(world.recant, fresh, id, { goal: "apply" });
		await until("it is refused", async () => {
			const { error } = await snapshotOf(fresh, brought.id);
			return error?.code === "chain_not_empty";
		});
		expect(await memory(fresh, "kept")).toBeUndefined();
	});

	test("changes nothing when it is only tried", { timeout: 60_000 }, async () => {
		const { world } = await original();
		const { id } = await takeSnapshot(world.recant);
		const fresh = await another(world);
		const goal = { goal: "apply", replace: true, dryRun: true } as const;
		const brought = await carrySnapshot(world.recant, fresh, id, goal);
		await until(
			"it is verified",
			async () => {
				return (await snapshotOf(fresh, brought.id)).state === "verified";
			},
			() => snapshotOf(fresh, brought.id),
		);
		expect(await memory(fresh, "kept")).toBeUndefined();
		await world.block();
		await follows(fresh, world);
	});

	test("a fork from below it stops the chain by name", { timeout: 60_000 }, async () => {
		const { world } = await original();
		const snapshot = await takeSnapshot(world.recant);
		const fresh = await another(world);
		await carrySnapshot(world.recant, fresh, snapshot.id, { goal: "apply", replace: true });
		await holds(fresh, "kept");
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.empty(4);
		});
		const view = () => fresh.service.chain(CHAIN);
		await until("it stands", async () => (await view()).state === "halted", view);
		expect((await view()).problem?.message).toMatch(/cannot be had/);
		expect(await memory(fresh, "kept")).toBeDefined();
	});
});

/** A world with what only agents know, and a transaction that one of them waits for. */
async function original() {
	const world = await World.create();
	const { sent } = await world.block({ from: 1, to: 3, value: 9n });
	const lost = onlyOne(sent);
	await world.write(
		{ op: "put", id: "kept", content: { n: 1 }, text: "the whale stays", importance: 0.5 },
		{
			op: "put",
			id: "vector",
			content: {},
			vector: Array.from({ length: 384 }, (_, at) => Math.cos(at)),
		},
		{ op: "put", id: "ends", content: {}, expiresAtBlock: 9n },
		{ op: "put", id: "gone", content: {} },
		{ op: "put", id: "waits", content: { n: 1 }, anchor: { transaction: lost.hash } },
	);
	await world.block();
	// Another slot than its first, so that a row ends below the snapshot.
	await world.write({ op: "patch", id: "kept", content: { m: 2 } }, { op: "delete", id: "gone" });
	await world.block();
	await world.fork(async (chain) => {
		await chain.drop(3);
		await chain.empty(4);
	});
	expect(await memory(world.recant, "waits")).toBeUndefined();
	return { world, lost };
}

/** Nothing that an import leaves out is taken for damage, also after the next start. */
async function expectHealthy({ url }: TestRecant): Promise<void> {
	const { run, findings } = await checked(new RecantClient({ url }), { level: "paranoid" });
	expect(findings.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([]);
	expect(run).toMatchObject({ state: "done", score: 1 });
}

/** Another installation on the same chain, which follows it up to its head. */
async function another(world: World): Promise<TestRecant> {
	const fresh = await startTestRecant({ ...world.options, name: "imported" });
	await follows(fresh, world);
	return fresh;
}

async function follows({ service }: TestRecant, world: World): Promise<void> {
	const head = await world.followed();
	const view = () => service.chain(CHAIN);
	await until(
		`block ${head.number} is followed`,
		async () => {
			const chain = await view();
			return chain.head?.hash === head.hash && chain.state === "following";
		},
		view,
	);
}

async function holds(recant: TestRecant, id: string): Promise<void> {
	await until(`${id} is there`, async () => {
		const { state } = await recant.service.chain(CHAIN);
		return state === "following" && (await memory(recant, id)) !== undefined;
	});
}

const PAGE = { namespace: "default", layer: undefined, limit: 200, cursor: undefined };

function at(height: bigint) {
	return { at: { kind: "height", height }, generation: undefined } as const;
}

async function memory({ service }: TestRecant, id: string) {
	const pending = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
	const { items } = await service.memories(CHAIN, { ...PAGE, at: pending });
	const found = items.find((each) => each.id === id);
	return found && { ...found, versionId: 0n };
}

/** Roots, memories, searches and vectors at every height from the snapshot's to the head. */
async function expectEqual(one: TestRecant, other: TestRecant, from: bigint): Promise<void> {
	const { head } = await one.service.chain(CHAIN);
	for (let height = from; height <= (head?.height ?? 0n); height += 1n) {
		const [ours, theirs] = await Promise.all(
			[one, other].map(({ service }) => service.checkpoint(CHAIN, height)),
		);
		expect(theirs?.roots, `roots at ${height}`).toEqual(ours?.roots);
		expect(await readHeld(other.service, at(height))).toEqual(
			await readHeld(one.service, at(height)),
		);
	}
	expect(await readVectors(other, at(head?.height ?? 0n))).toEqual(
		await readVectors(one, at(head?.height ?? 0n)),
	);
}
