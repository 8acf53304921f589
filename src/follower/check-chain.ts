/**
 * Holds a chain's file against its nodes, before a run: whether each provider answers what the follower will
 * ask, and whether the contracts are where the file says. Changes nothing and commits nothing.
 */
import { higher, lower } from "../chain/height.ts";
import type { ChainBlock } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { LogFilter } from "./chain-source.ts";
import type { ChainSpec, ContractSpec } from "./chain-spec.ts";
import type { InspectedNode } from "./inspected-node.ts";
import { eventWants, plainWants } from "./log-queries.ts";

/** failed: the chain cannot be followed so. warning: it can, and somebody should know. */
export interface ChainFinding {
	readonly provider: string;
	readonly check: string;
	readonly state: "ok" | "warning" | "failed";
	readonly says: string;
}

/** A head that is older than so many blocks' time, and than a minute, comes from a node that stands still. */
const STALE_BLOCKS = 20;
const STALE_MS = 60_000;
/** Depths under the head at which contract state is asked for, besides the start block. */
const STATE_DEPTHS = [0n, 64n, 1_000n, 10_000n, 100_000n, 1_000_000n];
/** Halvings of the range of logs: from 10,000 down to 1. */
const RANGE_TRIES = 15;

type Finding = Omit<ChainFinding, "provider">;

/** Everything that one provider shows, in the order of the checks. Never throws for what the provider does. */
export async function checkProvider(
	spec: ChainSpec,
	node: InspectedNode,
	nowMs: number,
): Promise<readonly ChainFinding[]> {
	const named = (finding: Finding): ChainFinding => ({ provider: node.provider, ...finding });
	const head = await attempt(() => node.latest());
	if (head.type === "failed") return [named({ check: "answers", state: "failed", says: head.why })];
	const context = { spec, node, head: head.answer };
	const findings = [headFinding(spec, head.answer, nowMs)];
	for (const check of [chainId, tags, headerHash, startBlock, logsOfHead, logRange, state]) {
		findings.push(await check(context));
	}
	for (const contract of spec.contracts)
		findings.push(...(await contractFindings(contract, context)));
	return findings.map(named);
}

interface Context {
	readonly spec: ChainSpec;
	readonly node: InspectedNode;
	readonly head: ChainBlock;
}

function headFinding({ blockTimeMs }: ChainSpec, head: ChainBlock, nowMs: number): Finding {
	const ageMs = nowMs - Number(head.timestamp) * 1_000;
	const isStale = ageMs > Math.max(STALE_MS, STALE_BLOCKS * blockTimeMs);
	const says = `head ${head.number}, ${Math.max(0, Math.round(ageMs / 1_000))} s old`;
	return { check: "answers", state: isStale ? "warning" : "ok", says };
}

async function chainId({ spec, node }: Context): Promise<Finding> {
	const check = "chain id";
	const answer = await attempt(() => node.chainId());
	if (answer.type === "failed") return { check, state: "failed", says: answer.why };
	const fits = answer.answer === spec.id;
	const says = fits ? `${spec.id}` : `it serves ${answer.answer}, the file says ${spec.id}`;
	return { check, state: fits ? "ok" : "failed", says };
}

async function tags({ spec, node, head }: Context): Promise<Finding> {
	const check = "finality";
	const depth = `${spec.finalityDepthBlocks} blocks under the head`;
	if (!spec.finalityTags) return { check, state: "ok", says: `by depth alone, ${depth}` };
	const answers = await attempt(() => Promise.all([node.tagged("safe"), node.tagged("finalized")]));
	if (answers.type === "failed") return { check, state: "failed", says: answers.why };
	const [safe, finalized] = answers.answer;
	if (finalized === undefined)
		return { check, state: "warning", says: `no finalized tag: ${depth}` };
	const deep = head.number - finalized.number;
	const says = `finalized ${finalized.number}, ${deep} under the head; safe ${safe?.number ?? "is not tagged"}`;
	if (deep <= BigInt(spec.windowBlocks)) return { check, state: "ok", says };
	const most = `forks of more than ${spec.windowBlocks} blocks need an operator`;
	return { check, state: "warning", says: `${says}: ${most}` };
}

