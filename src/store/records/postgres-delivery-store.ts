/** Deliveries of webhooks in the table `deliveries`, and their entries in the outbox. */
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, RollbackId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type {
	Delivery,
	DeliveryKind,
	DeliveryState,
	DeliveryStore,
	Told,
} from "../../webhooks/delivery.ts";
import { toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import { CHANNEL, sendNotice } from "../notices.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";

const WEBHOOK_TOPIC = "webhook";

interface DeliveryRow {
	readonly delivery_id: string;
	readonly chain_id: bigint;
	readonly kind: DeliveryKind;
	readonly rollback_id: RollbackId | null;
	readonly data: string | null;
	readonly url: string;
	readonly state: DeliveryState;
	readonly attempts: number;
	readonly error: string | null;
	readonly created_at: Date;
	readonly finished_at: Date | null;
}

/** One a receiver, with its entry in the outbox; part of the transaction of what they tell of. */
export async function recordDeliveries(
	tx: Tx,
	{ chainId, told }: { readonly chainId: ChainId; readonly told: Told },
	receivers: readonly string[],
): Promise<void> {
	if (receivers.length === 0) return;
	const rollbackId = "rollbackId" in told ? told.rollbackId : null;
	const data = "data" in told ? toJson(told.data) : null;
	await tx`
		with made as (
			insert into deliveries (delivery_id, chain_id, kind, rollback_id, data, url, state)
			select gen_random_uuid(), ${chainId}, ${told.kind}, ${rollbackId}::uuid, ${data}::text, url,
				'waiting'
			from unnest(${pgArray(receivers)}::text[]) as receiver(url)
			on conflict do nothing returning delivery_id
		)
		insert into outbox (topic, payload) select ${WEBHOOK_TOPIC}, delivery_id::text from made`;
	await sendNotice(tx, { kind: "delivery", chainId });
}

export class PostgresDeliveryStore implements DeliveryStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async load(deliveryId: string): Promise<Delivery | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<DeliveryRow[]>`select * from deliveries where delivery_id = ${deliveryId}`,
		);
		return row && deliveryOf(row);
	}

	async page(
		chainId: ChainId,
		{ after, limit }: { readonly after: string | undefined; readonly limit: number },
	): Promise<readonly Delivery[]> {
		const rows = await this.#database.run(
			(sql) => sql<DeliveryRow[]>`
				select * from deliveries where chain_id = ${chainId} and (${after ?? null}::uuid is null
					or (created_at, delivery_id) < (select created_at, delivery_id from deliveries
						where delivery_id = ${after ?? null}::uuid))
				order by created_at desc, delivery_id desc limit ${limit}`,
		);
		return rows.map(deliveryOf);
	}

	async waiting(): Promise<readonly string[]> {
		const rows = await this.#database.run(
			(sql) => sql<Pick<DeliveryRow, "delivery_id">[]>`
				select delivery_id from deliveries where state = 'waiting'
				order by created_at limit ${LIMITS.deliveryBatch}`,
		);
		return rows.map((row) => row.delivery_id);
	}

	async tried(
		deliveryId: string,
		{ state, error }: { readonly state: DeliveryState; readonly error: string | undefined },
	): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update deliveries set state = ${state}, error = ${error ?? null}, attempts = attempts + 1,
					finished_at = case when ${state} = 'waiting' then null else now() end
				where delivery_id = ${deliveryId}`,
		);
	}

	async again(deliveryId: string): Promise<void> {
		await this.#database.transaction(async (tx) => {
			await tx`update deliveries set state = 'waiting', finished_at = null
				where delivery_id = ${deliveryId}`;
			await tx`insert into outbox (topic, payload) values (${WEBHOOK_TOPIC}, ${deliveryId})`;
			await tx`select pg_notify(${CHANNEL}, 'delivery:' || chain_id) from deliveries
				where delivery_id = ${deliveryId}`;
		});
	}

	async outbox(): ReturnType<DeliveryStore["outbox"]> {
		const rows = await this.#database.run(
			(sql) => sql<{ outbox_id: bigint; payload: string }[]>`
				select outbox_id, payload from outbox where topic = ${WEBHOOK_TOPIC}
				order by outbox_id limit ${LIMITS.deliveryBatch}`,
		);
		return rows.map((row) => ({ outboxId: row.outbox_id, deliveryId: row.payload }));
	}

	async forget(outboxIds: readonly bigint[]): Promise<void> {
		const ids = pgArray(outboxIds);
		await this.#database.run(
			(sql) => sql`delete from outbox where outbox_id = any(${ids}::bigint[])`,
		);
	}
}

function toldOf({ kind, rollback_id: rollbackId, data }: DeliveryRow): Told {
	if (kind !== "rollback.committed") {
		return { kind, data: JSON.parse(data ?? "{}") as JsonObject };
	}
	if (rollbackId !== null) return { kind, rollbackId };
	throw new FatalError("internal", {
		message: "a delivery names no rollback",
		hint: "this is a defect of Recant; please report it with the log",
	});
}

function deliveryOf(row: DeliveryRow): Delivery {
	return {
		deliveryId: row.delivery_id,
		chainId: Number(row.chain_id),
		told: toldOf(row),
		url: row.url,
		state: row.state,
		attempts: row.attempts,
		error: row.error ?? undefined,
		createdAt: row.created_at,
		finishedAt: row.finished_at ?? undefined,
	};
}
