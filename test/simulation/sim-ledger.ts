/**
 * What the simulated chain's contract tells, and what the chain's two handlers make of it: accounts that
 * count on what they said before, episodes with text, and short-term notes that end by height.
 *
 * `writesOf` is the one place that says what a log does. The handlers ask Recant for what was held, the
 * chain's own record asks the plain map of the branch, so neither can be wrong for the other.
 */

import { DEFAULT_REORG_RULES } from "../../src/chain/branch-support.ts";
import type { ChainLog } from "../../src/domain/block.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { NamespaceSettings } from "../../src/domain/namespace-settings.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import type { ChainSpec, EventHandler } from "../../src/follower/chain-spec.ts";
import type { HandlerContext } from "../../src/follower/define-chain.ts";
import { oneContract } from "../support/one-contract.ts";
import type { Random } from "../support/random.ts";
import type { Says } from "../support/reference-history.ts";

export const SIM_CHAIN_ID = 1;
/** Handlers' own namespace. */
export const LEDGER = "ledger";
/** Of agents: keeps so many short-term memories only. */
export const SMALL = { namespace: "small", capacity: 2 } as const;
export const ADDRESS: Hex = `0x${"aa".repeat(20)}`;
const MOVED: Hex = `0x${"e1".repeat(32)}`;
const NOTED: Hex = `0x${"e2".repeat(32)}`;
const HANDLERS: Hex = `0x${"42".repeat(32)}`;
const ACCOUNTS = ["ann", "bob", "cid"];
const NOTES = ["red", "blue"];

/** moved: between two accounts. noted: a note for so many blocks; 0: it is taken away. */
export type LedgerEvent =
	| {
			readonly type: "moved";
			readonly from: string;
			readonly to: string;
			readonly amount: number;
			/** Of the transaction: names the episode. */
			readonly mark: string;
	  }
	| {
			readonly type: "noted";
			readonly note: string;
			readonly text: string;
			readonly blocks: number;
	  };

export type LedgerSays = Pick<
	Says,
	"layer" | "content" | "text" | "importance" | "confidence" | "expiresAtBlock"
>;

/** `says` undefined: deleted. */
export interface LedgerWrite {
	readonly id: string;
	readonly says: LedgerSays | undefined;
}

type Held = ReadonlyMap<string, JsonObject | undefined>;

/** What a transaction tells; `mark` is its own. */
export function drawEvents(random: Random, mark: string): readonly LedgerEvent[] {
	return Array.from({ length: random.between(0, 2) }, (_, index): LedgerEvent => {
		if (random.chance(0.6)) {
			const from = random.oneOf(ACCOUNTS);
			const to = random.oneOf(ACCOUNTS);
			const amount = random.between(1, 9);
			return { type: "moved", from, to, amount, mark: `${mark}.${index}` };
		}
		const blocks = random.chance(0.2) ? 0 : random.between(1, 6);
		const text = `a note about ${random.oneOf(ACCOUNTS)} ${random.between(0, 2)}`;
		return { type: "noted", note: random.oneOf(NOTES), text, blocks };
	});
}

function readsOf(event: LedgerEvent): readonly string[] {
	if (event.type === "noted") return [`note:${event.note}`];
	return [...new Set([`account:${event.from}`, `account:${event.to}`])];
}

/** In order, as the handlers write them. `held`: what `readsOf` names, as it stands. */
function writesOf(event: LedgerEvent, held: Held, height: Height): readonly LedgerWrite[] {
	return event.type === "noted" ? noted(event, held, height) : moved(event, held);
}

function noted(
	{ note, text, blocks }: Extract<LedgerEvent, { readonly type: "noted" }>,
	held: Held,
	height: Height,
): readonly LedgerWrite[] {
	const id = `note:${note}`;
	const before = held.get(id);
	if (blocks === 0) return before === undefined ? [] : [{ id, says: undefined }];
	const content = { nth: numberIn(before, "nth") + 1 };
	const expiresAtBlock = height + BigInt(blocks);
	return [{ id, says: { layer: "short_term", content, text, expiresAtBlock } }];
}

function moved(
	{ from, to, amount, mark }: Extract<LedgerEvent, { readonly type: "moved" }>,
	held: Held,
): readonly LedgerWrite[] {
	const change = new Map([[from, -amount]]);
	change.set(to, (change.get(to) ?? 0) + amount);
	const accounts = [...change].map(([name, by]): LedgerWrite => {
		const before = held.get(`account:${name}`);
		const balance = numberIn(before, "balance") + by;
		const content = { balance, moves: numberIn(before, "moves") + 1 };
		return { id: `account:${name}`, says: { layer: "semantic", content } };
	});
	const text = `${from} gave ${amount} to ${to}`;
	const episode = { layer: "episodic", content: { amount }, text, importance: amount / 10 };
	return [...accounts, { id: `moved:${mark}`, says: episode }];
}

