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
import { RecantError } from "../../src/domain/errors.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { isLinkId, linkContent, linkId } from "../../src/domain/link.ts";
import type { LinkEnd } from "../../src/domain/link-name.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { MemoryView, RecantService } from "../../src/service/recant-service.ts";
import { type HeadGate, startHeadGate } from "./head-gate.ts";
import { type Held, readHeld, readMemories } from "./held-state.ts";
import { ledgerChain } from "./naive-ledger.ts";
import { CHAIN, startTestRecant, type TestRecant } from "./recant.ts";
import { allVisibleIn, hashOf as contentHashOf } from "./reference-history.ts";
import { type Committed, type ModelOperation, ReferenceModel } from "./reference-model.ts";
import { expectReport, isConsolidated } from "./rollback-report.ts";
import { readVectors } from "./stored-vectors.ts";
import { until } from "./until.ts";
import {
	type AgentOperation,
	hashOf,
	isLinking,
	type JournalEntry,
	type LinkOperation,
	linkNameOf,
	requestOf,
	type World,
	type WorldOperation,
} from "./world.ts";

/**
 * Compares the world's instance with a straight run. Nothing may be under way. `sealedFrom`: the lowest height
 * at which every block has its checkpoint; below, finality may have spared some.
 */
export async function expectStraightRun(world: World, sealedFrom = 1n): Promise<void> {
	await world.followed();
	const { record, token } = world.chain;
	const run = new ReferenceModel(ledgerChain(record, token.address), capacitiesOf(world));
	for (const entry of await committedBy(world)) run.take(entry);
	await expectFates(world, run);
	await expectReports(world, run);
	const { fresh, unlinked } = await runStraight(world, run);
	await expectEqualHistory(world.recant, fresh, { run, unlinked, sealedFrom });
	await expectEqualLinks(world, fresh, unlinked);
	await expectBalances(world);
	await expectRemembered(world);
	// A test with several comparisons would keep as many instances.
	await fresh.stop();
}

