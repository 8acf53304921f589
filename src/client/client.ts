/**
 * The client of Recant's HTTP API. Methods answer the service's JSON, typed; what does not succeed
 * throws `RecantApiError` with a stable `code` and a `hint`. `chain` is an id in decimal or a name.
 *
 *     const recant = new RecantClient({ url: "http://127.0.0.1:8080" });
 *     await recant.write("31337", { op: "put", layer: "semantic", content: { sky: "blue" } });
 */
import type {
	BlocksAnswer,
	ChainAnswer,
	CheckpointAnswer,
	CheckpointsAnswer,
	DiffAnswer,
	HistoryAnswer,
	MemoriesAnswer,
	OneMemoryAnswer,
	OperationAnswer,
	RollbackAnswer,
	RollbackPlanAnswer,
	RollbackReportAnswer,
	RollbacksAnswer,
	SearchAnswer,
	StatusAnswer,
	WriteAnswer,
} from "./answers.ts";
import { type ReceivedEvent, readEvents } from "./event-reader.ts";
import type {
	BlocksQuery,
	DiffQuery,
	EventsQuery,
	MemoriesQuery,
	MemoryQuery,
	OperationInput,
	PageQuery,
	SearchInput,
	WholeNumber,
	WriteOptions,
} from "./requests.ts";
import { type ApiRequest, type ClientOptions, Transport } from "./transport.ts";

export class RecantClient {
	readonly #transport: Transport;

	constructor(options: ClientOptions) {
		this.#transport = new Transport(options);
	}

	status(): Promise<StatusAnswer> {
		return this.#transport.json({ path: ["v1", "status"] });
	}

	chain(chain: string): Promise<ChainAnswer> {
		return this.#get(chain, []);
	}

	/** Headers, the newest first. */
	blocks(chain: string, query: BlocksQuery = {}): Promise<BlocksAnswer> {
		return this.#get(chain, ["blocks"], { ...query });
	}

	/** One operation, or several that commit together. */
	write(
		chain: string,
		operations: OperationInput | readonly OperationInput[],
		{ idempotencyKey, waitMs }: WriteOptions = {},
	): Promise<WriteAnswer> {
		return this.#transport.json({
			...postTo(chain, "operations", isList(operations) ? { operations } : operations),
			query: { wait: waitMs },
			headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
		});
	}

	operation(chain: string, operationId: string): Promise<OperationAnswer> {
		return this.#get(chain, ["operations", operationId]);
	}

	memories(chain: string, query: MemoriesQuery = {}): Promise<MemoriesAnswer> {
		return this.#get(chain, ["memories"], { ...query });
	}

	memory(chain: string, id: string, query: MemoryQuery = {}): Promise<OneMemoryAnswer> {
		return this.#get(chain, ["memories", id], { ...query });
	}

	history(
		chain: string,
		id: string,
		query: PageQuery & { readonly namespace?: string | undefined } = {},
	): Promise<HistoryAnswer> {
		return this.#get(chain, ["memories", id, "history"], { ...query });
	}

	search(chain: string, search: SearchInput): Promise<SearchAnswer> {
		return this.#transport.json(postTo(chain, "search", search));
	}

	diff(chain: string, query: DiffQuery): Promise<DiffAnswer> {
		return this.#get(chain, ["diff"], { ...query });
	}

	/** The highest first. */
	checkpoints(
		chain: string,
		query: { readonly limit?: number | undefined; readonly before?: WholeNumber | undefined } = {},
	): Promise<CheckpointsAnswer> {
		return this.#get(chain, ["checkpoints"], { ...query });
	}

	checkpoint(chain: string, height: WholeNumber): Promise<CheckpointAnswer> {
		return this.#get(chain, ["checkpoints", height.toString()]);
	}

	/** The newest first. */
	rollbacks(chain: string, query: PageQuery = {}): Promise<RollbacksAnswer> {
		return this.#get(chain, ["rollbacks"], { ...query });
	}

	rollback(chain: string, rollbackId: string): Promise<RollbackAnswer> {
		return this.#get(chain, ["rollbacks", rollbackId]);
	}

	report(chain: string, rollbackId: string): Promise<RollbackReportAnswer> {
		return this.#get(chain, ["rollbacks", rollbackId, "report"]);
	}

	/** What a rollback to the end of block `toBlock` would do. */
	planRollback(chain: string, toBlock: WholeNumber): Promise<RollbackPlanAnswer> {
		return this.#transport.json(postTo(chain, "rollbacks", { toBlock, dryRun: true }));
	}

	/** Begins a rollback to the end of block `toBlock`; follow it with `rollback`. */
	startRollback(chain: string, toBlock: WholeNumber): Promise<RollbackAnswer> {
		return this.#transport.json(postTo(chain, "rollbacks", { toBlock }));
	}

	/** Log entries and progress until the signal aborts or the connection ends; resume with `after`. */
	async *events(query: EventsQuery, signal: AbortSignal): AsyncGenerator<ReceivedEvent> {
		const { after, chains, types } = query;
		const request: ApiRequest = {
			path: ["v1", "events"],
			query: { after, chain: chains?.join(","), types: types?.join(",") },
			headers: { accept: "text/event-stream" },
		};
		yield* readEvents(await this.#transport.send(request, signal));
	}

	#get<Answer>(
		chain: string,
		path: readonly string[],
		query: NonNullable<ApiRequest["query"]> = {},
	): Promise<Answer> {
		return this.#transport.json({ path: ["v1", "chains", chain, ...path], query });
	}
}

function postTo(chain: string, what: string, body: unknown): ApiRequest {
	return { method: "POST", path: ["v1", "chains", chain, what], body };
}

function isList(
	operations: OperationInput | readonly OperationInput[],
): operations is readonly OperationInput[] {
	return Array.isArray(operations);
}
