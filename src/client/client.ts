/**
 * The client of Recant's HTTP API. Methods answer the service's JSON, typed; what does not succeed
 * throws `RecantApiError` with a stable `code` and a `hint`. `chain` is an id in decimal or a name.
 *
 *     const recant = new RecantClient({ url: "http://127.0.0.1:8080" });
 *     await recant.write("31337", { op: "put", layer: "semantic", content: { sky: "blue" } });
 */
import { inputHashOf } from "../memory/input-hash.ts";
import type { RollbackOrder } from "../service/rollback-view.ts";
import type {
	BlocksAnswer,
	ChainAnswer,
	CheckAnswer,
	CheckpointAnswer,
	CheckpointsAnswer,
	ChecksAnswer,
	CheckWithFindingsAnswer,
	DeliveriesAnswer,
	DeliveryAnswer,
	DiffAnswer,
	EpisodesAnswer,
	ExplainAnswer,
	HistoryAnswer,
	KeyAnswer,
	KeysAnswer,
	LinksAnswer,
	MadeKeyAnswer,
	MemoriesAnswer,
	NamespaceAnswer,
	NamespacesAnswer,
	OneMemoryAnswer,
	OperationAnswer,
	OptimisationAnswer,
	PartialRestoreAnswer,
	ProofAnswer,
	RecoveriesAnswer,
	RecoveryAnswer,
	RecoveryDryRunAnswer,
	RepairAnswer,
	RepairPlanAnswer,
	RepairsAnswer,
	ResultAnswer,
	RollbackAnswer,
	RollbackPlanAnswer,
	RollbackReportAnswer,
	RollbacksAnswer,
	SearchAnswer,
	SnapshotAnswer,
	SnapshotsAnswer,
	StatusAnswer,
	TreeAnswer,
	TreeMemoriesAnswer,
	WalkAnswer,
	WriteAnswer,
} from "./answers.ts";
import { type ReceivedEvent, readEvents } from "./event-reader.ts";
import { Memories } from "./memories.ts";
import type {
	ApplyOptions,
	BlocksQuery,
	CheckInput,
	ChecksQuery,
	ConsolidationInput,
	DiffQuery,
	EpisodesQuery,
	EventsQuery,
	ExplainQuery,
	HistoryQuery,
	KeyInput,
	LinksQuery,
	MemoriesQuery,
	MemoryQuery,
	MergeInput,
	NamespacesQuery,
	OperationInput,
	OptimiseInput,
	PageQuery,
	RecoveriesQuery,
	RecoveryInput,
	RepairInput,
	RestoreInput,
	ResultInput,
	ResultQuery,
	SearchInput,
	SettingsInput,
	SnapshotImportInput,
	SnapshotInput,
	TreeMemoriesQuery,
	TreeQuery,
	WalkQuery,
	WholeNumber,
	WriteOptions,
} from "./requests.ts";
import { type ApiRequest, type ClientOptions, Transport } from "./transport.ts";

export class RecantClient {
	readonly #transport: Transport;

	constructor(options: ClientOptions) {
		this.#transport = new Transport(options);
	}

