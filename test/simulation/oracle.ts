/**
 * The oracle of a run: what its stores hold at the end must equal what a straight run holds, and what the
 * reference model says of the recorded history.
 *
 * 1. content: every memory at every height and in the pending slot, and the roots of every checkpoint, equal
 *    those of a fresh instance that saw only the final chain.
 * 2. model: the fate of every operation, marks and grounds, the reports of rollbacks, and what was believed
 *    in generations that ended.
 * 3. roots: every checkpoint's root, of every generation, is the root of what is visible there.
 * 4. writes: what was acknowledged is there at its coordinate; what was durable has its fate; nothing is
 *    there twice, and nothing that was refused.
 * 5. vectors: what is at the pointers and in the tail together is what is visible and embedded, each once.
 */
import { isDeepStrictEqual } from "node:util";
import { differingLayers, type StateRoots } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { FOREVER, type Generation, type Height } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { Random } from "../support/random.ts";
import {
	allVisibleIn,
	type Happening,
	type History,
	hashOf,
	nameOf,
} from "../support/reference-history.ts";
import type { ModelReport } from "../support/reference-model.ts";
import type { HeldRun, HeldVector, RunReads } from "./run-reads.ts";
import type { SimChain } from "./sim-chain.ts";
import type { SimHistory } from "./sim-history.ts";
import { type FreshStores, runStraight } from "./straight-run.ts";
import type { SimRequest } from "./workload.ts";

export type OracleCheck = "content" | "model" | "roots" | "vectors" | "writes";

export class OracleFailure extends Error {
	override readonly name = "OracleFailure";
	readonly check: OracleCheck;

	constructor(check: OracleCheck, message: string) {
		super(`${check}: ${message}`);
		this.check = check;
	}
}

export interface Judged {
	readonly chain: SimChain;
	readonly reads: RunReads;
	readonly history: SimHistory;
	readonly requests: readonly SimRequest[];
	readonly openFresh: () => Promise<FreshStores>;
	readonly embedder: Embedder;
	/** Picks what is too much to look at whole. */
	readonly random: Random;
}

/** Heights of generations that have ended at which the model is asked. */
const ENDED_LOOKS = 3;

/** Throws OracleFailure. Nothing may be under way. */
export async function judge(judged: Judged): Promise<void> {
	const { history, reads, requests, embedder } = judged;
	await history.refresh();
	const held = await reads.held();
	requireWrites(held, history, requests);
	requireModel(held, judged);
	requireRoots(held);
	await requireVectors(held, embedder);
	const fresh = await judged.openFresh();
	try {
		const { unlinked } = await runStraight({
			chain: judged.chain,
			model: history.model,
			operationOf: operationsOf(history, requests),
			stores: fresh,
			embedder,
		});
		requireContent(held, await fresh.reads.held(), unlinked);
	} finally {
		await fresh.close();
	}
}

function operationsOf(history: SimHistory, requests: readonly SimRequest[]) {
	const writes = new Map(
		requests.flatMap(({ operations, writes: asked }) =>
			operations.map((each, index) => [each, asked[index]] as const),
		),
	);
	return (operationId: string) => {
		const asked = history.askedAs(operationId);
		const write = asked && writes.get(asked);
		if (write === undefined) throw new Error(`operation ${operationId} is of nobody's request`);
		return write.operation;
	};
}

// What was acknowledged, and what was not.

