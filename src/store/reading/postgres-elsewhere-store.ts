import { FatalError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type OperationId,
} from "../../domain/ids.ts";
import { statusFromText } from "../../follower/status-text.ts";
import type { ChainElsewhereStore, ChainStanding } from "../../service/chain-standing.ts";
import type { InboxStore } from "../../writer/inbox-store.ts";
import type { Problem } from "../../writer/writer-store.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";

export class PostgresElsewhereStore implements ChainElsewhereStore {
	readonly #database: Database;
	readonly #inbox: Pick<InboxStore, "tailRows">;

	constructor(database: Database, inbox: Pick<InboxStore, "tailRows">) {
		this.#database = database;
		this.#inbox = inbox;
	}

	async standing(chainId: ChainId): Promise<ChainStanding> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<StandingRow[]>`
				select lease_holder, coalesce(lease_until > now(), false) as live, follower_status, halt,
					head_height from chains where chain_id = ${chainId}`;
			if (row === undefined) throw unknownChain(chainId);
			const followedBy = row.live ? (row.lease_holder ?? undefined) : undefined;
			const said = followedBy === undefined ? null : row.follower_status;
			return {
				followedBy,
				status: said === null ? undefined : statusFromText(said),
				halt: row.halt === null ? undefined : (JSON.parse(row.halt) as Problem),
				head: row.head_height ?? undefined,
			};
		});
	}

	async blockHash(chainId: ChainId, height: Height): Promise<Hex | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ hash: Hex }[]>`
				select hash from blocks where chain_id = ${chainId} and height = ${height}
					and to_gen = ${FOREVER}`;
			return row?.hash;
		});
	}

	async stillQueued(chainId: ChainId, operationIds: readonly OperationId[]) {
		const rows = await this.#database.run(
			(sql) => sql<{ operation_id: OperationId }[]>`
				select operation_id from operations where chain_id = ${chainId}
					and operation_id = any(${pgArray(operationIds)}::uuid[]) and status = 'queued'`,
		);
		return rows.map((row) => row.operation_id);
	}

	async tailRows(chainId: ChainId): Promise<number> {
		return this.#inbox.tailRows(chainId);
	}
}

interface StandingRow {
	readonly lease_holder: string | null;
	readonly live: boolean;
	readonly follower_status: string | null;
	readonly halt: string | null;
	readonly head_height: bigint | null;
}

function unknownChain(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "it is registered when a process starts with its file",
		fields: { chainId },
	});
}
