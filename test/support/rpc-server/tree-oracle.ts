/**
 * What must be remembered of a branch of the tree, made from its blocks alone, and how a service differs
 * from it: contents and roots along the canonical chain, what was committed on branches that it left, and
 * that nothing was ever committed that is no block of the tree.
 */
import type { StateRoots } from "../../../src/commitment/state-root.ts";
import { StateTree } from "../../../src/commitment/state-tree.ts";
import type { AtRequest } from "../../../src/domain/coordinate.ts";
import { RecantError } from "../../../src/domain/errors.ts";
import type { Hex } from "../../../src/domain/ids.ts";
import type { Layer } from "../../../src/domain/layer.ts";
import { memoryKey } from "../../../src/memory/memory-key.ts";
import type { BlockView, ChainView, RecantService } from "../../../src/service/recant-service.ts";
import { ledgerChain } from "../naive-ledger.ts";
import { hashOf, isOver, type Says } from "../reference-history.ts";
import type { BlockTree } from "./block-tree.ts";

/** Content hash by `namespace/layer/id`. */
type Contents = ReadonlyMap<string, Hex>;

interface Visible {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly contentHash: Hex;
}

/** A page of what a service lists. */
const PAGE = 200;
/** How much of a history is compared; a whole one of thousands of blocks would take minutes. */
export interface Extent {
	/** Heights below the head that are looked at one by one. */
	readonly near: number;
	/** Further down one in so many. */
	readonly farStep: number;
	/** Branches that were left, the latest. */
	readonly left: number;
	/** Pages of blocks, those of all branches. */
	readonly pages: number;
}

const WHOLE: Extent = { near: 14, farStep: 25, left: 200, pages: 10 };
/** Differences that are told of one state: a defect makes thousands. */
const TOLD = 5;

/** What the ledger says along one branch. */
class BranchTruth {
	readonly head: number;
	readonly #writes: readonly (readonly Write[])[];

	constructor(tree: BlockTree, head: Hex) {
		const blocks = ledgerChain(tree, tree.token).branch(head);
		this.head = blocks.length - 1;
		this.#writes = blocks.map(({ writes }) =>
			writes.flatMap(({ namespace, id, says }) =>
				says === undefined ? [] : [{ namespace, id, says, contentHash: undefined }],
			),
		);
	}

	visibleAt(height: number): readonly Visible[] {
		const last = new Map<string, Write>();
		for (const writes of this.#writes.slice(0, height + 1))
			for (const write of writes) last.set(`${write.namespace}/${write.id}`, write);
		return [...last.values()].filter(({ says }) => !isOver(says, BigInt(height))).map(visible);
	}
}

interface Write {
	readonly namespace: string;
	readonly id: string;
	readonly says: Says;
	/** Made when it is asked for. */
	contentHash: Hex | undefined;
}

function visible(write: Write): Visible {
	const { namespace, id, says } = write;
	write.contentHash ??= hashOf({ namespace, id }, "handler", says);
	return { namespace, id, layer: says.layer as Layer, contentHash: write.contentHash };
}

/** Empty: the service holds what a straight run over the chain with that head would. */
export async function differences(
	service: RecantService,
	chain: string,
	{ tree, headHash }: { readonly tree: BlockTree; readonly headHash: Hex },
	extent: Extent = WHOLE,
): Promise<readonly string[]> {
	const truth = new BranchTruth(tree, headHash);
	const view = await service.chain(chain);
	if (view.head?.hash !== headHash)
		return [`the head is ${view.head?.height} ${view.head?.hash}, not ${truth.head} ${headHash}`];
	const found: string[] = [];
	for (const height of heightsOf(view, truth, extent)) {
		found.push(...(await differencesAt(service, chain, { truth, height })));
	}
	found.push(
		...(await leftBranches(service, chain, { tree, left: extent.left })),
		...(await strangers(service, view, { tree, pages: extent.pages })),
	);
	return found;
}

/** Of those that can be read. */
function heightsOf(
	{ retainedFrom }: ChainView,
	{ head }: BranchTruth,
	{ near, farStep }: Extent,
): readonly number[] {
	const lowest = Math.max(0, Number(retainedFrom));
	return Array.from({ length: head - lowest + 1 }, (_, index) => head - index).filter(
		(height) => head - height < near || height % farStep === 0,
	);
}

