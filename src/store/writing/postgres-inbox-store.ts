import { FatalError, RetryableError } from "../../domain/errors.ts";
import type { ChainId, OperationId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { OperationKind, OperationReason, OperationStatus } from "../../domain/operation.ts";
import { type LossPolicy, NO_SOURCES, type Sources } from "../../domain/provenance.ts";
import { highestPlace } from "../../memory/anchors.ts";
import {
	anchorsFromText,
	anchorsToText,
	type StoredOperation,
	toWire,
} from "../../memory/operation-codec.ts";
import type {
	CollectionShape,
	InboxStore,
	OperationRecord,
	Submission,
	Submitted,
} from "../../writer/inbox-store.ts";
import type { Database } from "../database.ts";
import { sendNotice } from "../notices.ts";
import { pgArray } from "../pg-array.ts";
import type { Queryable, Tx } from "../sql.ts";

export class PostgresInboxStore implements InboxStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async submit(submission: Submission): Promise<Submitted> {
		const { chainId, entries } = submission;
		const operations = entries.flat();
		const ids = operations.map((each) => each.operationId);
		return this.#database.transaction(async (tx) => {
			const earlier = await keep(tx, submission, ids);
			if (earlier !== undefined) return earlier;
			// Sent together, done in this order: one round trip.
			await Promise.all([
				insertEntries(tx, submission),
				insertOperations(tx, chainId, operations),
				checkRoom(tx, submission, operations.length),
			]);
			if (submission.announced !== false) await sendNotice(tx, { kind: "inbox", chainId });
			return { type: "new", operationIds: ids };
		});
	}

	async earlier(
		chainId: ChainId,
		idempotency: NonNullable<Submission["idempotency"]>,
	): Promise<Submitted | undefined> {
		return this.#database.run((sql) => findEarlier(sql, chainId, idempotency));
	}

	async operations(
		chainId: ChainId,
		operationIds: readonly OperationId[],
	): Promise<readonly OperationRecord[]> {
		const rows = await this.#database.run(
			(sql) => sql<OperationRow[]>`
				select * from operations where chain_id = ${chainId}
					and operation_id = any(${pgArray(operationIds)}::uuid[])`,
		);
		const byId = new Map(rows.map((row) => [row.operation_id, recordOf(row)]));
		return operationIds.flatMap((id) => byId.get(id) ?? []);
	}

	async collection(chainId: ChainId, name: string): Promise<CollectionShape | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ model: string; dimensions: number }[]>`
				select model, dimensions from collections
				where chain_id = ${chainId} and name = ${name}`;
			return row && { name, ...row };
		});
	}

	async ensureCollection(chainId: ChainId, shape: CollectionShape): Promise<CollectionShape> {
		await this.#database.run(
			(sql) => sql`insert into collections (chain_id, name, model, dimensions, table_name,
					table_version, pointer_version_id)
				select ${chainId}, ${shape.name}, ${shape.model}, ${shape.dimensions},
					${`chain_${chainId}_${shape.name}`}, 0, 0
				where (select count(*) from collections where chain_id = ${chainId})
					< ${LIMITS.collections} on conflict do nothing`,
		);
		const stands = await this.collection(chainId, shape.name);
		if (stands !== undefined) return stands;
		throw new FatalError("limit_exceeded", {
			message: `chain ${chainId} has ${LIMITS.collections} collections; "${shape.name}" would be one more`,
			hint: "use one of the chain's collections, and namespaces to tell memories apart",
			fields: { limit: "collections", max: LIMITS.collections, collection: shape.name },
		});
	}

	async tailRows(chainId: ChainId): Promise<number> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ tail: bigint }[]>`
				select coalesce(max(tail), 0) as tail from (
					select (select count(*) from vector_rows v where v.chain_id = c.chain_id
						and v.collection = c.name and v.version_id > c.pointer_version_id) as tail
					from collections c where c.chain_id = ${chainId}) tails`;
			return Number(row?.tail ?? 0n);
		});
	}
}

/** Keeps the key, or answers the operations of an earlier request with the same key and body. */
async function keep(
	tx: Tx,
	submission: Submission,
	ids: readonly OperationId[],
): Promise<Submitted | undefined> {
	const { chainId, idempotency } = submission;
	if (idempotency === undefined) return undefined;
	const { count } = await tx`
		insert into idempotency_keys (chain_id, caller, key, body_hash, operation_ids)
		values (${chainId}, ${idempotency.caller ?? ""}, ${idempotency.key}, ${idempotency.bodyHash},
			${pgArray(ids)}::uuid[])
		on conflict do nothing`;
	return count === 1 ? undefined : findEarlier(tx, chainId, idempotency);
}

async function findEarlier(
	sql: Queryable,
	chainId: ChainId,
	{ key, bodyHash, caller }: NonNullable<Submission["idempotency"]>,
): Promise<Submitted | undefined> {
	const [row] = await sql<{ body_hash: Uint8Array; operation_ids: OperationId[] }[]>`
		select body_hash, operation_ids from idempotency_keys
		where chain_id = ${chainId} and caller = ${caller ?? ""} and key = ${key}`;
	if (row === undefined) return undefined;
	if (Buffer.compare(row.body_hash, bodyHash) === 0) {
		return { type: "repeated", operationIds: row.operation_ids };
	}
	throw new FatalError("idempotency_conflict", {
		message: `the Idempotency-Key "${key}" was used for another request`,
		hint: "use a new key for a new request; repeat a key only with the very same body",
		fields: { key },
	});
}

