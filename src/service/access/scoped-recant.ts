/**
 * Recant as one caller may use it. Routes are given this and nothing else, so that what a caller may not see
 * cannot be asked for: a method that is added to the service does not compile until it is decided here.
 *
 * 1. A namespace that is named and is not the caller's is refused with `forbidden_namespace`, whether it is
 *    there or not. What is named by an id alone and is not the caller's does not exist.
 * 2. What names no namespace is about the caller's own ones.
 * 3. What concerns the chain is told without what tells of others' memories.
 */
import {
	type Caller,
	requireNamespace,
	requireOperator,
	requireScope,
	sees,
} from "../../domain/caller.ts";
import type { Height } from "../../domain/ids.ts";
import type { Readiness } from "../readiness.ts";
import { unknownOperation } from "../reading/unknown-operation.ts";
import type {
	ChainView,
	CheckpointView,
	EventView,
	OperationView,
	RecantService,
	StatusView,
	WriteAnswer,
} from "../recant-service.ts";
import type {
	RollbackOrder,
	RollbackReport,
	RollbackStrategy,
	RollbackView,
} from "../rollback-view.ts";
import { namedNamespaces } from "./named-namespaces.ts";
import { visibleEvent } from "./scoped-events.ts";
import { visibleReport, withoutSizes } from "./scoped-report.ts";
import { visibleChain, visibleCheckpoint, visibleStatus } from "./scoped-views.ts";

export class ScopedRecant implements RecantService {
	readonly #service: RecantService;
	readonly #caller: Caller;

	constructor(service: RecantService, caller: Caller) {
		this.#service = service;
		this.#caller = caller;
	}

	/** For supervisors, who have no key. */
	readiness(): Promise<Readiness> {
		return this.#service.readiness();
	}

	async status(): Promise<StatusView> {
		this.#read();
		return visibleStatus(await this.#service.status(), this.#caller);
	}

	async chain(chain: string): Promise<ChainView> {
		this.#read();
		return visibleChain(await this.#service.chain(chain), this.#caller);
	}

	async blocks(chain: string, query: Parameters<RecantService["blocks"]>[1]) {
		this.#read();
		return this.#service.blocks(chain, query);
	}

	async write(chain: string, request: Parameters<RecantService["write"]>[1]): Promise<WriteAnswer> {
		requireScope(this.#caller, "write");
		for (const namespace of namedNamespaces(request.operations)) {
			requireNamespace(this.#caller, namespace);
		}
		return this.#service.write(chain, { ...request, caller: this.#caller });
	}

	async operation(chain: string, operationId: string): Promise<OperationView> {
		this.#read();
		const found = await this.#service.operation(chain, operationId);
		if (sees(this.#caller, found.namespace)) return found;
		throw unknownOperation(operationId);
	}

	async memories(chain: string, query: Parameters<RecantService["memories"]>[1]) {
		return this.#service.memories(chain, this.#within(query));
	}

	async memory(chain: string, query: Parameters<RecantService["memory"]>[1]) {
		this.#read(query.namespace);
		return this.#service.memory(chain, query);
	}

	async history(chain: string, query: Parameters<RecantService["history"]>[1]) {
		this.#read(query.namespace);
		return this.#service.history(chain, { ...query, reader: this.#caller.id });
	}

	async search(chain: string, request: Parameters<RecantService["search"]>[1]) {
		return this.#service.search(chain, this.#within(request));
	}

	async diff(chain: string, query: Parameters<RecantService["diff"]>[1]) {
		return this.#service.diff(chain, this.#within(query));
	}

	async checkpoints(chain: string, query: Parameters<RecantService["checkpoints"]>[1]) {
		this.#read();
		const page = await this.#service.checkpoints(chain, query);
		return { ...page, items: page.items.map((each) => visibleCheckpoint(each, this.#caller)) };
	}

	async checkpoint(chain: string, height: Height): Promise<CheckpointView> {
		this.#read();
		return visibleCheckpoint(await this.#service.checkpoint(chain, height), this.#caller);
	}

	async rollbacks(chain: string, query: Parameters<RecantService["rollbacks"]>[1]) {
		this.#read();
		const page = await this.#service.rollbacks(chain, query);
		return { ...page, items: page.items.map((each) => withoutSizes(each, this.#caller)) };
	}

	async rollback(chain: string, rollbackId: string): Promise<RollbackView> {
		this.#read();
		return withoutSizes(await this.#service.rollback(chain, rollbackId), this.#caller);
	}

	async report(chain: string, rollbackId: string): Promise<RollbackReport> {
		this.#read();
		return visibleReport(await this.#service.report(chain, rollbackId), this.#caller);
	}

	async planRollback(chain: string, toBlock: Height) {
		requireOperator(this.#caller);
		return this.#service.planRollback(chain, toBlock);
	}

	async startRollback(chain: string, toBlock: Height, strategy?: RollbackStrategy | undefined) {
		requireOperator(this.#caller);
		return this.#service.startRollback(chain, toBlock, strategy);
	}

	async orderRollback(chain: string, rollbackId: string, order: RollbackOrder) {
		requireOperator(this.#caller);
		return this.#service.orderRollback(chain, rollbackId, order);
	}

	async *events(
		query: Parameters<RecantService["events"]>[0],
		signal: AbortSignal,
	): AsyncGenerator<EventView> {
		this.#read();
		for await (const event of this.#service.events(query, signal)) {
			const visible = visibleEvent(event, this.#caller);
			if (visible !== undefined) yield visible;
		}
	}

	#read(namespace?: string | undefined): void {
		requireScope(this.#caller, "read");
		if (namespace !== undefined) requireNamespace(this.#caller, namespace);
	}

	/** The query as of this caller: of the namespace that it names, else of all that the caller may see. */
	#within<Query extends { readonly namespace: string | undefined }>(query: Query) {
		this.#read(query.namespace);
		const { id: reader, namespaces } = this.#caller;
		return { ...query, namespaces, reader };
	}
}
