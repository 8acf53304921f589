/**
 * Takes agents' operations in: checks them, looks their anchors up, makes them durable, and waits for
 * the commit as long as the caller does.
 *
 * Acknowledged means committed and visible. When the deadline passes first the operations are durable
 * in the inbox and may still be refused.
 */
import { createHash, randomUUID } from "node:crypto";
import type { TransactionReceipt } from "../domain/block.ts";
import { type Caller, EVERYBODY } from "../domain/caller.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { Height, Hex, OperationId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import {
	type Anchor,
	NO_ANCHOR,
	type Operation,
	type OperationReason,
} from "../domain/operation.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import { canonicalJson } from "../memory/canonical.ts";
import { effectsHash } from "../memory/effects-hash.ts";
import { type StoredOperation, toWire } from "../memory/operation-codec.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { CollectionChecks } from "../writer/collection-checks.ts";
import { embeddedTexts } from "../writer/embed-vectors.ts";
import type { InboxStore, OperationRecord, Submission, Submitted } from "../writer/inbox-store.ts";
import type { VectorFlusher } from "../writer/vector-flusher.ts";

import { requireCollections } from "./access/collection-access.ts";

/** What an agent names its operation depends on. */
export type AnchorRequest = { readonly block: Hex } | { readonly transaction: Hex };

export interface AgentWrite {
	readonly operation: Operation;
	readonly anchor: AnchorRequest | undefined;
}

export interface AgentWritesOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: () => ChainWriter | undefined;
	readonly inbox: InboxStore;
	readonly collections: CollectionChecks;
	/** Undefined while this process does not write the chain. */
	readonly flusher: () => Pick<VectorFlusher, "requireRoom"> | undefined;
	/** Its `prepare` is asked before anything is durable: an embedder that does not answer refuses the request. */
	readonly embedder?: Pick<Embedder, "prepare"> | undefined;
	/** Looks at the node now: an anchor may be in a block that is about to be followed. */
	readonly poke: () => void;
}

export interface Written {
	readonly committed: boolean;
	readonly repeated: boolean;
	readonly operations: readonly OperationRecord[];
}

/** Operations that Recant made, see `writeApart`. */
export interface MadeOperations {
	readonly entries: readonly (readonly Operation[])[];
	/**
	 * Those of them whose collection is still to be checked, and made. What a memory said once is in its
	 * collection since, and may say more than a request can: a text where only vectors are taken.
	 */
	readonly fresh: readonly Operation[];
}

/** How often a write looks whether its anchor's block is committed by now. */
const ANCHOR_LOOK_MS = 20;

export class AgentWrites {
	readonly #options: AgentWritesOptions;

	constructor(options: AgentWritesOptions) {
		this.#options = options;
	}

	async write(request: {
		readonly writes: readonly AgentWrite[];
		readonly idempotencyKey: string | undefined;
		readonly deadlineMs: number;
		readonly caller?: Caller | undefined;
	}): Promise<Written> {
		const { inbox, spec } = this.#options;
		const deadline = performance.now() + request.deadlineMs;
		const { idempotencyKey: key, caller = EVERYBODY } = request;
		const idempotency =
			key === undefined ? undefined : { key, bodyHash: hashOf(request.writes), caller: caller.id };
		// Before any check: what was taken in once is answered, whatever has become of its anchors since.
		const earlier = idempotency && (await inbox.earlier(spec.id, idempotency));
		const submitted =
			earlier ?? (await this.#submit(request.writes, { idempotency, caller }, deadline));
		const written = await this.#settled(submitted, deadline);
		if (submitted.type === "new") throwRefusal(written.operations);
		return written;
	}

	/**
	 * Takes in what Recant made itself of what memories said: entries that are admitted or refused each on its
	 * own, all durable in one transaction. `make` is not asked when the key was seen before. Operations
	 * that were refused are answered like all others.
	 */
	async writeApart(request: {
		readonly make: () => Promise<MadeOperations>;
		readonly idempotency: NonNullable<Submission["idempotency"]>;
		readonly deadlineMs: number;
	}): Promise<Written> {
		const { inbox, spec } = this.#options;
		const { make, idempotency } = request;
		const submitted =
			(await inbox.earlier(spec.id, idempotency)) ?? (await this.#submitApart(make, idempotency));
		return this.#settled(submitted, performance.now() + request.deadlineMs);
	}

	/** Whether collections can take these; throws as `write` does, and makes none. */
	async checkCollections(operations: readonly Operation[]): Promise<void> {
		await this.#options.collections.check(operations);
	}

	async #submitApart(
		make: () => Promise<MadeOperations>,
		idempotency: NonNullable<Submission["idempotency"]>,
	): Promise<Submitted> {
		const { inbox, spec, collections } = this.#options;
		this.#requireOpen();
		const { entries: made, fresh } = await make();
		const operations = made.flat();
		for (const operation of operations) this.#checkOwner(operation);
		this.#requireRoom(operations);
		await collections.make(await collections.check(fresh));
		await this.#options.embedder?.prepare?.(await embeddedTexts(operations, collections));
		const entries = made.map((entry) => entry.map((each) => storedAs(each, NO_ANCHOR)));
		// Of an operator, who may fill the inbox: a large restore needs all of it.
		return inbox.submit({ chainId: spec.id, entries, idempotency, caller: idempotency.caller });
	}

	/** What has become of it by the deadline. */
	async #settled(submitted: Submitted, deadline: number): Promise<Written> {
		const { inbox, spec } = this.#options;
		const writer = this.#options.writer();
		if (writer !== undefined && writer.halted === undefined) {
			await untilDeadline(writer.drained(), deadline);
		}
		const records = await inbox.operations(spec.id, submitted.operationIds);
		if (records.length < submitted.operationIds.length) throw givenUp(submitted.operationIds);
		return {
			committed: records.every((record) => record.status !== "queued"),
			repeated: submitted.type === "repeated",
			operations: records,
		};
	}

