import type { AtRequest } from "../../domain/coordinate.ts";
import type { ChainId } from "../../domain/ids.ts";
import type { ExplainStore, ExplainView } from "../../service/explaining/explain-store.ts";
import type { Database } from "../database.ts";
import { resolveCoordinate } from "./coordinate.ts";
import { PostgresExplainView } from "./explain-view.ts";

export class PostgresExplainStore implements ExplainStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: ExplainView) => Promise<Result>,
	): Promise<Result> {
		return this.#database.snapshot(async (tx) =>
			work(new PostgresExplainView(tx, await resolveCoordinate(tx, chainId, request))),
		);
	}
}