function requireWrites(held: HeldRun, history: SimHistory, requests: readonly SimRequest[]): void {
	const { admitted } = history;
	const stored = new Map(held.operations.map((each) => [each.operationId, each]));
	const waiting = new Set(held.inbox);
	for (const request of requests) {
		const ids = new Set(request.answers.map(({ operations }) => idsOf(operations).join()));
		require("writes", ids.size <= 1, () =>
			`request ${request.index} got ${[...ids].join(" and ")}`);
		for (const { committed, operations } of request.answers) {
			for (const { operationId, position, originalSlot, status } of operations) {
				const what = () => `operation ${operationId} of request ${request.index} (${status})`;
				const now = stored.get(operationId);
				const entry = admitted.get(operationId);
				require("writes", now !== undefined, () => `${what()} is gone`);
				if (!committed) {
					const isSomewhere = entry !== undefined || waiting.has(operationId);
					require("writes", isSomewhere, () => `${what()} was durable and is lost`);
					continue;
				}
				const isThere = entry !== undefined && entry.position === position;
				require("writes", isThere, () => `${what()} is not at log position ${position}`);
				const isRefused = entry?.kind === "refused";
				require("writes", isRefused === (status === "refused"), () => `${what()}: ${entry?.kind}`);
				const isSame = now?.originalSlot === originalSlot && entry?.height === originalSlot;
				require("writes", isSame, () => `${what()} is not in slot ${originalSlot}`);
			}
		}
	}
	const counted = Map.groupBy(held.operations, ({ operationId }) => operationId);
	for (const [id, rows] of counted) {
		require("writes", rows.length === 1, () => `operation ${id} is there ${rows.length} times`);
		const isKnown = admitted.has(id) || waiting.has(id);
		require("writes", isKnown, () => `operation ${id} (${rows[0]?.status}) is in no log`);
	}
	require("writes", history.wronglyRefused.length === 0, () => history.wronglyRefused.join("; "));
}

function idsOf(operations: readonly { readonly operationId: string }[]): readonly string[] {
	return operations.map(({ operationId }) => operationId);
}

// What the model says.

function requireModel(held: HeldRun, { history, random }: Judged): void {
	const { model } = history;
	require("model", held.head.hash === model.head.hash, () => `the head is ${held.head.hash}`);
	const isGeneration = held.generation === BigInt(model.ended.length);
	require("model", isGeneration, () => `generation ${held.generation} of ${model.ended.length}`);
	requireFates(held, history);
	requireBelief(held, model.history, { height: model.pending, generation: held.generation });
	for (let look = 0; look < ENDED_LOOKS && model.ended.length > 0; look += 1) {
		const index = random.between(0, model.ended.length - 1);
		const ended = model.ended[index];
		if (ended === undefined) continue;
		const height = BigInt(random.between(0, Number(ended.head.number)));
		requireBelief(held, ended.history, { height, generation: BigInt(index) });
	}
	const { reports } = model;
	const isCount = reports.length === held.reports.length;
	require("model", isCount, () => `${held.reports.length} reports of ${reports.length} rollbacks`);
	for (const [index, expected] of reports.entries()) {
		requireReport(held.reports[index] ?? "{}", expected, index);
	}
}

function requireFates({ operations }: HeldRun, { model }: SimHistory): void {
	const { fates } = model;
	for (const { operationId, status, effectiveSlot, suspect } of operations) {
		if (status === "refused" || status === "queued") {
			const isUnborn = !fates.has(operationId);
			require("model", isUnborn, () => `operation ${operationId} is ${status}, and was admitted`);
			continue;
		}
		const fate = fates.get(operationId);
		const now = { status, slot: effectiveSlot, suspect };
		requireEqual("model", now, fate, `fate of operation ${operationId}`);
	}
}

interface Seen {
	readonly hash: string;
	readonly since: bigint;
	readonly suspect: boolean;
	readonly grounds: Happening["grounds"];
}

function requireBelief(
	held: HeldRun,
	history: History,
	at: { readonly height: Height; readonly generation: Generation },
): void {
	const expected = new Map(
		allVisibleIn(history, at.height).map((each): [string, Seen] => {
			const { slot: since, suspect, grounds } = each;
			return [nameOf(each), { hash: hashOf(each, each.owner, each.says), since, suspect, grounds }];
		}),
	);
	const actual = new Map(
		visible(held.versions, at).map((version): [string, Seen] => {
			const { contentHash: hash, fromBlock: since, suspect } = version;
			const name = nameOf(version);
			const isLost = expected.get(name)?.grounds === "lost";
			const grounds = isLost ? "lost" : (version.grounds ?? "none");
			return [name, { hash, since, suspect, grounds }];
		}),
	);
	requireSameMap("model", actual, expected, `height ${at.height}, generation ${at.generation}`);
}