	async #submit(
		writes: readonly AgentWrite[],
		{ idempotency, caller }: Pick<Submission, "idempotency"> & { readonly caller: Caller },
		deadline: number,
	): Promise<Submitted> {
		const { inbox, spec, collections } = this.#options;
		this.#requireOpen();
		for (const { operation } of writes) this.#checkOwner(operation);
		this.#requireRoom(writes.map((each) => each.operation));
		const shapes = await collections.check(writes.map((each) => each.operation));
		requireCollections(
			caller,
			shapes,
			writes.map((each) => each.operation),
		);
		const operations = await this.#stored(writes, deadline);
		await this.#options.embedder?.prepare?.(
			await embeddedTexts(writes.map((each) => each.operation)),
		);
		await collections.make(shapes);
		return inbox.submit({
			chainId: spec.id,
			entries: [operations],
			idempotency,
			caller: caller.id,
			mostWaiting: caller.id === "" ? undefined : LIMITS.inboxOperationsOfKey,
		});
	}

	#requireOpen(): void {
		const writer = this.#options.writer();
		if (writer === undefined) {
			throw new RetryableError("not_ready", {
				message: `this process does not write chain "${this.#options.spec.name}" at the moment`,
				hint: "try again shortly after a start; else the chain's status says which process does",
			});
		}
		if (writer.window === undefined) {
			throw new RetryableError("not_ready", {
				message: `chain "${this.#options.spec.name}" has no committed block yet`,
				hint: "check that its node answers; see the chain's status",
			});
		}
		if (writer.halted !== undefined) {
			throw new FatalError("chain_halted", {
				message: `chain "${this.#options.spec.name}" is halted: ${writer.halted.message}`,
				hint: writer.halted.hint,
			});
		}
	}

	/** Vectors that LanceDB does not take pile up; a write without one is welcome all the same. */
	#requireRoom(operations: readonly Operation[]): void {
		const flusher = this.#options.flusher();
		if (operations.some(addsVector)) flusher?.requireRoom("vectors");
		// It carries the vector on that its memory has, if it has one.
		else if (operations.some(({ kind }) => kind === "patch"))
			flusher?.requireRoom("perhaps_vectors");
	}

	#checkOwner(operation: Operation): void {
		if (!this.#options.spec.namespaces.includes(operation.namespace)) return;
		throw new FatalError("handler_owned", {
			message: `namespace "${operation.namespace}" belongs to the chain's handlers`,
			hint: "write into a namespace of your own",
			fields: { namespace: operation.namespace, id: operation.id },
		});
	}

	async #stored(
		writes: readonly AgentWrite[],
		deadline: number,
	): Promise<readonly StoredOperation[]> {
		const known = new Map<Hex, Promise<Anchor>>();
		const stored: StoredOperation[] = [];
		for (const { operation, anchor } of writes) {
			const found = anchor === undefined ? NO_ANCHOR : await this.#anchor(anchor, deadline, known);
			stored.push(storedAs(operation, found));
		}
		return stored;
	}

	#anchor(
		request: AnchorRequest,
		deadline: number,
		known: Map<Hex, Promise<Anchor>>,
	): Promise<Anchor> {
		const hash = "block" in request ? request.block : request.transaction;
		const found =
			known.get(hash) ??
			("block" in request
				? this.#blockAnchor(hash, deadline)
				: this.#transactionAnchor(hash, deadline));
		known.set(hash, found);
		return found;
	}

	async #blockAnchor(blockHash: Hex, deadline: number): Promise<Anchor> {
		const block = await this.#options.source.blockByHash(blockHash);
		if (block === undefined) throw unknownAnchor("block", blockHash);
		// A node serves side branches by hash too; below the window nothing else would tell.
		const canonical = await this.#options.source.blockByNumber(block.number);
		if (canonical?.hash !== blockHash) {
			throw notCommitted({ height: block.number, blockHash }, block.number);
		}
		await this.#committed({ height: block.number, blockHash }, deadline);
		return { kind: "block", blockHash, height: block.number };
	}

	async #transactionAnchor(transactionHash: Hex, deadline: number): Promise<Anchor> {
		const receipt: TransactionReceipt | undefined =
			await this.#options.source.receipt(transactionHash);
		if (receipt === undefined) throw unknownAnchor("transaction", transactionHash);
		const { blockHash, blockNumber: height } = receipt;
		await this.#committed({ height, blockHash }, deadline);
		return {
			kind: "transaction",
			transactionHash,
			effectsHash: effectsHash(receipt),
			blockHash,
			height,
		};
	}

	/** Waits until the block is part of the committed chain; one that lost is refused. */
	async #committed(
		block: { readonly height: Height; readonly blockHash: Hex },
		deadline: number,
	): Promise<void> {
		for (;;) {
			const window = this.#options.writer()?.window;
			if (window !== undefined && block.height <= window.tip.number) {
				const there = window.at(block.height);
				if (there === undefined || there.hash === block.blockHash) return;
			}
			if (performance.now() >= deadline) throw notCommitted(block, window?.tip.number);
			this.#options.poke();
			await new Promise((resolve) => setTimeout(resolve, ANCHOR_LOOK_MS));
		}
	}
}