function numberIn(content: JsonObject | undefined, field: string): number {
	const value = content?.[field];
	return typeof value === "number" ? value : 0;
}

/** What handlers hold on a branch, by id. */
export type Ledger = ReadonlyMap<string, LedgerSays>;

/** A block's writes, and what is held after it. */
export function runLedger(
	before: Ledger,
	events: readonly LedgerEvent[],
	height: Height,
): { readonly ledger: Ledger; readonly writes: readonly LedgerWrite[] } {
	const ledger = new Map(before);
	for (const [id, { expiresAtBlock }] of ledger) {
		if (expiresAtBlock !== undefined && expiresAtBlock <= height) ledger.delete(id);
	}
	const writes: LedgerWrite[] = [];
	for (const event of events) {
		const held = new Map(
			readsOf(event).map((id) => [id, ledger.get(id)?.content as JsonObject | undefined]),
		);
		for (const write of writesOf(event, held, height)) {
			writes.push(write);
			if (write.says === undefined) ledger.delete(write.id);
			else ledger.set(write.id, write.says);
		}
	}
	return { ledger, writes };
}

export function topicOf(event: LedgerEvent): Hex {
	return event.type === "moved" ? MOVED : NOTED;
}

export function dataOf(event: LedgerEvent): Hex {
	return `0x${Buffer.from(JSON.stringify(event)).toString("hex")}`;
}

async function handle({ event, block, memory }: HandlerContext): Promise<void> {
	const said = event.args as LedgerEvent;
	const held = new Map<string, JsonObject | undefined>();
	for (const id of readsOf(said)) held.set(id, (await memory.get(id))?.content);
	for (const { id, says } of writesOf(said, held, block.number)) {
		if (says === undefined) {
			await memory.delete(id);
			continue;
		}
		const { layer, content, text, importance, expiresAtBlock } = says;
		await memory.put({
			id,
			layer: layer as Layer,
			content: content as JsonObject,
			...(text === undefined ? {} : { text }),
			...(importance === undefined ? {} : { importance }),
			...(expiresAtBlock === undefined ? {} : { expiresAtBlock }),
		});
	}
}

function handlerNamed(name: string): EventHandler {
	const decode = ({ data }: ChainLog): unknown =>
		JSON.parse(Buffer.from(data.slice(2), "hex").toString());
	return { name, decode, run: handle };
}

/** As a chain's file gives it. `depthBlocks`: where the node has no finalized tag. */
export function simSpec(depthBlocks: number): ChainSpec {
	const handlers = new Map<Hex, EventHandler>([
		[MOVED, handlerNamed("Ledger:Moved")],
		[NOTED, handlerNamed("Ledger:Noted")],
	]);
	return {
		id: SIM_CHAIN_ID,
		name: "sim",
		rpc: {
			// How many there are is the source's to say; with several named, each fork is asked about.
			urls: [1, 2, 3].map((port) => `http://127.0.0.1:${port}`),
			pollIntervalMs: 250,
			timeoutMs: 2_000,
			logRangeBlocks: 10_000,
			trust: { headerHash: true, logsBloom: true, receipts: false },
		},
		finalityDepthBlocks: depthBlocks,
		windowBlocks: LIMITS.windowBlocks,
		finalityEveryMs: 0,
		reorg: DEFAULT_REORG_RULES,
		startBlock: 0n,
		namespaces: [LEDGER],
		consistency: {
			basicEveryMs: undefined,
			fullEveryMs: undefined,
			rowsPerSecond: 50_000,
			rules: [],
		},
		contracts: [oneContract(ADDRESS, handlers, LEDGER)],
		intervals: [],
		parts: [],
		blockTimeMs: 12_000,
		finalityTags: true,
		merges: new Map(),
		memory: simSettings,
		consolidations: new Map(),
		snapshots: { everyBlocks: undefined, everyMs: undefined, fullEvery: 8, keep: undefined },
		logKeep: "all",
		historyEvery: undefined,
		handlersHash: HANDLERS,
	};
}

/** Of agents' namespaces. */
export const simSettings: ReadonlyMap<string, NamespaceSettings> = new Map([
	[
		SMALL.namespace,
		{
			shortTermCapacity: SMALL.capacity,
			policy: undefined,
			schemas: undefined,
			consolidation: [],
		},
	],
]);

/** The same for the reference model. */
export const simCapacities: ReadonlyMap<string, number> = new Map([
	[SMALL.namespace, SMALL.capacity],
]);
