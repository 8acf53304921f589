/**
 * The oracle: a straight run. After any schedule of forks, everything that an instance holds must
 * equal what a fresh one holds that saw only the final chain, with agents' operations written at the
 * slots that the reference model gives (never those of the instance under test).
 *
 * Compared: every memory at every height, searches, vectors, the roots of every checkpoint (with
 * each other and with what is visible there), the fate of every operation; holders' balances with the
 * token itself; and what was believed on orphaned branches with what was remembered of them then.
 */
import { expect } from "vitest";
import type { StateRoots } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { MemoryView, RecantService } from "../../src/service/recant-service.ts";
import { type HeadGate, startHeadGate } from "./head-gate.ts";
import { nameOf, readHeld, readMemories } from "./held-state.ts";
import { ledgerChain } from "./naive-ledger.ts";
import { CHAIN, startTestRecant, type TestRecant } from "./recant.ts";
import { type Committed, type ModelOperation, ReferenceModel } from "./reference-model.ts";
import { readVectors } from "./stored-vectors.ts";
import { until } from "./until.ts";
import { hashOf, type JournalEntry, type World } from "./world.ts";

/** Compares the world's instance with a straight run. Nothing may be under way. */
export async function expectStraightRun(world: World): Promise<void> {
	await world.followed();
	const { record, token } = world.chain;
	const run = new ReferenceModel(ledgerChain(record, token.address));
	for (const entry of await committedBy(world)) run.take(entry);
	await expectFates(world, run);
	const fresh = await runStraight(world, run);
	await expectEqualHistory(world.recant, fresh, run.head.number);
	await expectBalances(world);
	await expectRemembered(world);
}

/** The log, reduced to what the model takes from it: what was committed, and in which order. */
async function committedBy(world: World): Promise<readonly Committed[]> {
	const { service, journal } = world;
	const { chainId, logPosition } = await service.chain(CHAIN);
	const operations = new Map(journal.map((entry) => [entry.operationId, entry]));
	const committed: Committed[] = [];
	const ending = new AbortController();
	const entries = service.events(
		{ after: new Map([[chainId, 0n]]), chains: undefined, types: undefined },
		ending.signal,
	);
	for await (const { type, data, position } of entries) {
		if (type === "operation" && data["operationId"] !== undefined) {
			takeOperation(committed, operations.get(String(data["operationId"])), operations);
		} else {
			const entry = committedEntry(type, data);
			if (entry !== undefined) committed.push(entry);
		}
		if (position === logPosition) ending.abort();
	}
	return committed;
}

function committedEntry(
	type: string,
	data: Readonly<Record<string, unknown>>,
): Committed | undefined {
	if (type === "block") return { type, hash: data["hash"] as Hex };
	if (type !== "rollback") return undefined;
	const [ancestor, to] = [data["ancestor"], data["to"]] as { readonly hash: Hex }[];
	if (ancestor === undefined || to === undefined) throw new Error("a rollback without places");
	return { type, cause: String(data["cause"]), ancestor: ancestor.hash, to: to.hash };
}

/** Operations of one request stand together: they are admitted as a whole. */
function takeOperation(
	committed: Committed[],
	entry: JournalEntry | undefined,
	operations: ReadonlyMap<string, JournalEntry>,
): void {
	if (entry === undefined) throw new Error("an operation is not the test's");
	const last = committed.at(-1);
	const before = last?.type === "operations" ? last.operations : [];
	const same = operations.get(before.at(-1)?.operationId ?? "")?.requestIndex;
	const isSame = same === entry.requestIndex;
	if (isSame) committed.pop();
	const earlier = isSame ? before : [];
	committed.push({ type: "operations", operations: [...earlier, modelOperation(entry)] });
}

function modelOperation({ operationId, request, readFrom }: JournalEntry): ModelOperation {
	return {
		operationId,
		namespace: request.namespace ?? "default",
		id: request.id,
		kind: request.kind,
		says: request.kind === "put" ? request : undefined,
		patch: request.kind === "patch" ? patchOf(request) : undefined,
		link: undefined,
		condition:
			request.ifVersion === 0n
				? { type: "absent" }
				: readFrom === undefined
					? undefined
					: { type: "written_by", operationId: readFrom },
		mode: "all",
		anchors: request.anchor === undefined ? [] : [request.anchor],
		sources: [],
		onLoss: "recant",
		isAction: false,
	};
}

function patchOf(request: Extract<JournalEntry["request"], { readonly kind: "patch" }>) {
	const { content, text, importance, confidence } = request;
	return { content, text, importance, confidence };
}

async function expectFates(world: World, run: ReferenceModel): Promise<void> {
	const [actual, expected] = [new Map<string, unknown>(), new Map<string, unknown>()];
	for (const [index, { operationId, request }] of world.journal.entries()) {
		const name = `${index} ${request.kind} ${request.id}`;
		const { status, effectiveSlot } = await world.service.operation(CHAIN, operationId);
		actual.set(name, status === "refused" ? status : { status, slot: effectiveSlot });
		const fate = run.fates.get(operationId);
		expected.set(name, fate === undefined ? "refused" : { status: fate.status, slot: fate.slot });
	}
	expect(Object.fromEntries(actual), "fates of the agent's operations").toEqual(
		Object.fromEntries(expected),
	);
}