function storedAs(operation: Operation, anchor: Anchor): StoredOperation {
	return { operationId: randomUUID() as string as OperationId, operation, anchor };
}

function addsVector(operation: Operation): boolean {
	if (operation.kind === "put") return operation.body.collection !== undefined;
	return operation.kind === "patch" && operation.text !== undefined;
}

/** What was asked for, apart from what Recant adds: the same request gives the same hash. */
function hashOf(writes: readonly AgentWrite[]): Uint8Array {
	const asked = writes.map(({ operation, anchor }) => {
		const { operationId: _none, ...wire } = toWire({
			operationId: "" as OperationId,
			operation,
			anchor: NO_ANCHOR,
		});
		return anchor === undefined ? wire : { ...wire, anchor: { ...anchor } };
	});
	return createHash("sha256").update(canonicalJson(asked)).digest();
}

async function untilDeadline(work: Promise<void>, deadline: number): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, Math.max(0, deadline - performance.now()));
	});
	// The writer's own failure is no failure of the write: it is durable, and is admitted later.
	const settled = work.catch((error: unknown) => {
		if (!(error instanceof RecantError)) throw error;
	});
	try {
		await Promise.race([settled, late]);
	} finally {
		clearTimeout(timer);
	}
}

/** The first operation that was refused for a reason of its own is the request's error. */
function throwRefusal(records: readonly OperationRecord[]): void {
	const refused = records.filter((record) => record.status === "refused");
	const culprit =
		refused.find((record) => !record.reason?.message.startsWith("operation ")) ?? refused[0];
	if (culprit?.reason === undefined) return;
	throw refusalError(culprit.reason, culprit);
}

const REFUSAL_HINTS: Readonly<Record<string, string>> = {
	version_conflict: "read the memory again and decide on what it says now",
	memory_exists: "leave ifVersion out to overwrite it, or choose another id",
	memory_not_found: "put the memory first",
	layer_conflict: "a memory keeps its layer; delete it first, or choose another id",
	anchor_not_canonical: "look the block or transaction up again; the chain moved",
};

function refusalError(reason: OperationReason, record: OperationRecord): FatalError {
	const codes = [
		"version_conflict",
		"memory_exists",
		"memory_not_found",
		"layer_conflict",
		"anchor_not_canonical",
		"limit_exceeded",
	] as const;
	const code = codes.find((each) => each === reason.code) ?? "invalid_request";
	return new FatalError(code, {
		message: reason.message,
		hint: REFUSAL_HINTS[code] ?? "correct the operation",
		fields: {
			...reason.fields,
			operationId: record.operationId,
			namespace: record.namespace,
			id: record.id,
		},
	});
}

function unknownAnchor(kind: "block" | "transaction", hash: Hex): FatalError {
	return new FatalError("anchor_unknown", {
		message: `the node knows no ${kind === "block" ? "block" : "mined transaction"} ${hash}`,
		hint: "anchor to a block or transaction that is on the chain now",
		fields: { [kind]: hash },
	});
}

function notCommitted(
	block: { readonly height: Height; readonly blockHash: Hex },
	head: Height | undefined,
): RecantError {
	const fields = { height: block.height.toString(), blockHash: block.blockHash };
	if (head !== undefined && block.height <= head) {
		return new FatalError("anchor_not_canonical", {
			message: `block ${block.blockHash} at height ${block.height} is not on the committed chain`,
			hint: "look the block or transaction up again; the chain moved",
			fields,
		});
	}
	return new RetryableError("anchor_not_committed", {
		message: `block ${block.height} is not committed yet; the committed head is ${head ?? "none"}`,
		hint: "try again in a moment",
		fields,
	});
}

/** An import replaces what was admitted, and keeps the keys of those who wrote it. */
function givenUp(operationIds: readonly OperationId[]): FatalError {
	return new FatalError("idempotency_conflict", {
		message: `what was written under this Idempotency-Key (operation ${operationIds[0]}) went when a snapshot was imported`,
		hint: "look at what the memories say now, and write again under a new key",
		fields: { operationId: operationIds[0] ?? null },
	});
}