/** Of each namespace for which the chain's file says one. */
function capacitiesOf({ options }: World): ReadonlyMap<string, number> {
	const declared = Object.entries(options.chainFile?.memory ?? {});
	return new Map(
		declared.flatMap(([namespace, { shortTermCapacity }]) =>
			shortTermCapacity === undefined ? [] : [[namespace, shortTermCapacity] as const],
		),
	);
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
	const isRecovery = data["recoveryId"] !== undefined;
	return { type, cause: String(data["cause"]), isRecovery, ancestor: ancestor.hash, to: to.hash };
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

function modelOperation({ operationId, said, readFrom }: JournalEntry): ModelOperation {
	const { anchor, anchors, derivedFrom = [], onLoss = "recant" } = grounds(said);
	const all = anchor === undefined ? [] : [anchor];
	return {
		operationId,
		...(isLinking(said) ? linkChange(said) : memoryChange(said)),
		condition: conditionOf(said, readFrom),
		mode: anchors !== undefined && "any" in anchors ? "any" : "all",
		anchors: anchors === undefined ? all : "any" in anchors ? anchors.any : anchors.all,
		sources: derivedFrom,
		onLoss: said.op === "action" ? "keep" : onLoss,
		isAction: said.op === "action",
	};
}

function grounds(said: WorldOperation): Partial<AgentOperation> {
	return said as Partial<AgentOperation>;
}

function conditionOf(
	said: WorldOperation,
	readFrom: string | undefined,
): ModelOperation["condition"] {
	if (!isLinking(said) && said.ifVersion === "absent") return { type: "absent" };
	return readFrom === undefined ? undefined : { type: "written_by", operationId: readFrom };
}

type Change = Pick<ModelOperation, "kind" | "namespace" | "id" | "says" | "patch" | "link">;

function memoryChange(said: AgentOperation): Change {
	const { op, namespace = "default", id, content = {} } = said;
	const name = { namespace, id, link: undefined };
	if (op === "delete") return { ...name, kind: "delete", says: undefined, patch: undefined };
	if (op === "patch")
		return { ...name, kind: "patch", says: undefined, patch: { ...said, content } };
	const { layer = "semantic", text, vector, importance, expiresAtBlock, expiresAtTime } = said;
	const ends = { expiresAtBlock, expiresAtTime };
	const says =
		op === "action"
			? { layer: "episodic", content: { ...content, kind: "action" }, text, importance, ...ends }
			: { layer, content, text, vector, importance, ...ends };
	return { ...name, kind: "put", says, patch: undefined };
}

function linkChange(said: LinkOperation): Change {
	const link = linkNameOf(said);
	const name = { namespace: link.from.namespace, id: linkId(link), patch: undefined };
	if (said.op === "unlink") return { ...name, kind: "delete", says: undefined, link: undefined };
	const content = linkContent(link, said.weight ?? 1, undefined);
	return { ...name, kind: "put", says: { layer: "semantic", content }, link };
}

async function expectFates(world: World, run: ReferenceModel): Promise<void> {
	const [actual, expected] = [new Map<string, unknown>(), new Map<string, unknown>()];
	for (const [index, { operationId, said }] of world.journal.entries()) {
		const name = `${index} ${said.op} ${isLinking(said) ? said.type : said.id}`;
		const { status, effectiveSlot } = await world.service.operation(CHAIN, operationId);
		actual.set(name, status === "refused" ? status : { status, slot: effectiveSlot });
		const fate = run.fates.get(operationId);
		expected.set(name, fate === undefined ? "refused" : { status: fate.status, slot: fate.slot });
	}
	expect(Object.fromEntries(actual), "fates of the agent's operations").toEqual(
		Object.fromEntries(expected),
	);
}

/** Of every rollback that was committed, the oldest first. */
async function expectReports(world: World, run: ReferenceModel): Promise<void> {
	const committed = (await world.rollbacks()).filter(({ state }) => state === "committed");
	expect(committed.length, "rollbacks").toBe(run.reports.length);
	for (const [index, { id }] of committed.toReversed().entries()) {
		const expected = run.reports[index];
		if (expected === undefined) continue;
		expectReport(await world.service.report(CHAIN, id), expected, `report of rollback ${id}`);
	}
}

interface Straight {
	readonly fresh: TestRecant;
	/** Links without ends in their slot: one that was admitted is carried there all the same, a new one not. */
	readonly unlinked: ReadonlySet<string>;
}

/** A fresh instance that sees the final chain grow, and gets each slot's writes in that slot. */
async function runStraight(world: World, run: ReferenceModel): Promise<Straight> {
	const unlinked = new Set<string>();
	const gate = await startHeadGate(world.chain.node.rpcUrl);
	gate.limit(1n);
	const { memory } = world.options.chainFile ?? {};
	const fresh = await startTestRecant({
		name: "straight",
		rpcUrl: gate.url,
		token: world.chain.token.address,
		...(memory === undefined ? {} : { chainFile: { memory } }),
		// All of its vectors stay in the tail, so LanceDB and the tail are compared as well.
	});
	const operations = new Map(world.journal.map((entry) => [entry.operationId, entry]));
	for (const [slot, writes] of Map.groupBy(run.placed, (write) => write.slot)) {
		await seenUpTo(fresh.service, gate, slot - 1n);
		for (const { operationId, effect } of writes) {
			const entry = operations.get(operationId);
			if (entry === undefined || effect === "nothing") continue;
			if (!(await again(fresh, entry, effect)))
				unlinked.add(linkId(linkNameOf(entry.said as LinkOperation)));
		}
	}
	await seenUpTo(fresh.service, gate, run.head.number);
	return { fresh, unlinked };
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

/** Writes the operation without what the model has decided already. False: a link without ends. */
async function again(
	fresh: TestRecant,
	{ said }: JournalEntry,
	effect: "writes" | "ends",
): Promise<boolean> {
	const {
		anchor: _1,
		anchors: _2,
		derivedFrom: _3,
		onLoss: _4,
		ifVersion: _5,
		...bare
	} = said as AgentOperation;
	const ending = { op: "delete", id: bare.id, ...optionalNamespace(bare) } as const;
	const operation = effect === "ends" && bare.op !== "delete" && !isLinking(said) ? ending : bare;
	const written = fresh.service.write(CHAIN, {
		operations: [requestOf(operation as WorldOperation, undefined)],
		idempotencyKey: undefined,
		deadlineMs: 5_000,
	});
	const answer = await written.catch((error: unknown) => {
		const isUnlinked = error instanceof RecantError && UNLINKED.includes(error.code);
		if (isUnlinked && isLinking(said)) return undefined;
		throw error;
	});
	if (answer?.committed === false) throw new Error(`not committed: ${JSON.stringify(bare)}`);
	return answer !== undefined;
}

const UNLINKED: readonly string[] = ["link_end_missing", "link_invalid", "memory_not_found"];

function optionalNamespace({ namespace }: { readonly namespace?: string }) {
	return namespace === undefined ? {} : { namespace };
}

async function expectEqualHistory(
	actual: TestRecant,
	expected: TestRecant,
	{
		run,
		unlinked,
		sealedFrom,
	}: Pick<Straight, "unlinked"> & { readonly run: ReferenceModel; readonly sealedFrom: bigint },
): Promise<void> {
	const head = run.head.number;
	for (let height = 0n; height <= head + 1n; height += 1n) {
		const at = { at: { kind: "height", height }, generation: undefined } as const;
		const memories = await readMemories(actual.service, at);
		expect(byName(memories), `memories at height ${height}`).toEqual(
			byName(await readMemories(expected.service, at)),
		);
		expectMarks(memories, run, height);
		if (height < sealedFrom || height > head) continue;
		// Both may be wrong in the same way, so each is held against what is visible as well.
		const links = allVisibleIn(run.history, height).filter(({ id }) => isLinkId(id));
		const linked = links.filter(({ id }) => !unlinked.has(id));
		const [ours, theirs] = await Promise.all(
			[actual, expected].map(({ service }) => checkpointAt(service, height)),
		);
		if (ours === undefined || theirs === undefined) continue;
		const where = `at height ${height}`;
		expect(ours.roots, `roots ${where}`).toMatchObject(rootsOf(memories, links));
		expect(theirs.roots, `roots of the straight run ${where}`).toMatchObject(
			rootsOf(memories, linked),
		);
		if (linked.length === links.length) expect(ours.roots, `roots ${where}`).toEqual(theirs.roots);
		expect(ours.blockHash, `block ${where}`).toEqual(theirs.blockHash);
	}
	for (const tag of ["latest", "pending"] as const) {
		const at = { at: { kind: "tag", tag }, generation: undefined } as const;
		expect(shared(await readHeld(actual.service, at)), `state at ${tag}`).toEqual(
			shared(await readHeld(expected.service, at)),
		);
		expect(await readVectors(actual, at), `vectors at ${tag}`).toEqual(
			await readVectors(expected, at),
		);
	}
	for (const height of [head / 4n, head / 2n, (3n * head) / 4n]) {
		const at = { at: { kind: "height", height }, generation: undefined } as const;
		expect(shared(await readHeld(actual.service, at)), `state at ${height}`).toEqual(
			shared(await readHeld(expected.service, at)),
		);
	}
}

/** Undefined: it is below finality, where checkpoints are not kept for ever. */
async function checkpointAt(service: RecantService, height: bigint) {
	try {
		return await service.checkpoint(CHAIN, height);
	} catch (error) {
		const { finalized = -1n } = await service.chain(CHAIN);
		const isMissing = error instanceof RecantError && error.code === "unknown_checkpoint";
		if (isMissing && height < finalized) return undefined;
		throw error;
	}
}

/** What the straight run knows nothing of: marks, and that they were taken away again. */
function expectMarks(memories: readonly MemoryView[], run: ReferenceModel, height: bigint): void {
	const visible = allVisibleIn(run.history, height).filter(({ id }) => !isLinkId(id));
	const marks = (each: { namespace: string; id: string; since: bigint; suspect: boolean }) => [
		`${each.namespace}/${each.id}`,
		{ since: each.since, suspect: each.suspect },
	];
	// What a rule makes is the straight run's to say.
	const said = memories.filter(({ id }) => !isConsolidated(id));
	expect(Object.fromEntries(said.map(marks)), `marks at height ${height}`).toEqual(
		Object.fromEntries(visible.map((each) => marks({ ...each, since: each.slot }))),
	);
}

/** What two instances share: not what is marked, and not since when the same was said. */
function shared({ memories, found }: Held) {
	const compared = Object.entries(memories).map(
		([name, { since: _since, suspect: _mark, ...memory }]) => [name, memory],
	);
	return { memories: Object.fromEntries(compared), found };
}

/** The roots of what is visible, hashed anew; links, which lists leave out, are the model's. */
function rootsOf(
	memories: readonly MemoryView[],
	links: ReturnType<typeof allVisibleIn>,
): StateRoots {
	const tree = new StateTree();
	for (const { expiresAtBlock: expiresBlock, expiresAtTime, ...memory } of memories) {
		tree.set({
			memoryKey: memoryKey(memory.namespace, memory.id),
			layer: memory.layer,
			contentHash: contentHash({ ...memory, expiresBlock, expiresTime: expiresAtTime }),
		});
	}
	for (const each of links) {
		tree.set({
			memoryKey: memoryKey(each.namespace, each.id),
			layer: "semantic",
			contentHash: contentHashOf(each, each.owner, each.says),
		});
	}
	return tree.roots();
}

function byName(memories: readonly MemoryView[]): Record<string, unknown> {
	const named = Object.fromEntries(
		memories.map(({ versionId: _1, since: _2, suspect: _3, finality: _4, ...memory }) => [
			`${memory.namespace}/${memory.layer}/${memory.id}`,
			memory,
		]),
	);
	expect(Object.keys(named), "each memory is listed once").toHaveLength(memories.length);
	return named;
}

/** Links of every memory that the agent linked, with the memories at their other ends. */
async function expectEqualLinks(
	world: World,
	fresh: TestRecant,
	unlinked: ReadonlySet<string>,
): Promise<void> {
	const names = world.journal.flatMap(({ said }) =>
		isLinking(said) ? [linkNameOf(said).from] : [],
	);
	for (const { namespace, id } of new Map(
		names.map((name) => [JSON.stringify(name), name]),
	).values()) {
		const [ours, theirs] = await Promise.all(
			[world.recant, fresh].map((each) => readLinks(each, { namespace, id }, unlinked)),
		);
		expect(ours, `links of ${namespace}/${id}`).toEqual(theirs);
	}
}

/** By link: weight and the memory at the other end. Undefined: there is no such memory. */
async function readLinks(
	{ url }: TestRecant,
	{ namespace, id }: LinkEnd,
	unlinked: ReadonlySet<string>,
): Promise<unknown> {
	const path = `/v1/chains/${CHAIN}/memories/${encodeURIComponent(id)}/links`;
	const response = await fetch(`${url}${path}?namespace=${namespace}&at=pending&limit=200`);
	if (response.status === 404) return undefined;
	expect(response.status, await response.clone().text()).toBe(200);
	const { items } = (await response.json()) as {
		readonly items: readonly {
			readonly direction: string;
			readonly link: { readonly id: string; readonly weight: number };
			readonly memory: { readonly id: string; readonly contentHash: string };
		}[];
	};
	return items
		.filter(({ link }) => !unlinked.has(link.id))
		.map(({ direction, link, memory }) =>
			[direction, link.id, link.weight, memory.id, memory.contentHash].join(" "),
		)
		.sort();
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