	/** The verbs add, search, get, list, update, delete, history, at, explain and diff there. */
	on(chain: string, namespace?: string): Memories {
		return new Memories(this, { chain, namespace });
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
			query: { wait: this.#transport.commitWaitMs(waitMs) },
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

	/** Versions of every generation, the newest first; or those of a range of heights. */
	history(chain: string, id: string, query: HistoryQuery = {}): Promise<HistoryAnswer> {
		return this.#get(chain, ["memories", id, "history"], { ...query });
	}

	/** Its whole story: who wrote it, what it rests on, what rests on it, what forks did to it. */
	explain(chain: string, id: string, query: ExplainQuery = {}): Promise<ExplainAnswer> {
		return this.#get(chain, ["memories", id, "explain"], { ...query });
	}

	/** Links of a memory, with the memories at their other ends. */
	links(chain: string, id: string, { types, ...query }: LinksQuery = {}): Promise<LinksAnswer> {
		return this.#get(chain, ["memories", id, "links"], { ...query, type: types?.join(",") });
	}

	/** What it is a kind or a part of, directly and further up. */
	ancestors(chain: string, id: string, query: WalkQuery = {}): Promise<WalkAnswer> {
		return this.#walk(chain, [id, "ancestors"], query);
	}

	/** What is a kind or a part of it, directly and further down. */
	descendants(chain: string, id: string, query: WalkQuery = {}): Promise<WalkAnswer> {
		return this.#walk(chain, [id, "descendants"], query);
	}

	/** What caused an episode, directly and further back. */
	causes(chain: string, id: string, query: Omit<WalkQuery, "types"> = {}): Promise<WalkAnswer> {
		return this.#walk(chain, [id, "causes"], query);
	}

	/** What an episode caused, directly and further on. */
	consequences(
		chain: string,
		id: string,
		query: Omit<WalkQuery, "types"> = {},
	): Promise<WalkAnswer> {
		return this.#walk(chain, [id, "consequences"], query);
	}

	/** In the order in which they happened. */
	episodes(chain: string, query: EpisodesQuery = {}): Promise<EpisodesAnswer> {
		return this.#get(chain, ["episodes"], { ...query });
	}

	/** That the memory is, or is not, part of a sealed state; `at` is `latest` if left out. */
	proof(chain: string, id: string, query: MemoryQuery = {}): Promise<ProofAnswer> {
		return this.#get(chain, ["memories", id, "proof"], { ...query });
	}

	/** Nodes of a layer's state tree. */
	tree(chain: string, { paths, ...query }: TreeQuery): Promise<TreeAnswer> {
		return this.#get(chain, ["tree"], { ...query, paths: paths.join(",") });
	}

	/** Names of the memories that keys stand for. */
	treeMemories(chain: string, { keys, ...query }: TreeMemoriesQuery): Promise<TreeMemoriesAnswer> {
		return this.#get(chain, ["tree", "memories"], { ...query, keys: keys.join(",") });
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

	/**
	 * Begins a rollback to the end of block `toBlock`; follow it with `rollback`. `strategy` undefined: the
	 * service chooses.
	 */
	startRollback(
		chain: string,
		toBlock: WholeNumber,
		strategy?: RollbackAnswer["strategy"],
	): Promise<RollbackAnswer> {
		const named = strategy === undefined ? {} : { strategy };
		return this.#transport.json(postTo(chain, "rollbacks", { toBlock, ...named }));
	}

	/** Pauses, resumes, cancels, retries or abandons it; answers it as it is then. */
	orderRollback(chain: string, rollbackId: string, order: RollbackOrder): Promise<RollbackAnswer> {
		const path = ["v1", "chains", chain, "rollbacks", rollbackId, order];
		return this.#transport.json({ method: "POST", path });
	}

	/** Brings agents' memories back to what they said at `to`. */
	restore(
		chain: string,
		input: RestoreInput,
		options: ApplyOptions = {},
	): Promise<PartialRestoreAnswer> {
		return this.#transport.json(partialRequest(chain, "restores", input, options));
	}

	/** Merges what two coordinates say of agents' memories. */
	merge(
		chain: string,
		input: MergeInput,
		options: ApplyOptions = {},
	): Promise<PartialRestoreAnswer> {
		return this.#transport.json(partialRequest(chain, "merges", input, options));
	}

	/** Namespaces in which something was ever written, or that have settings. */
	namespaces(chain: string, query: NamespacesQuery = {}): Promise<NamespacesAnswer> {
		const { counts, ...page } = query;
		return this.#get(chain, ["namespaces"], { ...page, counts: counts?.toString() });
	}

	/** What a namespace is told to do. */
	namespace(chain: string, namespace: string): Promise<NamespaceAnswer> {
		return this.#get(chain, ["namespaces", namespace]);
	}

	/** Settings take the place of those before, whole. */
	setNamespace(
		chain: string,
		namespace: string,
		settings: SettingsInput,
	): Promise<NamespaceAnswer> {
		return this.#transport.json({
			method: "PUT",
			path: ["v1", "chains", chain, "namespaces", namespace],
			body: settings,
		});
	}

	/** Runs a namespace's consolidation rules now. */
	consolidate(
		chain: string,
		input: ConsolidationInput = {},
		{ idempotencyKey, waitMs }: WriteOptions = {},
	): Promise<WriteAnswer> {
		return this.#transport.json({
			...postTo(chain, "consolidations", input),
			query: { wait: this.#transport.commitWaitMs(waitMs) },
			headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
		});
	}