/** A fresh instance that sees the final chain grow, and gets each slot's writes in that slot. */
async function runStraight(world: World, run: ReferenceModel): Promise<TestRecant> {
	const gate = await startHeadGate(world.chain.node.rpcUrl);
	gate.limit(1n);
	const fresh = await startTestRecant({
		name: "straight",
		rpcUrl: gate.url,
		token: world.chain.token.address,
		// All of its vectors stay in the tail, so LanceDB and the tail are compared as well.
	});
	const operations = new Map(world.journal.map((entry) => [entry.operationId, entry]));
	for (const [slot, writes] of Map.groupBy(run.placed, (write) => write.slot)) {
		await seenUpTo(fresh.service, gate, slot - 1n);
		for (const { operationId, effect } of writes) {
			const entry = operations.get(operationId);
			if (entry !== undefined && effect !== "nothing") await again(fresh.service, entry, effect);
		}
	}
	await seenUpTo(fresh.service, gate, run.head.number);
	return fresh;
}

async function seenUpTo(service: RecantService, gate: HeadGate, height: bigint): Promise<void> {
	gate.limit(height);
	await until(
		`the fresh instance is at ${height}`,
		async () => {
			const { head, state } = await service.chain(CHAIN);
			return head?.height === height && state === "following";
		},
		() => service.chain(CHAIN),
	);
}

/** The operation without what the model has decided already. */
async function again(
	service: RecantService,
	{ request }: JournalEntry,
	effect: "writes" | "ends",
): Promise<void> {
	const bare = { ...request, anchor: undefined, ifVersion: undefined };
	const { namespace, anchor, ifVersion, id } = bare;
	const operation =
		effect === "writes" ? bare : ({ namespace, anchor, ifVersion, id, kind: "delete" } as const);
	const { committed } = await service.write(CHAIN, {
		operations: [operation],
		idempotencyKey: undefined,
		deadlineMs: 5_000,
	});
	if (!committed) throw new Error(`the fresh instance did not commit ${request.kind} ${id}`);
}

async function expectEqualHistory(
	actual: TestRecant,
	expected: TestRecant,
	head: bigint,
): Promise<void> {
	for (let height = 0n; height <= head + 1n; height += 1n) {
		const at = { at: { kind: "height", height }, generation: undefined } as const;
		const memories = await readMemories(actual.service, at);
		expect(byName(memories), `memories at height ${height}`).toEqual(
			byName(await readMemories(expected.service, at)),
		);
		if (height < 1n || height > head) continue;
		// Both may be wrong in the same way, so each is held against what is visible as well.
		for (const { name, service } of [
			{ name: "instance under test", service: actual.service },
			{ name: "straight run", service: expected.service },
		]) {
			const { roots } = await service.checkpoint(CHAIN, height);
			expect(roots, `roots of the ${name} at height ${height}`).toMatchObject(rootsOf(memories));
		}
	}
	for (let height = 1n; height <= head; height += 1n) {
		const [ours, theirs] = await Promise.all(
			[actual, expected].map(({ service }) => service.checkpoint(CHAIN, height)),
		);
		expect(ours?.roots, `roots at height ${height}`).toEqual(theirs?.roots);
		expect(ours?.blockHash, `block at height ${height}`).toEqual(theirs?.blockHash);
	}
	for (const tag of ["latest", "pending"] as const) {
		const at = { at: { kind: "tag", tag }, generation: undefined } as const;
		expect(await readHeld(actual.service, at), `state at ${tag}`).toEqual(
			await readHeld(expected.service, at),
		);
		expect(await readVectors(actual, at), `vectors at ${tag}`).toEqual(
			await readVectors(expected, at),
		);
	}
	for (const height of [head / 4n, head / 2n, (3n * head) / 4n]) {
		const at = { at: { kind: "height", height }, generation: undefined } as const;
		expect(await readHeld(actual.service, at), `state at ${height}`).toEqual(
			await readHeld(expected.service, at),
		);
	}
}

/** The roots of what is visible, hashed anew. */
function rootsOf(memories: readonly MemoryView[]): StateRoots {
	const tree = new StateTree();
	for (const { expiresAtBlock: expiresBlock, expiresAtTime, ...memory } of memories) {
		tree.set({
			memoryKey: memoryKey(memory.namespace, memory.id),
			layer: memory.layer,
			contentHash: contentHash({ ...memory, expiresBlock, expiresTime: expiresAtTime }),
		});
	}
	return tree.roots();
}

function byName(memories: Awaited<ReturnType<typeof readMemories>>): Record<string, unknown> {
	const named = Object.fromEntries(
		memories.map(({ versionId: _own, ...memory }) => [
			nameOf({ ...memory, versionId: 0n }),
			memory,
		]),
	);
	expect(Object.keys(named), "each memory is listed once").toHaveLength(memories.length);
	return named;
}

/** The ledger against the token's own books. */
async function expectBalances({ service, chain }: World): Promise<void> {
	const memories = await readMemories(service, {
		at: { kind: "tag", tag: "latest" },
		generation: undefined,
	});
	for (const { id, content } of memories) {
		const address = String(content["address"]) as Hex;
		if (!id.startsWith("holder:") || /^0x0{40}$/.test(address)) continue;
		const balance = await chain.token.balanceOf(address);
		expect(content["balance"], `balance of ${address}`).toBe(balance.toString());
	}
}

/** What was sealed on branches that were left stays readable by their hashes. */
async function expectRemembered({ service, remembered, recant }: World): Promise<void> {
	for (const { head, generation, held } of remembered) {
		const at = hashOf(head, generation);
		expect(
			await readHeld(service, at),
			`state at block ${head.number} of generation ${generation}`,
		).toEqual(held);
		// Whatever is visible there has its vector still.
		await readVectors(recant, at);
	}
}