async function headerHash({ spec, node, head }: Context): Promise<Finding> {
	const check = "header hash";
	const heights = [...new Set([head.number, lower(spec.startBlock, head.number)])];
	const proofs = await attempt(() => Promise.all(heights.map((height) => node.headerHash(height))));
	if (proofs.type === "failed") return { check, state: "failed", says: proofs.why };
	const wrong = heights.filter((_, index) => proofs.answer[index] !== "proved");
	const isOn = spec.rpc.trust.headerHash;
	if (wrong.length === 0) {
		const says = `recomputed at ${heights.join(" and ")}`;
		return { check, state: "ok", says: isOn ? says : `${says}, although trust.headerHash is off` };
	}
	const says = `not what the header gives at ${wrong.join(" and ")}`;
	if (!isOn) return { check, state: "ok", says: `${says}; trust.headerHash is off` };
	return {
		check,
		state: "failed",
		says: `${says}: set trust.headerHash to false if the chain's differ`,
	};
}

async function startBlock({ spec, node, head }: Context): Promise<Finding> {
	const check = "start block";
	if (spec.startBlock > head.number) {
		return { check, state: "warning", says: `${spec.startBlock} is above the head ${head.number}` };
	}
	const block = await attempt(() => node.block(spec.startBlock));
	if (block.type === "failed") return { check, state: "failed", says: block.why };
	if (block.answer === undefined)
		return { check, state: "failed", says: `the node does not have block ${spec.startBlock}` };
	const wants = filterOf(spec);
	const range = { from: spec.startBlock, to: spec.startBlock };
	const logs = await attempt(() => node.logsOfRange(range, wants));
	if (logs.type === "failed")
		return { check, state: "failed", says: `no logs of block ${spec.startBlock}: ${logs.why}` };
	return { check, state: "ok", says: `${spec.startBlock} and its logs are there` };
}

async function logsOfHead({ spec, node, head }: Context): Promise<Finding> {
	const check = "logs by hash";
	const logs = await attempt(() => node.logsOfBlock(head.hash, filterOf(spec)));
	if (logs.type === "failed") return { check, state: "failed", says: logs.why };
	return { check, state: "ok", says: `of block ${head.number}` };
}

/** The widest range that the node takes now, at its newest blocks; the follower learns by itself as well. */
async function logRange({ spec, node, head }: Context): Promise<Finding> {
	const check = "log range";
	let width = BigInt(spec.rpc.logRangeBlocks);
	let refused = "";
	for (let tries = 0; tries < RANGE_TRIES && width > 0n; tries += 1) {
		const from = head.number >= width ? head.number - width + 1n : 0n;
		const size = width;
		const logs = await attempt(() => node.logsOfRange({ from, to: head.number }, filterOf(spec)));
		if (logs.type === "ok") {
			const learned = refused === "" ? "" : `; more was refused: ${refused}`;
			return { check, state: "ok", says: `${size} blocks at once${learned}` };
		}
		refused = logs.why;
		width /= 2n;
	}
	return { check, state: "failed", says: refused };
}

/** How far back contracts can be asked: what handlers that use `client` need from their start block on. */
async function state({ spec, node, head }: Context): Promise<Finding> {
	const check = "contract state";
	const heights = STATE_DEPTHS.map((depth) => head.number - depth).filter(
		(height) => height > spec.startBlock,
	);
	heights.push(lower(spec.startBlock, head.number));
	let reached: Height | undefined;
	for (const height of heights) {
		const block = await attempt(() => node.block(height));
		if (block.type === "failed" || block.answer === undefined) break;
		const { answer } = block;
		const call = await attempt(() => node.callAt(answer));
		if (call.type === "failed") break;
		reached = height;
	}
	if (reached === undefined)
		return {
			check,
			state: "warning",
			says: "eth_call by block hash is refused: handlers cannot use client",
		};
	const says = `eth_call back to block ${reached}`;
	return reached <= spec.startBlock
		? { check, state: "ok", says }
		: {
				check,
				state: "warning",
				says: `${says} only; a handler that uses client needs an archive node below`,
			};
}

