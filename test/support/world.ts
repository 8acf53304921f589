/**
 * One scenario: a chain, a gate, a Recant that follows it, and an agent whose every operation is
 * written down. What was believed before each fork is remembered, to be read again by its hash.
 */
import type { SignedTransaction } from "../../scripts/support/token.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import type { LinkEnd, LinkName } from "../../src/domain/link-name.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import type { LossPolicy, SourceRef, Sources } from "../../src/domain/provenance.ts";
import type { MemoryView, OperationView, WriteAnswer } from "../../src/service/recant-service.ts";
import type { RollbackReport, RollbackView } from "../../src/service/rollback-view.ts";
import type { AnchorsRequest } from "../../src/service/writing/anchor-lookup.ts";
import type { OperationRequest } from "../../src/service/writing/operation-request.ts";
import { startAnvil } from "./anvil.ts";
import type { RecordedBlock } from "./chain-record.ts";
import { type HeadGate, startHeadGate } from "./head-gate.ts";
import { type Held, readHeld } from "./held-state.ts";
import { CHAIN, startTestRecant, type TestRecant, type TestRecantOptions } from "./recant.ts";
import {
	GENESIS_TIMESTAMP,
	type Load,
	type Mined,
	TestChain,
	type Transfer,
} from "./test-chain.ts";
import { until } from "./until.ts";

/** So few that most vectors go through LanceDB in a short test. */
const FLUSH_ROWS = 4;

/** Of block 2, in which three accounts get what the tests let them transfer. */
export const FIRST_TRANSFERS: readonly Transfer[] = [1, 2, 3].map((to) => ({
	from: undefined,
	to,
	value: 1_000n * BigInt(to),
}));

export type AnchorOf = { readonly block: Hex } | { readonly transaction: Hex };

/**
 * What a test says of an operation. The namespace is `default`, a put's layer `semantic`. An action's
 * content is marked as one by Recant.
 */
export interface AgentOperation {
	readonly op: "put" | "patch" | "delete" | "action";
	readonly namespace?: string;
	readonly id: string;
	readonly layer?: Layer;
	readonly content?: JsonObject;
	readonly text?: string;
	readonly vector?: readonly number[];
	readonly collection?: string;
	readonly importance?: number;
	readonly expiresAtBlock?: bigint;
	readonly expiresAtTime?: bigint;
	/** All of them must hold. */
	readonly anchor?: AnchorOf | undefined;
	readonly anchors?: { readonly all: readonly AnchorOf[] } | { readonly any: readonly AnchorOf[] };
	/** Alternatives of sets. */
	readonly derivedFrom?: Sources;
	readonly onLoss?: LossPolicy;
	/** present: the version that the agent reads at `pending` right before. absent: none. */
	readonly ifVersion?: "present" | "absent";
}

/** Of two memories of namespace `default`, unless named otherwise. */
export interface LinkOperation {
	readonly op: "link" | "unlink";
	readonly from: string | LinkEnd;
	readonly type: string;
	readonly to: string | LinkEnd;
	/** Of a link; default 1. */
	readonly weight?: number;
	readonly anchor?: AnchorOf;
	readonly derivedFrom?: Sources;
	readonly onLoss?: LossPolicy;
}

export type WorldOperation = AgentOperation | LinkOperation;

export interface JournalEntry {
	readonly operationId: string;
	readonly said: WorldOperation;
	/** Operation that wrote the version which `ifVersion` names. */
	readonly readFrom: string | undefined;
	/** Of the request that it came with. */
	readonly requestIndex: number;
}

/** What was believed at a block that a fork took back, or was about to. */
export interface Remembered {
	readonly head: RecordedBlock;
	readonly generation: bigint;
	readonly held: Held;
}

export type WorldOptions = Partial<
	Pick<
		TestRecantOptions,
		| "name"
		| "home"
		| "redisUrl"
		| "beforeStage"
		| "inlineRollbacks"
		| "flushRows"
		| "rollbackChanges"
		| "environment"
		| "chainFile"
	>
> & {
	/** Of the node: finalized is 2 × this under the head; default 32. */
	readonly slotsInAnEpoch?: number | undefined;
	/** Gates before the node, each a provider of the chain; default 1. */
	readonly providers?: number | undefined;
};

export class World {
	chain: TestChain;
	recant: TestRecant;
	readonly gate: HeadGate;
	/** All of them, `gate` the first. */
	readonly gates: readonly HeadGate[];
	readonly journal: JournalEntry[] = [];
	readonly remembered: Remembered[] = [];
	readonly #options: TestRecantOptions;