	/** Drops what is expired, low in confidence or unreachable; a dry run tells what would go. */
	optimise(
		chain: string,
		input: OptimiseInput,
		options: ApplyOptions = {},
	): Promise<OptimisationAnswer> {
		return this.#transport.json(partialRequest(chain, "optimisations", input, options));
	}

	/** The newest first. */
	snapshots(chain: string, query: PageQuery = {}): Promise<SnapshotsAnswer> {
		return this.#get(chain, ["snapshots"], { ...query });
	}

	snapshot(chain: string, snapshotId: string): Promise<SnapshotAnswer> {
		return this.#get(chain, ["snapshots", snapshotId]);
	}

	/** Begins a snapshot of a sealed coordinate; follow it with `snapshot`. */
	createSnapshot(chain: string, input: SnapshotInput = {}): Promise<SnapshotAnswer> {
		return this.#transport.json(postTo(chain, "snapshots", input));
	}

	/** Has a snapshot read back; follow it with `snapshot`. */
	verifySnapshot(chain: string, snapshotId: string): Promise<SnapshotAnswer> {
		return this.#transport.json({
			method: "POST",
			path: ["v1", "chains", chain, "snapshots", snapshotId, "verifications"],
		});
	}

	/** The manifest's bytes: its id is their SHA-256. */
	snapshotManifest(chain: string, snapshotId: string): Promise<Uint8Array> {
		return this.#transport.bytes({
			path: ["v1", "chains", chain, "snapshots", snapshotId, "manifest"],
		});
	}

	/** A chunk as it is stored, compressed by zstd. */
	snapshotChunk(chain: string, hash: string): Promise<Uint8Array> {
		return this.#transport.bytes({ path: ["v1", "chains", chain, "snapshot-chunks", hash] });
	}

	/** Whether the service has that chunk, whole. */
	hasSnapshotChunk(chain: string, hash: string): Promise<boolean> {
		return this.#transport.answers({ path: ["v1", "chains", chain, "snapshot-chunks", hash] });
	}

	/** Brings a chunk in, as it was stored. */
	async putSnapshotChunk(chain: string, hash: string, stored: Uint8Array): Promise<void> {
		await this.#transport.json({
			method: "PUT",
			path: ["v1", "chains", chain, "snapshot-chunks", hash],
			body: stored,
		});
	}

	/** Brings a manifest in, when its parent and its chunks are there. */
	importSnapshot(chain: string, input: SnapshotImportInput): Promise<SnapshotAnswer> {
		return this.#transport.json({
			method: "POST",
			path: ["v1", "chains", chain, "snapshots", "imports"],
			body: input,
		});
	}

	/** Begins a consistency check; follow it with `check`. */
	startCheck(chain: string, check: CheckInput = {}): Promise<CheckAnswer> {
		return this.#transport.json(postTo(chain, "consistency", check));
	}

	/** The newest first, with their scores. */
	checks(chain: string, query: ChecksQuery = {}): Promise<ChecksAnswer> {
		return this.#get(chain, ["consistency"], { ...query });
	}

	/** One check with a page of its findings. */
	check(chain: string, runId: string, query: PageQuery = {}): Promise<CheckWithFindingsAnswer> {
		return this.#get(chain, ["consistency", runId], { ...query });
	}

	/** What mending a check's findings would do; changes nothing. */
	planRepair(chain: string, repair: RepairInput = {}): Promise<RepairPlanAnswer> {
		return this.#transport.json(postTo(chain, "repairs", { ...repair, dryRun: true }));
	}

	/** Mends a check's findings; answers when it has ended. */
	repair(chain: string, repair: RepairInput = {}): Promise<RepairAnswer> {
		return this.#transport.json(postTo(chain, "repairs", { ...repair, dryRun: false }));
	}

	/** The newest first. */
	repairs(chain: string, query: PageQuery = {}): Promise<RepairsAnswer> {
		return this.#get(chain, ["repairs"], { ...query });
	}

	oneRepair(chain: string, repairId: string): Promise<RepairAnswer> {
		return this.#get(chain, ["repairs", repairId]);
	}

	/** What is possible for a halted chain, and what was done, the newest first. */
	recoveries(chain: string, query: RecoveriesQuery = {}): Promise<RecoveriesAnswer> {
		const { singleProvider, ...page } = query;
		const single = singleProvider?.toString();
		return this.#get(chain, ["recoveries"], { ...page, singleProvider: single });
	}

	recovery(chain: string, recoveryId: string): Promise<RecoveryAnswer> {
		return this.#get(chain, ["recoveries", recoveryId]);
	}

	/** What a recovery would do; changes nothing. */
	planRecovery(chain: string, recovery: RecoveryInput): Promise<RecoveryDryRunAnswer> {
		return this.#transport.json(postTo(chain, "recoveries", { ...recovery, dryRun: true }));
	}

	/** Begins one; follow it with `recovery`. */
	recover(chain: string, recovery: RecoveryInput): Promise<RecoveryAnswer> {
		return this.#transport.json(postTo(chain, "recoveries", recovery));
	}

	/** Makes an API key; `secret` of the answer is shown this once. */
	createKey(key: KeyInput): Promise<MadeKeyAnswer> {
		return this.#transport.json({ method: "POST", path: ["v1", "keys"], body: key });
	}

	/** The newest first, revoked ones too. */
	keys(query: PageQuery = {}): Promise<KeysAnswer> {
		return this.#transport.json({ path: ["v1", "keys"], query: { ...query } });
	}

	revokeKey(keyId: string): Promise<KeyAnswer> {
		return this.#transport.json({ method: "DELETE", path: ["v1", "keys", keyId] });
	}

	/** What a model answered to an input; `inputHash` instead of `input` where that is known. */
	result(chain: string, { input, inputHash, ...name }: ResultQuery): Promise<ResultAnswer> {
		const hash = inputHash ?? inputHashOf(input ?? null);
		return this.#get(chain, ["results"], { ...name, inputHash: hash });
	}

	/** Records what a model answered to an input. */
	recordResult(chain: string, result: ResultInput): Promise<ResultAnswer> {
		return this.#transport.json({ ...postTo(chain, "results", result), method: "PUT" });
	}

	/** Of rollbacks' reports to webhooks, the newest first. */
	deliveries(chain: string, query: PageQuery = {}): Promise<DeliveriesAnswer> {
		return this.#get(chain, ["deliveries"], { ...query });
	}

	/** Sends a report again. */
	retryDelivery(chain: string, deliveryId: string): Promise<DeliveryAnswer> {
		return this.#transport.json({
			method: "POST",
			path: ["v1", "chains", chain, "deliveries", deliveryId, "retry"],
		});
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

	#walk(
		chain: string,
		[id, walk]: readonly [string, string],
		{ types, ...query }: WalkQuery,
	): Promise<WalkAnswer> {
		return this.#get(chain, ["memories", id, walk], { ...query, type: types?.join(",") });
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

function partialRequest(
	chain: string,
	what: string,
	input: RestoreInput | MergeInput | OptimiseInput,
	options: ApplyOptions,
): ApiRequest {
	if (options.dryRun === true) return postTo(chain, what, { ...input, dryRun: true });
	const { idempotencyKey: key } = options;
	return {
		...postTo(chain, what, input),
		headers: key === undefined ? {} : { "idempotency-key": key },
	};
}

function isList(
	operations: OperationInput | readonly OperationInput[],
): operations is readonly OperationInput[] {
	return Array.isArray(operations);
}
