/** `recant compare`: in which memories two replicas differ, read from no more than what differs. */
import type { TreeMemoriesAnswer } from "../../client/answers.ts";
import { RecantClient } from "../../client/client.ts";
import {
	compareTrees,
	type TreeComparison,
	type TreeDifference,
} from "../../commitment/compare-trees.ts";
import type { MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { CoordinateView } from "../../domain/wire.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { ReplicaTree } from "../replica-tree.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable } from "../terminal.ts";

export interface CompareOptions {
	/** Undefined: the lower of the two committed heads. */
	readonly at: string | undefined;
	readonly otherApiKey: string | undefined;
}

interface Replicas {
	readonly left: ReplicaTree;
	readonly right: ReplicaTree;
}

interface Named extends TreeDifference {
	/** Undefined: neither replica could tell. */
	readonly namespace: string | undefined;
	readonly id: string | undefined;
}

/** Exit code 5 when they differ. */
export async function compare(
	session: Session,
	otherUrl: string,
	options: CompareOptions,
): Promise<ExitCode> {
	const replicas = await openReplicas(session, otherUrl, options);
	const comparison = await compareTrees(replicas.left, replicas.right, {
		differences: LIMITS.comparedDifferences,
		pathsPerRead: LIMITS.treePaths,
	});
	const differences = await named(replicas, comparison.differences);
	show(session, replicas, { ...comparison, differences });
	return differences.length === 0 ? EXIT.ok : EXIT.mismatch;
}

/** Both at one height, pinned: blocks that come meanwhile change nothing. */
async function openReplicas(
	session: Session,
	otherUrl: string,
	{ at, otherApiKey }: CompareOptions,
): Promise<Replicas> {
	const other = new RecantClient({ url: otherUrl, apiKey: otherApiKey });
	const left = await ReplicaTree.open(session.client, await session.chain(), at);
	const chain = left.at.chain.toString();
	const right = await ReplicaTree.open(other, chain, at);
	const ahead = BigInt(left.at.height) - BigInt(right.at.height);
	if (at !== undefined || ahead === 0n) return { left, right };
	return ahead > 0n
		? { left: await ReplicaTree.open(session.client, chain, right.at.height), right }
		: { left, right: await ReplicaTree.open(other, chain, left.at.height) };
}

async function named(
	{ left, right }: Replicas,
	differences: readonly TreeDifference[],
): Promise<readonly Named[]> {
	const keysOf = (side: "left" | "right") =>
		differences.filter((each) => sideOf(each) === side).map(({ memoryKey }) => memoryKey);
	const names = new Map<MemoryKey, TreeMemoriesAnswer["memories"][number]>([
		...(await left.names(keysOf("left"))),
		...(await right.names(keysOf("right"))),
	]);
	return differences.map((each) => {
		const name = names.get(each.memoryKey);
		return { ...each, namespace: name?.namespace, id: name?.id };
	});
}

/** Who can tell the name: either of those that hold the memory. */
function sideOf({ left }: TreeDifference): "left" | "right" {
	return left === undefined ? "right" : "left";
}

function show(
	session: Session,
	{ left, right }: Replicas,
	{ differences, complete, reads }: TreeComparison & { readonly differences: readonly Named[] },
): void {
	const { terminal } = session;
	const requests = left.requests + right.requests;
	if (session.json) {
		const sides = { left: sideView(left), right: sideView(right) };
		printJson(terminal, { ...sides, differences, complete, reads, requests });
		return;
	}
	printLine(terminal, `here:  ${coordinateLine(left.at)}`);
	printLine(terminal, `there: ${coordinateLine(right.at)}`);
	if (!onOneBlock(left.at, right.at)) {
		const warning = "the replicas hold different blocks at this height: one of them is on a fork";
		printLine(terminal, paint(terminal, "yellow", warning));
	}
	if (differences.length > 0) {
		const head = ["difference", "layer", "namespace", "id", "memory key"];
		printTable(terminal, head, differences.map(differenceRow));
	}
	const more = complete ? "" : " and more";
	const verdict = differences.length === 0 ? "equal" : `${differences.length} differences${more}`;
	printLine(terminal, `${verdict}; ${reads.left + reads.right} nodes in ${requests} requests`);
}

function differenceRow(each: Named): string[] {
	const { layer, memoryKey, namespace = "?", id = "?" } = each;
	return [kindOf(each), layer, printable(namespace), printable(id), memoryKey];
}

function kindOf({ left, right }: TreeDifference): string {
	if (left === undefined) return "only there";
	return right === undefined ? "only here" : "differs";
}

/** Headers far below are not always kept; then there is nothing to compare. */
function onOneBlock(one: CoordinateView, other: CoordinateView): boolean {
	const { blockHash } = one;
	return blockHash === other.blockHash || blockHash === undefined || other.blockHash === undefined;
}

function sideView({ at, roots }: ReplicaTree) {
	return { at, roots };
}
