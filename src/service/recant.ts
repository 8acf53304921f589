/** Recant as its users see it: reads, writes, rollbacks and events over the parts of each chain. */
import { type Caller, EVERYBODY } from "../domain/caller.ts";
import type { AtRequest } from "../domain/coordinate.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, LogPosition, RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { DEFAULT_COLLECTION } from "../domain/operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { RollbackCoordinator } from "../rollback/coordinator.ts";
import type { RollbackStore } from "../rollback/rollback-store.ts";
import type { InboxStore } from "../writer/inbox-store.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { ChainRuntime } from "./chain-runtime.ts";
import type { EventFeed } from "./events.ts";
import { planRollback, rollbackTarget } from "./manual-rollback.ts";
import { type Readiness, readinessOf, type StoreChecks } from "./readiness.ts";
import { blockPage } from "./reading/block-page.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "./reading/cursor.ts";
import { diffPage } from "./reading/diff.ts";
import { historyPage } from "./reading/history-page.ts";
import { memoryPage } from "./reading/memory-page.ts";
import type { StateStore } from "./reading/state-store.ts";
import { unknownOperation } from "./reading/unknown-operation.ts";
import type { WorkingMemoryReader } from "./reading/working-memory-reader.ts";
import type {
	ChainView,
	CheckSummary,
	EventView,
	OperationView,
	RecantService,
	StatusView,
	WriteAnswer,
} from "./recant-service.ts";
import { memoryNotFound, noReport, refuseHalted, refuseHaltedOtherwise } from "./refusals.ts";
import type {
	RollbackOrder,
	RollbackReport,
	RollbackStrategy,
	RollbackView,
} from "./rollback-view.ts";
import { embedQuery, search } from "./searching/search.ts";
import type { SearchContext } from "./searching/search-context.ts";
import { reportOf } from "./stored-report.ts";
import { checkpointView, memoryView, operationView, rollbackView, searchResult } from "./views.ts";
import { type OperationRequest, writesOf } from "./writing/operation-request.ts";

export interface RecantOptions {
	readonly about: Pick<
		StatusView,
		"version" | "roles" | "installationId" | "queueBackend" | "database" | "embedder"
	>;
	readonly chains: readonly ChainRuntime[];
	readonly state: StateStore;
	readonly inbox: InboxStore;
	readonly writerStore: WriterStore;
	readonly rollbackStore: RollbackStore;
	readonly coordinator: RollbackCoordinator;
	readonly search: SearchContext;
	readonly events: EventFeed;
	readonly lastCheck: (chainId: ChainId) => Promise<CheckSummary | undefined>;
	readonly workingMemory: WorkingMemoryReader;
	readonly stores: StoreChecks;
}

export class Recant implements RecantService {
	readonly #options: RecantOptions;

	constructor(options: RecantOptions) {
		this.#options = options;
	}