async function differencesAt(
	service: RecantService,
	chain: string,
	{ truth, height }: { readonly truth: BranchTruth; readonly height: number },
): Promise<readonly string[]> {
	const visible = truth.visibleAt(height);
	const at = { at: { kind: "height", height: BigInt(height) }, generation: undefined } as const;
	const listed = compared(await contentsAt(service, chain, at), visible, `at ${height}`);
	const roots = await rootsAt(service, chain, BigInt(height));
	if (roots === undefined) return listed;
	const expected = rootsOf(visible);
	const wrong = Object.entries(expected).filter(([layer, root]) => roots[layer as Layer] !== root);
	return [...listed, ...wrong.map(([layer]) => `root of ${layer} at ${height}`)];
}

async function contentsAt(service: RecantService, chain: string, at: AtRequest): Promise<Contents> {
	const contents = new Map<string, Hex>();
	let cursor: string | undefined;
	do {
		const page = await service.memories(chain, {
			at,
			layer: undefined,
			namespace: undefined,
			limit: PAGE,
			cursor,
		});
		for (const { namespace, layer, id, contentHash } of page.items)
			contents.set(`${namespace}/${layer}/${id}`, contentHash);
		cursor = page.cursor;
	} while (cursor !== undefined);
	return contents;
}

function compared(actual: Contents, visible: readonly Visible[], where: string): readonly string[] {
	const expected = new Map(
		visible.map(({ namespace, layer, id, contentHash }) => [
			`${namespace}/${layer}/${id}`,
			contentHash,
		]),
	);
	const missing = [...expected.keys()].filter((name) => !actual.has(name));
	const surplus = [...actual.keys()].filter((name) => !expected.has(name));
	const other = [...expected].filter(
		([name, hash]) => actual.has(name) && actual.get(name) !== hash,
	);
	return [
		...missing.slice(0, TOLD).map((name) => `${where}: ${name} is missing`),
		...surplus.slice(0, TOLD).map((name) => `${where}: ${name} should not be there`),
		...other.slice(0, TOLD).map(([name]) => `${where}: ${name} says something else`),
	];
}

/** Undefined: no checkpoint is kept there. */
async function rootsAt(
	service: RecantService,
	chain: string,
	height: bigint,
): Promise<StateRoots | undefined> {
	try {
		return (await service.checkpoint(chain, height)).roots;
	} catch (error) {
		if (error instanceof RecantError && error.code === "unknown_checkpoint") return undefined;
		throw error;
	}
}

function rootsOf(visible: readonly Visible[]): StateRoots {
	const tree = new StateTree();
	for (const { namespace, id, layer, contentHash } of visible)
		tree.set({ memoryKey: memoryKey(namespace, id), layer, contentHash });
	return tree.roots();
}

/** What was committed before each rollback, read by the hash that it left. */
async function leftBranches(
	service: RecantService,
	chain: string,
	{ tree, left }: { readonly tree: BlockTree; readonly left: number },
): Promise<readonly string[]> {
	const found: string[] = [];
	const { items } = await service.rollbacks(chain, { limit: PAGE, cursor: undefined });
	for (const { state, from, fromGeneration: generation } of items.slice(0, left)) {
		if (state !== "committed" || tree.place(from.hash) === undefined) continue;
		const truth = new BranchTruth(tree, from.hash);
		const at = { at: { kind: "hash", hash: from.hash }, generation } as const;
		const where = `at ${from.height} of generation ${generation}`;
		found.push(
			...compared(await contentsAt(service, chain, at), truth.visibleAt(truth.head), where),
		);
	}
	return found;
}

/** Blocks that were committed, on whatever branch, and that no node had so. */
async function strangers(
	service: RecantService,
	{ name }: ChainView,
	{ tree, pages }: { readonly tree: BlockTree; readonly pages: number },
): Promise<readonly string[]> {
	const found: string[] = [];
	let cursor: string | undefined;
	for (let page = 0; page < pages && (page === 0 || cursor !== undefined); page += 1) {
		const query = { from: undefined, to: undefined, fork: "all", limit: PAGE, cursor } as const;
		const blocks = await service.blocks(name, query);
		for (const block of blocks.items) if (!isOfTree(block, tree)) found.push(strange(block));
		cursor = blocks.cursor;
	}
	return found;
}

function isOfTree({ height, hash, parentHash, timestamp }: BlockView, tree: BlockTree): boolean {
	const place = tree.place(hash);
	if (place === undefined || BigInt(place.height) !== height) return false;
	const { header } = tree.block(place.branch, place.height);
	return header.parentHash === parentHash && BigInt(header.timestamp) === timestamp;
}

function strange({ height, hash }: BlockView): string {
	return `block ${height} ${hash} was committed, and no node had it so`;
}