const LISTS = [
	"suspended",
	"reinstated",
	"replayed",
	"withdrawn",
	"flagged",
	"cleared",
	"actions",
] as const;

type StoredReport = {
	readonly [List in (typeof LISTS)[number]]?: readonly { readonly operationId: string }[];
} & { readonly recanted?: readonly { readonly namespace: string; readonly id: string }[] };

function requireReport(json: string, expected: ModelReport, index: number): void {
	const said = JSON.parse(json) as StoredReport;
	for (const list of LISTS) {
		const names = (said[list] ?? []).map(({ operationId }) => operationId).sort();
		requireEqual("model", names, [...expected[list]].sort(), `${list} of report ${index}`);
	}
	const recanted = (said.recanted ?? [])
		.map(nameOf)
		.filter((name) => !expected.over.includes(name));
	requireEqual("model", recanted.sort(), [...expected.recanted].sort(), `recanted, ${index}`);
}

// Checkpoints against what is visible there.

function requireRoots(held: HeldRun): void {
	for (let generation = 0n; generation <= held.generation; generation += 1n) {
		const seen = held.versions.filter((each) => isOf(each, generation));
		const sealed = held.checkpoints
			.filter((each) => isOf(each, generation))
			.sort((a, b) => (a.height < b.height ? -1 : 1));
		// What is the same as a generation before was held against its rows there.
		const begins = sealed.findIndex((each) => each.fromGen === generation);
		if (begins < 0) continue;
		requireRootsOf(seen, sealed.slice(begins), generation);
	}
}

function requireRootsOf(
	versions: readonly Version[],
	sealed: HeldRun["checkpoints"],
	generation: Generation,
): void {
	const tree = new StateTree();
	const begins = versions.filter(isSaid).sort((a, b) => rising(a.fromBlock, b.fromBlock));
	const ends = [...begins].sort((a, b) => rising(a.toBlock, b.toBlock));
	let [begun, ended] = [0, 0];
	for (const { height, roots } of sealed) {
		// What ends goes first: at the same height the same memory may begin anew.
		for (; (ends[ended]?.toBlock ?? FOREVER) <= height; ended += 1) {
			const version = ends[ended];
			if (version !== undefined && tree.has(version)) {
				tree.delete(version.layer, version.memoryKey, version.contentHash);
			}
		}
		for (; (begins[begun]?.fromBlock ?? FOREVER) <= height; begun += 1) {
			const version = begins[begun];
			if (version !== undefined && version.toBlock > height) tree.set(version);
		}
		requireSameRoots(roots, tree.roots(), `at height ${height} of generation ${generation}`);
	}
}

function isSaid({ content, fromBlock, toBlock }: Version): boolean {
	return content !== undefined && fromBlock < toBlock;
}

function requireSameRoots(actual: StateRoots, expected: StateRoots, where: string): void {
	const layers = differingLayers(actual, expected);
	require("roots", layers.length === 0, () => `roots ${where} differ in ${layers.join(", ")}`);
}

// Vectors.

async function requireVectors(held: HeldRun, embedder: Embedder): Promise<void> {
	const found = new Map<string, HeldVector>();
	for (const vector of [...held.tables, ...held.tail]) {
		const key = `${vector.collection}/${vector.versionId}`;
		require("vectors", !found.has(key), () => `version ${key} is in the table and in the tail`);
		found.set(key, vector);
	}
	const { generation, head } = held;
	const heights = [head.height, head.height + 1n];
	const seen = heights.flatMap((height) => visible(held.versions, { height, generation }));
	for (const { collection, versionId, text, memoryKey, ...version } of seen) {
		if (collection === undefined || text === undefined) continue;
		const name = `${nameOf(version)} (version ${versionId})`;
		const vector = found.get(`${collection}/${versionId}`);
		require("vectors", vector !== undefined, () => `${name} is in no table and not in the tail`);
		const isOwn = vector?.memoryKey === memoryKey;
		require("vectors", isOwn, () => `${name} has the vector of ${vector?.memoryKey}`);
		const [embedded] = await embedder.embed([text]);
		const isSame = isDeepStrictEqual(rounded(vector?.vector), rounded(embedded));
		require("vectors", isSame, () => `${name} has another vector than its text`);
	}
}