	async status(): Promise<StatusView> {
		const chains = await Promise.all(this.#options.chains.map((chain) => this.#chainView(chain)));
		const { about, stores, workingMemory } = this.#options;
		return { ...about, stores: stores.health(), workingMemory: workingMemory.figures(), chains };
	}

	async readiness(): Promise<Readiness> {
		const { stores, chains, about } = this.#options;
		return readinessOf(stores, chains, about.roles);
	}

	async chain(chain: string): Promise<ChainView> {
		return this.#chainView(this.#find(chain));
	}

	async blocks(chain: string, query: Parameters<RecantService["blocks"]>[1]) {
		const { id } = this.#find(chain).spec;
		return blockPage(this.#options.state, id, query);
	}

	async write(
		chain: string,
		request: {
			readonly operations: readonly OperationRequest[];
			readonly idempotencyKey: string | undefined;
			readonly deadlineMs: number;
			readonly caller?: Caller | undefined;
		},
	): Promise<WriteAnswer> {
		const runtime = this.#find(chain);
		const { caller = EVERYBODY, idempotencyKey } = request;
		// A key is one caller's own, and so are the ids that are made of it.
		const idsOf =
			caller.id === "" ? idempotencyKey : idempotencyKey && `${caller.id} ${idempotencyKey}`;
		const written = await runtime.writes.write({
			writes: request.operations.flatMap((each, index) => {
				const policy = (namespace: string) => runtime.settings(namespace).policy ?? "recant";
				return writesOf(each, { idempotencyKey: idsOf, index, policy });
			}),
			idempotencyKey: request.idempotencyKey,
			deadlineMs: Math.min(request.deadlineMs, LIMITS.writeDeadlineMs),
			caller,
		});
		return {
			committed: written.committed,
			repeated: written.repeated,
			operations: written.operations.map(operationView),
			at: written.committed
				? await this.#options.state.read(runtime.spec.id, PENDING, async (view) => view.at)
				: undefined,
			hint: written.hint,
		};
	}

	async operation(chain: string, operationId: string): Promise<OperationView> {
		const { id } = this.#find(chain).spec;
		const found = isUuid(operationId)
			? await this.#options.inbox.operations(id, [operationId as never])
			: [];
		const [record] = found;
		if (record !== undefined) return operationView(record);
		throw unknownOperation(operationId);
	}

	async memories(chain: string, query: Parameters<RecantService["memories"]>[1]) {
		return memoryPage(this.#options.state, this.#find(chain).spec.id, query);
	}

	async memory(chain: string, query: Parameters<RecantService["memory"]>[1]) {
		const { id } = this.#find(chain).spec;
		const key = memoryKey(query.namespace, query.id);
		const { workingMemory, state } = this.#options;
		const hot = isPresent(query.at) ? await workingMemory.read(id, key) : undefined;
		if (hot !== undefined)
			return { at: hot.at, memory: memoryView(hot.version, hot.at.height, hot.marks) };
		return state.read(id, query.at, async (view) => {
			const version = await view.memory(key);
			if (version === undefined) throw memoryNotFound(query, view.at.height);
			workingMemory.learned(view.at, version);
			return { at: view.at, memory: memoryView(version, view.at.height, view.marks) };
		});
	}

	async history(chain: string, query: Parameters<RecantService["history"]>[1]) {
		const { id } = this.#find(chain).spec;
		const key = memoryKey(query.namespace, query.id);
		const page = await historyPage(this.#options.state, id, { ...query, key });
		if (page === undefined) throw memoryNotFound(query, undefined);
		return page;
	}

	async search(chain: string, request: Parameters<RecantService["search"]>[1]) {
		const { id } = this.#find(chain).spec;
		const { state, search: context } = this.#options;
		const query = { ...request, collection: request.collection ?? DEFAULT_COLLECTION };
		const embedding = await embedQuery(query, context.embedder);
		return context.turns.run(() =>
			state.read(
				id,
				request.at,
				async (view) => {
					const { memories, coverage } = await search(view, query, embedding, context);
					const results = memories.map((found) => searchResult(found, view.marks, view.at.height));
					return { at: view.at, results, coverage };
				},
				query.collection,
			),
		);
	}

	async diff(chain: string, query: Parameters<RecantService["diff"]>[1]) {
		return diffPage(this.#options.state, this.#find(chain).spec.id, query);
	}

	async checkpoints(chain: string, query: Parameters<RecantService["checkpoints"]>[1]) {
		const { id } = this.#find(chain).spec;
		const points = await this.#options.state.checkpoints(id, { ...query, limit: query.limit + 1 });
		const page = points.slice(0, query.limit);
		const last = page.at(-1);
		return {
			items: page.map((point) => checkpointView(point, id)),
			cursor:
				points.length > query.limit && last !== undefined ? last.height.toString() : undefined,
		};
	}

	async checkpoint(chain: string, height: Height) {
		const { id } = this.#find(chain).spec;
		const point = await this.#options.state.checkpoint(id, height);
		if (point !== undefined) return checkpointView(point, id);
		throw new FatalError("unknown_checkpoint", {
			message: `there is no checkpoint at height ${height}`,
			hint: "every block of the window has one, and below it every thousandth",
			fields: { height: height.toString() },
		});
	}

	async rollbacks(chain: string, query: Parameters<RecantService["rollbacks"]>[1]) {
		const { id } = this.#find(chain).spec;
		const after = query.cursor === undefined ? undefined : rollbackOfCursor(query.cursor);
		const limit = query.limit + 1;
		const records = await this.#options.state.rollbacks(id, { after, limit });
		const page = records.slice(0, query.limit);
		const last = records.length > query.limit ? page.at(-1) : undefined;
		return {
			items: page.map(rollbackView),
			cursor: last && encodeCursor({ r: last.rollbackId }),
		};
	}

	async rollback(chain: string, rollbackId: string): Promise<RollbackView> {
		return rollbackView(await this.#rollback(this.#find(chain).spec.id, rollbackId));
	}

	async report(chain: string, rollbackId: string): Promise<RollbackReport> {
		const { id } = this.#find(chain).spec;
		const [record, json] = await Promise.all([
			this.#rollback(id, rollbackId),
			isUuid(rollbackId) ? this.#options.state.report(rollbackId as RollbackId) : undefined,
		]);
		const view = rollbackView(record);
		if (json === undefined) {
			throw noReport(record);
		}
		return reportOf(view, json);
	}

	async planRollback(chain: string, toBlock: Height) {
		const runtime = this.#find(chain);
		await refuseHalted(runtime);
		return planRollback(runtime.spec.id, toBlock, this.#options);
	}

	async startRollback(
		chain: string,
		toBlock: Height,
		strategy?: RollbackStrategy | undefined,
	): Promise<RollbackView> {
		const runtime = this.#find(chain);
		await refuseHalted(runtime);
		const { state, from, ancestor } = await rollbackTarget(runtime.spec.id, toBlock, this.#options);
		const rollbackId = await this.#options.coordinator.record({
			chainId: runtime.spec.id,
			cause: "manual",
			fromGeneration: state.generation,
			ancestor,
			from,
			branch: [],
			supersessions: 0,
			wantedStrategy: strategy,
		});
		runtime.rollbackDue();
		return this.rollback(chain, rollbackId);
	}

	async orderRollback(
		chain: string,
		rollbackId: string,
		order: RollbackOrder,
	): Promise<RollbackView> {
		const runtime = this.#find(chain);
		const found = await this.#rollback(runtime.spec.id, rollbackId);
		if (order === "retry") await refuseHaltedOtherwise(runtime);
		const record = await this.#options.coordinator.store.order(found.rollbackId, order);
		// Whoever waits for it, or stands on it, looks at once.
		runtime.rollbackDue();
		return rollbackView(record);
	}

	async *events(
		query: Parameters<RecantService["events"]>[0],
		signal: AbortSignal,
	): AsyncGenerator<EventView> {
		const chains = query.chains?.map((chain) => this.#find(chain)) ?? this.#options.chains;
		const places = new Map<ChainId, LogPosition>();
		for (const { spec } of chains) {
			const after =
				query.after?.get(spec.id) ?? (await this.#options.state.chain(spec.id)).logPosition;
			places.set(spec.id, after);
		}
		yield* this.#options.events.follow(places, query.types, signal);
	}

	/** Id of a chain that is served. Throws `unknown_chain`. */
	chainId(chain: string): ChainId {
		return this.#find(chain).spec.id;
	}

	#find(chain: string): ChainRuntime {
		const found = this.#options.chains.find(
			({ spec }) => spec.name === chain || spec.id.toString() === chain,
		);
		if (found !== undefined) return found;
		throw new FatalError("unknown_chain", {
			message: `chain "${chain}" is not served here`,
			hint: `served: ${this.#options.chains.map(({ spec }) => `${spec.name} (${spec.id})`).join(", ")}`,
			fields: { chain },
		});
	}

	async #chainView(chain: ChainRuntime): Promise<ChainView> {
		const { spec } = chain;
		const [record, active, consistency] = await Promise.all([
			this.#options.state.chain(spec.id),
			this.#options.rollbackStore.active(spec.id),
			this.#options.lastCheck(spec.id),
		]);
		const { state, problem, nodeHead, followedBy } = await chain.status();
		const indexes = chain.indexes?.();
		return {
			chainId: spec.id,
			name: spec.name,
			state,
			problem,
			followedBy,
			nodeHead,
			generation: record.generation,
			head: record.head && {
				height: record.head.number,
				hash: record.head.hash,
				timestamp: record.head.timestamp,
			},
			safe: record.safe,
			finalized: record.finalized,
			startBlock: record.startBlock,
			retainedFrom: record.retainedFrom,
			logPosition: record.logPosition,
			inbox: record.inbox,
			rollback: active && rollbackView(active),
			handlersHash: spec.handlersHash,
			consistency,
			collections: record.collections.map((each) => ({
				...each,
				pointer: { tableVersion: each.pointer.tableVersion, versionId: each.pointer.versionId },
				index: indexes?.get(each.name),
			})),
			providers: chain.providers(),
		};
	}

	async #rollback(chainId: ChainId, rollbackId: string) {
		const record = isUuid(rollbackId)
			? await this.#options.rollbackStore.load(rollbackId as RollbackId)
			: undefined;
		if (record?.chainId === chainId) return record;
		throw new FatalError("rollback_not_found", {
			message: `chain ${chainId} has no rollback ${rollbackId}`,
			hint: "see the chain's rollbacks",
			fields: { rollbackId },
		});
	}
}

const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;

/** What the working memory holds: the pending slot of the present generation. */
function isPresent({ at, generation }: AtRequest): boolean {
	return at.kind === "tag" && at.tag === "pending" && generation === undefined;
}

function isUuid(value: string): boolean {
	return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}

function rollbackOfCursor(cursor: string): RollbackId {
	const { r } = decodeCursor(cursor, ["r"]);
	if (!isUuid(r)) throw cursorInvalid();
	return r as RollbackId;
}