	private constructor(parts: {
		chain: TestChain;
		gates: readonly [HeadGate, ...HeadGate[]];
		recant: TestRecant;
		options: TestRecantOptions;
	}) {
		this.chain = parts.chain;
		this.gate = parts.gates[0];
		this.gates = parts.gates;
		this.recant = parts.recant;
		this.#options = parts.options;
	}

	/** A chain with the token and three holders, followed up to its head. */
	static async create({
		slotsInAnEpoch,
		providers = 1,
		...given
	}: WorldOptions = {}): Promise<World> {
		const finality = slotsInAnEpoch === undefined ? {} : { slotsInAnEpoch };
		const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP, ...finality });
		const chain = await TestChain.create(node);
		const gate = await startHeadGate(node.rpcUrl);
		const others = Array.from({ length: providers - 1 }, () => startHeadGate(node.rpcUrl));
		const gates = [gate, ...(await Promise.all(others))] as const;
		const options: TestRecantOptions = {
			name: "reorg",
			flushRows: FLUSH_ROWS,
			...given,
			rpcUrl: gates.map(({ url }) => url).join(","),
			token: chain.token.address,
		};
		const recant = await startTestRecant(options);
		const world = new World({ chain, gates: [...gates], recant, options });
		await chain.block(...FIRST_TRANSFERS);
		await world.followed();
		return world;
	}

	get service() {
		return this.recant.service;
	}

	get options(): TestRecantOptions {
		return this.#options;
	}

	/** Waits until the node's head is committed and nothing is under way. */
	async followed(): Promise<RecordedBlock> {
		return until(
			"the node's head is followed",
			async () => {
				const head = await this.chain.head();
				const view = await this.service.chain(CHAIN);
				const idle = view.rollback === undefined && view.inbox === 0;
				return idle && view.head?.hash === head.hash && view.state === "following" && head;
			},
			() => this.service.chain(CHAIN),
		);
	}

	/** From now on the node behind the gate is another chain's. */
	switchTo(chain: TestChain): void {
		for (const gate of this.gates) gate.switchTo(chain.node.rpcUrl);
		this.chain = chain;
	}

	/** Mines one block and waits until it is committed. */
	async block(...loads: readonly Load[]): Promise<Mined> {
		const mined = await this.chain.block(...loads);
		await this.followed();
		return mined;
	}

	/** Remembers what is believed now, changes the chain in one step, and waits for the rollback. */
	async fork(change: (chain: TestChain) => Promise<unknown>): Promise<RecordedBlock> {
		await this.remember();
		await this.hold(change);
		return this.followed();
	}

	/** Changes the chain in one step, behind every gate. */
	async hold(change: (chain: TestChain) => Promise<unknown>): Promise<void> {
		const held = this.gates.reduce<() => Promise<unknown>>(
			(work, gate) => () => gate.hold(work),
			() => change(this.chain),
		);
		await held();
	}

	async remember(): Promise<void> {
		const head = await this.followed();
		const { generation } = await this.service.chain(CHAIN);
		this.remembered.push({ head, generation, held: await readHeld(this.service, hashOf(head)) });
	}

	/** Writes one request and waits for its commit. */
	async write(...operations: readonly WorldOperation[]): Promise<readonly OperationView[]> {
		return (await this.submit(operations, 5_000)).operations;
	}

	/** Writes one request; waits for at most `deadlineMs`. */
	async submit(operations: readonly WorldOperation[], deadlineMs: number): Promise<WriteAnswer> {
		const requestIndex = this.journal.length;
		const requests: OperationRequest[] = [];
		const writers: (string | undefined)[] = [];
		for (const said of operations) {
			const read = isRead(said) ? await this.memory(said.id, PENDING, said.namespace) : undefined;
			requests.push(requestOf(said, read?.versionId));
			writers.push(read && (await this.#writerOf(read)));
		}
		const answer = await this.service.write(CHAIN, {
			operations: requests,
			idempotencyKey: undefined,
			deadlineMs,
		});
		for (const [index, { operationId }] of answer.operations.entries()) {
			const said = operations[index];
			if (said === undefined) continue;
			this.journal.push({ operationId, said, readFrom: writers[index], requestIndex });
		}
		return answer;
	}

	/** Writes down an operation that was sent some other way. */
	adopt(operationId: string, said: WorldOperation, readFrom?: string | undefined): void {
		this.journal.push({ operationId, said, readFrom, requestIndex: this.journal.length });
	}

	/** How the operation that was written last stands now. */
	async lastWrite(): Promise<OperationView> {
		return this.service.operation(CHAIN, this.journal.at(-1)?.operationId ?? "none");
	}

	/** How an operation stands now. */
	async operation(of: OperationView | undefined): Promise<OperationView> {
		if (of === undefined) throw new Error("there is no such operation");
		return this.service.operation(CHAIN, of.operationId);
	}

	/** Undefined: there is none. */
	async memory(
		id: string,
		at: Parameters<TestRecant["service"]["memory"]>[1]["at"] = PENDING,
		namespace = "default",
	): Promise<MemoryView | undefined> {
		const { items } = await this.service.memories(CHAIN, {
			at,
			namespace,
			layer: undefined,
			limit: 200,
			cursor: undefined,
		});
		return items.find((memory) => memory.id === id);
	}

	/** What a memory says now, to derive from. */
	async said(id: string, namespace = "default"): Promise<SourceRef> {
		const memory = await this.memory(id, PENDING, namespace);
		if (memory === undefined) throw new Error(`there is no memory ${id}`);
		return { namespace, id, contentHash: memory.contentHash };
	}

	/** Of the newest rollback. */
	async report(): Promise<RollbackReport> {
		const [newest] = await this.rollbacks();
		if (newest === undefined) throw new Error("there was no rollback");
		return this.service.report(CHAIN, newest.id);
	}

	/** Newest first. */
	async rollbacks(): Promise<readonly RollbackView[]> {
		return (await this.service.rollbacks(CHAIN, { limit: 200, cursor: undefined })).items;
	}

	async stop(): Promise<void> {
		await this.recant.stop();
	}

	/** Starts again on what the stopped one left. */
	async start(): Promise<void> {
		this.recant = await startTestRecant({ ...this.#options, home: this.recant.home });
	}

	/** The operation that wrote the version which is there now. */
	async #writerOf(memory: MemoryView): Promise<string> {
		for (const { operationId } of this.journal) {
			const { versionId } = await this.service.operation(CHAIN, operationId);
			if (versionId === memory.versionId) return operationId;
		}
		throw new Error(`no operation wrote version ${memory.versionId} of ${memory.id}`);
	}
}

const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;

export function hashOf(block: { readonly hash: Hex }, generation?: bigint) {
	return { at: { kind: "hash", hash: block.hash }, generation } as const;
}

/** The only transaction that a block was given. */
export function onlyOne(sent: readonly SignedTransaction[]): SignedTransaction {
	const [only] = sent;
	if (only === undefined || sent.length !== 1) throw new Error(`${sent.length} transactions`);
	return only;
}

function isRead(said: WorldOperation): said is AgentOperation {
	return !isLinking(said) && said.ifVersion === "present";
}

export function isLinking(said: WorldOperation): said is LinkOperation {
	return said.op === "link" || said.op === "unlink";
}

/** Directed, with namespaces. */
export function linkNameOf({ from, type, to }: LinkOperation): LinkName {
	const end = (of: string | LinkEnd) =>
		typeof of === "string" ? { namespace: "default", id: of } : of;
	return { from: end(from), type, to: end(to) };
}

/** `present`: version that `ifVersion` names. */
export function requestOf(of: WorldOperation, present: bigint | undefined): OperationRequest {
	const { derivedFrom = [], onLoss } = of;
	const rests = { anchors: anchorsOf(of), derivedFrom, onLoss };
	if (isLinking(of)) {
		const link = linkNameOf(of);
		const target = { namespace: link.from.namespace, ...rests, ifVersion: undefined, link };
		if (of.op === "unlink") return { ...target, kind: of.op };
		return { ...target, kind: of.op, weight: of.weight ?? 1, properties: undefined };
	}
	const ifVersion = of.ifVersion === "absent" ? 0n : present;
	const target = { namespace: of.namespace ?? "default", ...rests, ifVersion, id: of.id };
	if (of.op === "delete") return { ...target, kind: of.op };
	const { content = {}, text, importance } = of;
	const said = { ...target, content, text, importance, confidence: undefined };
	if (of.op === "patch") return { ...said, kind: of.op };
	const { vector, collection, expiresAtBlock, expiresAtTime } = of;
	const put = { ...said, vector, collection, expiresAtBlock, expiresAtTime, causedBy: [] };
	if (of.op === "action") return { ...put, kind: of.op };
	return { ...put, kind: of.op, layer: of.layer ?? "semantic" };
}

function anchorsOf(of: WorldOperation): AnchorsRequest {
	if ("anchors" in of && of.anchors !== undefined) {
		const { anchors } = of;
		return "all" in anchors
			? { mode: "all", anchors: anchors.all }
			: { mode: "any", anchors: anchors.any };
	}
	return { mode: "all", anchors: of.anchor === undefined ? [] : [of.anchor] };
}