/** Halves of a millionth are the store's affair. */
function rounded(vector: Float32Array | undefined): readonly number[] {
	return [...(vector ?? [])].map((each) => Math.round(each * 1e5));
}

// Against the straight run.

interface Interval {
	readonly from: Height;
	to: Height;
	readonly says: string;
}

function requireContent(held: HeldRun, fresh: HeldRun, unlinked: ReadonlySet<string>): void {
	requireEqual("content", held.head, fresh.head, "head");
	const ours = lives(held, unlinked);
	requireSameMap("content", ours, lives(fresh, unlinked), "lives of memories");
	if (unlinked.size > 0) return;
	const theirs = new Map(
		present(fresh).map((checkpoint) => [checkpoint.height, checkpoint] as const),
	);
	for (const { height, blockHash, roots } of present(held)) {
		const straight = theirs.get(height);
		const isBlock = straight?.blockHash === blockHash;
		require("content", isBlock, () => `block ${height} is ${blockHash}`);
		if (straight === undefined) continue;
		const layers = differingLayers(roots, straight.roots);
		require("content", layers.length === 0, () => `roots of ${height} differ: ${layers.join()}`);
	}
	const layers = differingLayers(held.roots, fresh.roots);
	require("content", layers.length === 0, () => `roots of the pending slot: ${layers.join()}`);
}

function present({ checkpoints, generation }: HeldRun): HeldRun["checkpoints"] {
	return checkpoints.filter((each) => isOf(each, generation));
}

/** What each memory says from which height to which, whatever rows it takes to say so. */
function lives(
	{ versions, generation }: HeldRun,
	without: ReadonlySet<string>,
): ReadonlyMap<string, readonly Interval[]> {
	const rows = versions.filter(
		(each) => isOf(each, generation) && isSaid(each) && !without.has(each.id),
	);
	return new Map([...Map.groupBy(rows, nameOf)].map(([name, own]) => [name, joined(own)] as const));
}

function joined(rows: readonly Version[]): readonly Interval[] {
	const intervals: Interval[] = [];
	for (const row of rows.toSorted((a, b) => rising(a.fromBlock, b.fromBlock))) {
		const last = intervals.at(-1);
		const says = `${row.owner} ${row.layer} ${row.contentHash}`;
		if (last !== undefined && last.to === row.fromBlock && last.says === says)
			last.to = row.toBlock;
		else intervals.push({ from: row.fromBlock, to: row.toBlock, says });
	}
	return intervals;
}

// What they share.

function isOf(
	{ fromGen, toGen }: { readonly fromGen: Generation; readonly toGen: Generation },
	generation: Generation,
): boolean {
	return fromGen <= generation && generation < toGen;
}

function visible(
	versions: readonly Version[],
	{ height, generation }: { readonly height: Height; readonly generation: Generation },
): readonly Version[] {
	return versions.filter(
		(each) =>
			isOf(each, generation) &&
			each.content !== undefined &&
			each.fromBlock <= height &&
			height < each.toBlock,
	);
}

function rising(a: bigint, b: bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

function require(check: OracleCheck, holds: boolean, what: () => string): void {
	if (!holds) throw new OracleFailure(check, what());
}

function requireEqual(check: OracleCheck, actual: unknown, expected: unknown, what: string): void {
	require(check, isDeepStrictEqual(actual, expected), () => {
		return `${what} is ${readable(actual)}, and should be ${readable(expected)}`;
	});
}

function requireSameMap<Value>(
	check: OracleCheck,
	actual: ReadonlyMap<string, Value>,
	expected: ReadonlyMap<string, Value>,
	where: string,
): void {
	for (const name of new Set([...actual.keys(), ...expected.keys()])) {
		requireEqual(check, actual.get(name), expected.get(name), `${where}: ${name}`);
	}
}

function readable(value: unknown): string {
	if (value === undefined) return "nothing";
	return JSON.stringify(value, (_key, each: unknown) =>
		typeof each === "bigint" ? each.toString() : each,
	);
}
