import type { AtRequest } from "../../domain/coordinate.ts";
import type { ChainId } from "../../domain/ids.ts";
import type { GraphStore, GraphView } from "../../service/graph/graph-store.ts";
import type { Database } from "../database.ts";
import { resolveCoordinate } from "./coordinate.ts";
import { PostgresGraphView } from "./graph-view.ts";

export class PostgresGraphStore implements GraphStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: GraphView) => Promise<Result>,
	): Promise<Result> {
		return this.#database.snapshot(async (tx) =>
			work(new PostgresGraphView(tx, await resolveCoordinate(tx, chainId, request))),
		);
	}
}
