import { FatalError, RetryableError } from "../../../src/domain/errors.ts";
import type { ChainId, OperationId } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { highestPlace } from "../../../src/memory/anchors.ts";
import {
	anchorsFromText,
	anchorsToText,
	type StoredOperation,
	toWire,
} from "../../../src/memory/operation-codec.ts";
import type {
	CollectionShape,
	IdempotentRequest,
	InboxStore,
	OperationRecord,
	Submission,
	Submitted,
} from "../../../src/writer/inbox-store.ts";
import { type ChainTables, type OperationRow, requestKey } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { broken, frozen, throughJson } from "./frozen.ts";

export class FakeInboxStore implements InboxStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async submit(submission: Submission): Promise<Submitted> {
		const { chainId, idempotency, entries } = submission;
		const tables = this.#chain(chainId);
		const operationIds = entries.flat().map((each) => each.operationId);
		const answer = this.#database.transaction((): Submitted => {
			const seen = idempotency && findEarlier(tables, idempotency);
			if (seen !== undefined) return seen;
			if (idempotency !== undefined) this.#keep(tables, idempotency, operationIds);
			for (const operations of entries) this.#insertEntry(tables, operations, submission.caller);
			for (const stored of entries.flat()) tables.operations.insert(queued(stored));
			checkRoom(tables, submission);
			return { type: "new", operationIds };
		});
		this.#database.changed(chainId);
		return answer;
	}

	async earlier(chainId: ChainId, idempotency: IdempotentRequest): Promise<Submitted | undefined> {
		const tables = this.#database.find(chainId);
		return tables && findEarlier(tables, idempotency);
	}

	async operations(
		chainId: ChainId,
		operationIds: readonly OperationId[],
	): Promise<readonly OperationRecord[]> {
		const tables = this.#database.find(chainId);
		return operationIds.flatMap((id) => {
			const row = tables?.operations.get(id);
			return row === undefined ? [] : [operationRecord(row)];
		});
	}

	async collection(chainId: ChainId, name: string): Promise<CollectionShape | undefined> {
		const row = this.#database.find(chainId)?.collections.get(name);
		return row && { name, model: row.model, dimensions: row.dimensions };
	}

	async ensureCollection(chainId: ChainId, shape: CollectionShape): Promise<CollectionShape> {
		const { collections } = this.#chain(chainId);
		const { name, model, dimensions } = shape;
		if (collections.size < LIMITS.collections) {
			const pointer = frozen({ tableVersion: 0n, versionId: 0n, at: this.#database.now() });
			const table = `chain_${chainId}_${name}`;
			collections.insertIfNew({ name, model, dimensions, table, pointer });
		}
		const stands = collections.get(name);
		if (stands !== undefined) {
			return { name, model: stands.model, dimensions: stands.dimensions };
		}
		throw new FatalError("limit_exceeded", {
			message: `chain ${chainId} has ${LIMITS.collections} collections; "${name}" would be one more`,
			hint: "use one of the chain's collections, and namespaces to tell memories apart",
			fields: { limit: "collections", max: LIMITS.collections, collection: name },
		});
	}

	async tailRows(chainId: ChainId): Promise<number> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return 0;
		const rows = tables.vectorRows.all();
		const tails = tables.collections
			.all()
			.map(
				({ name, pointer }) =>
					rows.filter((row) => row.collection === name && row.versionId > pointer.versionId).length,
			);
		return Math.max(0, ...tails);
	}

	#keep(
		tables: ChainTables,
		{ key, bodyHash, caller = "" }: IdempotentRequest,
		operationIds: readonly OperationId[],
	): void {
		tables.idempotencyKeys.insert({
			caller,
			key,
			bodyHash: Buffer.from(bodyHash).toString("hex"),
			operationIds: frozen([...operationIds]),
			createdMs: this.#database.now(),
		});
	}

	#insertEntry(tables: ChainTables, operations: readonly StoredOperation[], caller = ""): void {
		tables.inbox.insert({
			entryId: this.#database.next("inbox"),
			operationCount: operations.length,
			caller,
			body: JSON.stringify(operations.map(toWire)),
		});
	}

	#chain(chainId: ChainId): ChainTables {
		const tables = this.#database.find(chainId);
		if (tables === undefined) throw broken(`the fake has no chain ${chainId}`);
		return tables;
	}
}

function findEarlier(
	tables: ChainTables,
	{ key, bodyHash, caller = "" }: IdempotentRequest,
): Submitted | undefined {
	const row = tables.idempotencyKeys.get(requestKey({ caller, key }));
	if (row === undefined) return undefined;
	if (row.bodyHash === Buffer.from(bodyHash).toString("hex")) {
		return { type: "repeated", operationIds: row.operationIds };
	}
	throw new FatalError("idempotency_conflict", {
		message: `the Idempotency-Key "${key}" was used for another request`,
		hint: "use a new key for a new request; repeat a key only with the very same body",
		fields: { key },
	});
}

/** With what was inserted already. */
function checkRoom(tables: ChainTables, submission: Submission): void {
	const { caller = "", mostWaiting = LIMITS.inboxOperations } = submission;
	const rows = tables.inbox.all();
	const waiting = sum(rows.map((row) => row.operationCount));
	const own = sum(rows.filter((row) => row.caller === caller).map((row) => row.operationCount));
	if (waiting > LIMITS.inboxOperations) throw full("inboxOperations", waiting);
	if (own > mostWaiting) throw full("inboxOperationsOfKey", own);
}

function full(limit: string, value: number): RetryableError {
	return new RetryableError("inbox_full", {
		message: `${value} operations would wait, past the limit ${limit}`,
		hint: "try again later; see the chain's status for what holds it up",
		fields: { limit, value },
	});
}

function sum(values: readonly number[]): number {
	return values.reduce((a, b) => a + b, 0);
}

function queued({
	operationId,
	operation,
	anchors,
	sources,
	policy,
}: StoredOperation): OperationRow {
	return {
		operationId,
		kind: operation.kind,
		namespace: operation.namespace,
		id: operation.id,
		status: "queued",
		reason: undefined,
		position: undefined,
		originalSlot: undefined,
		effectiveSlot: undefined,
		judgedSlot: undefined,
		versionId: undefined,
		anchors: frozen(anchorsFromText(anchorsToText(anchors))),
		anchorHeight: highestPlace(anchors),
		sources: throughJson(sources) as OperationRow["sources"],
		policy,
		suspect: false,
		final: false,
	};
}

function operationRecord(row: OperationRow): OperationRecord {
	const { anchorHeight: _highest, judgedSlot: _judged, ...record } = row;
	return record;
}