async function contractFindings(
	contract: ContractSpec,
	context: Context,
): Promise<readonly Finding[]> {
	const { factory, addresses } = contract;
	const findings: Finding[] = [];
	for (const address of factory?.addresses ?? addresses) {
		findings.push(await codeFinding(contract, address, context));
	}
	return [...findings, await eventsFinding(contract, context)];
}

async function codeFinding(
	contract: ContractSpec,
	address: Hex,
	{ node, head }: Context,
): Promise<Finding> {
	const check = contract.factory === undefined ? contract.name : `${contract.name}'s factory`;
	const now = await attempt(() => node.code(address, head.number));
	if (now.type === "failed") return { check, state: "failed", says: now.why };
	if (now.answer === "0x")
		return { check, state: "failed", says: `no contract stands at ${address}` };
	const start = lower(contract.factory?.startBlock ?? contract.startBlock, head.number);
	const then = await attempt(() => node.code(address, start));
	if (then.type === "failed")
		return {
			check,
			state: "ok",
			says: `${address} has code; at block ${start} the node cannot tell`,
		};
	if (then.answer !== "0x")
		return { check, state: "ok", says: `${address} has code since block ${start}` };
	return { check, state: "ok", says: `${address} has code, and none yet at block ${start}` };
}

/** Whether its events were seen lately; a quiet contract has none, a wrong ABI never has. */
async function eventsFinding(
	contract: ContractSpec,
	{ spec, node, head }: Context,
): Promise<Finding> {
	const check = `${contract.name}'s events`;
	const from = higher(contract.startBlock, head.number - BigInt(spec.rpc.logRangeBlocks) + 1n);
	const wanted = contract.factory === undefined ? [...contract.addresses] : undefined;
	const names = [...new Set(contract.events.map(({ handler }) => handler.name))].join(", ");
	let seen = 0;
	for (const { addresses, topics, args } of eventWants(contract, wanted)) {
		const filter = { addresses, topics, args };
		const logs = await widest(node, { from, to: head.number }, filter);
		if (logs === undefined)
			return { check, state: "warning", says: "the node refuses to look for them" };
		seen += logs;
	}
	const where = `in blocks ${from} to ${head.number}`;
	if (seen > 0) return { check, state: "ok", says: `${seen} of ${names} ${where}` };
	return { check, state: "warning", says: `none of ${names} ${where}: is it the contract's ABI?` };
}

/** Number of logs in the newest part of a range that the node answers at once. */
async function widest(
	node: InspectedNode,
	range: { readonly from: Height; readonly to: Height },
	filter: LogFilter,
): Promise<number | undefined> {
	let { from } = range;
	for (let tries = 0; tries < RANGE_TRIES && from <= range.to; tries += 1) {
		const start = from;
		const logs = await attempt(() => node.logsOfRange({ from: start, to: range.to }, filter));
		if (logs.type === "ok") return logs.answer.length;
		from += (range.to - from + 2n) / 2n;
	}
	return undefined;
}

/** What the follower asks for first. A chain without contracts still has to answer for logs: of nobody. */
function filterOf({ contracts }: ChainSpec): LogFilter {
	const [want] = plainWants(contracts);
	if (want === undefined) return { addresses: [`0x${"00".repeat(20)}`], topics: [] };
	return { addresses: want.addresses, topics: want.topics, args: want.args };
}

type Attempt<Answer> =
	| { readonly type: "ok"; readonly answer: Answer }
	| { readonly type: "failed"; readonly why: string };

/** What fails here is the finding. */
async function attempt<Answer>(ask: () => Promise<Answer>): Promise<Attempt<Answer>> {
	try {
		return { type: "ok", answer: await ask() };
	} catch (error) {
		return { type: "failed", why: error instanceof Error ? error.message : String(error) };
	}
}