/** Distinguishes our advisory locks from other programs' in one database; the chain is the other half. */
const INBOX_LOCK = 7_263_227;

/**
 * Counts with what the transaction inserted. Those who count take turns up to their commit, else all
 * of many requests at once would find the same room.
 */
async function checkRoom(tx: Tx, submission: Submission, coming: number): Promise<void> {
	const { chainId, caller = "", mostWaiting = LIMITS.inboxOperations } = submission;
	// Two statements: the second sees what others committed while the first waited for its turn.
	const [, [row]] = await Promise.all([
		tx`select pg_advisory_xact_lock(${INBOX_LOCK}, hashint8(${chainId}))`,
		tx<{ waiting: bigint; own: bigint }[]>`
			select coalesce(sum(operation_count), 0) as waiting,
				coalesce(sum(operation_count) filter (where caller = ${caller}), 0) as own
			from inbox where chain_id = ${chainId}`,
	]);
	const waiting = Number(row?.waiting ?? 0n);
	if (waiting > LIMITS.inboxOperations) {
		throw inboxFull("inboxOperations", waiting - coming, { chainId, coming });
	}
	const own = Number(row?.own ?? 0n);
	if (own <= mostWaiting) return;
	throw inboxFull("inboxOperationsOfKey", own - coming, { chainId, coming, max: mostWaiting });
}

function inboxFull(
	limit: "inboxOperations" | "inboxOperationsOfKey",
	waiting: number,
	{
		chainId,
		coming,
		max = LIMITS[limit],
	}: { readonly chainId: ChainId; readonly coming: number; readonly max?: number },
): RetryableError {
	const whose = limit === "inboxOperations" ? "operations" : "operations of this API key";
	return new RetryableError("inbox_full", {
		message: `${waiting} ${whose} wait for chain ${chainId}; ${coming} more are past the limit of ${max}`,
		hint: "try again later; see the chain's status for what holds it up",
		fields: { limit, value: waiting + coming, max },
	});
}

/** Entries are numbered in the order in which they stand. */
async function insertEntries(tx: Tx, { chainId, entries, caller }: Submission): Promise<void> {
	const bodies = entries.map((operations) => JSON.stringify(operations.map(toWire)));
	await tx`
		insert into inbox (chain_id, caller, operation_count, body)
		select ${chainId}, ${caller ?? ""}, r.operation_count, r.body from unnest(
			${pgArray(entries.map((operations) => operations.length))}::int[],
			${pgArray(bodies)}::text[]
		) with ordinality as r (operation_count, body, place) order by r.place`;
}

async function insertOperations(
	tx: Tx,
	chainId: ChainId,
	operations: readonly StoredOperation[],
): Promise<void> {
	const sources = operations.map((each) =>
		each.sources.length === 0 ? null : JSON.stringify(each.sources),
	);
	await tx`
		insert into operations (chain_id, status, operation_id, kind, namespace, id, anchors,
			anchor_height, sources, policy)
		select ${chainId}, 'queued', r.* from unnest(
			${pgArray(operations.map((each) => each.operationId))}::uuid[],
			${pgArray(operations.map((each) => each.operation.kind))}::text[],
			${pgArray(operations.map((each) => each.operation.namespace))}::text[],
			${pgArray(operations.map((each) => each.operation.id))}::text[],
			${pgArray(operations.map((each) => anchorsToText(each.anchors)))}::text[],
			${pgArray(operations.map((each) => highestPlace(each.anchors)))}::bigint[],
			${pgArray(sources)}::text[],
			${pgArray(operations.map((each) => each.policy))}::text[]
		) as r`;
}

export interface OperationRow {
	readonly operation_id: OperationId;
	readonly kind: OperationKind;
	readonly namespace: string;
	readonly id: string;
	readonly status: OperationStatus;
	readonly reason: string | null;
	readonly position: bigint | null;
	readonly original_slot: bigint | null;
	readonly effective_slot: bigint | null;
	readonly version_id: bigint | null;
	readonly anchors: string | null;
	readonly sources: string | null;
	readonly policy: LossPolicy;
	readonly suspect: boolean;
	readonly final: boolean;
}

export function recordOf(row: OperationRow): OperationRecord {
	return {
		operationId: row.operation_id,
		kind: row.kind,
		namespace: row.namespace,
		id: row.id,
		status: row.status,
		reason: row.reason === null ? undefined : (JSON.parse(row.reason) as OperationReason),
		position: row.position ?? undefined,
		originalSlot: row.original_slot ?? undefined,
		effectiveSlot: row.effective_slot ?? undefined,
		versionId: row.version_id ?? undefined,
		anchors: anchorsFromText(row.anchors),
		sources: row.sources === null ? NO_SOURCES : (JSON.parse(row.sources) as Sources),
		policy: row.policy,
		suspect: row.suspect,
		final: row.final,
	};
}
