/**
 * The recorded history of a run: what the log says was committed, and in which order, given to the reference
 * model. What an operation asked for is the agent's own word, never the log's; what became of it is for the
 * model to say.
 */
import type { Height, OperationId } from "../../src/domain/ids.ts";
import type { LogEntry } from "../../src/writer/commit-batch.ts";
import { type ModelOperation, ReferenceModel } from "../support/reference-model.ts";
import type { RunReads } from "./run-reads.ts";
import type { SimChain } from "./sim-chain.ts";
import { simCapacities } from "./sim-ledger.ts";

/** A request as far as its operations are concerned. */
export interface AskedRequest {
	readonly index: number;
	/** Undefined: it has one operation, whose content no other has. */
	readonly key: string | undefined;
	readonly operations: readonly ModelOperation[];
}

interface Asked {
	readonly request: AskedRequest;
	readonly index: number;
}

/** Operations of one request that stand together in the log. */
interface Group {
	readonly kind: "operation" | "refused";
	readonly request: AskedRequest;
	readonly operations: ModelOperation[];
	readonly codes: string[];
}

/** Reasons for which a request is refused although the model, which knows less, would take it. */
const UNKNOWN_TO_MODEL: ReadonlySet<string> = new Set([
	"anchor_not_canonical",
	// A block was committed between the asking and the admission.
	"expired",
	"version_conflict",
]);

export class SimHistory {
	readonly model: ReferenceModel;
	/** What was refused, and why, where the model says that it could have been admitted. */
	readonly wronglyRefused: string[] = [];
	readonly #chain: SimChain;
	readonly #reads: RunReads;
	readonly #asked = new Map<string, Asked>();
	readonly #requests: AskedRequest[] = [];
	readonly #admitted = new Map<string, LogEntry>();
	#position = 0n;
	#height: Height | undefined;
	#refreshing: Promise<void> = Promise.resolve();

	constructor(chain: SimChain, reads: RunReads) {
		this.#chain = chain;
		this.#reads = reads;
		this.model = new ReferenceModel(chain.model, simCapacities);
	}

	/** Whether a block was committed. */
	get hasHead(): boolean {
		return this.#height !== undefined;
	}

	/** The entry with which each operation was admitted or refused, by operation. */
	get admitted(): ReadonlyMap<string, LogEntry> {
		return this.#admitted;
	}

	asks(request: AskedRequest): void {
		this.#requests.push(request);
	}

	/** Operations got these ids. */
	got(request: AskedRequest, operationIds: readonly string[]): void {
		for (const [index, id] of operationIds.entries()) this.#asked.set(id, { request, index });
	}

	askedAs(operationId: string): ModelOperation | undefined {
		const { request, index } = this.#asked.get(operationId) ?? {};
		return index === undefined ? undefined : request?.operations[index];
	}

	/** Takes in what was committed since. */
	refresh(): Promise<void> {
		this.#refreshing = this.#refreshing.then(() => this.#refresh());
		return this.#refreshing;
	}

	async #refresh(): Promise<void> {
		const entries = await this.#reads.log(this.#position);
		if (entries.some((each) => isOfAgent(each) && !this.#asked.has(each.operationId ?? ""))) {
			await this.#learnKeys();
		}
		let group: Group | undefined;
		for (const entry of entries) {
			if (entry.position !== this.#position + 1n) {
				throw new Error(`after log position ${this.#position} comes ${entry.position}`);
			}
			this.#position = entry.position;
			if (isOfAgent(entry)) {
				group = this.#grouped(group, entry);
				continue;
			}
			// What the writer does in between belongs to the same request, or to none.
			if (entry.kind === "operation" || entry.kind === "verdict") continue;
			this.#end(group);
			group = undefined;
			this.#take(entry);
		}
		this.#end(group);
	}

	#grouped(group: Group | undefined, entry: LogEntry): Group {
		const { request, operation } = this.#operationOf(entry);
		const kind = entry.kind === "refused" ? "refused" : "operation";
		const { code } = JSON.parse(entry.body) as { readonly code?: string };
		const codes = code === undefined ? [] : [code];
		if (group?.request === request && group.kind === kind) {
			group.operations.push(operation);
			group.codes.push(...codes);
			return group;
		}
		this.#end(group);
		return { kind, request, operations: [operation], codes };
	}

	#operationOf(entry: LogEntry): { request: AskedRequest; operation: ModelOperation } {
		const id = entry.operationId ?? "";
		const { request, index } = this.#asked.get(id) ?? this.#byContent(entry);
		const asked = request.operations[index];
		if (asked === undefined) throw new Error(`operation ${id} is of nobody's request`);
		if (this.#admitted.has(id)) throw new Error(`operation ${id} was admitted twice`);
		this.#asked.set(id, { request, index });
		this.#admitted.set(id, entry);
		return { request, operation: { ...asked, operationId: id } };
	}

	/** A request without a key, whose answer never came. */
	#byContent({ body, operationId }: LogEntry): Asked {
		const said = JSON.parse(body) as {
			readonly body?: { readonly content?: { readonly only?: number } };
		};
		const only = said.body?.content?.only;
		const request = this.#requests.find(({ index, key }) => key === undefined && index === only);
		if (request === undefined) throw new Error(`operation ${operationId} is of nobody's: ${body}`);
		return { request, index: 0 };
	}

	async #learnKeys(): Promise<void> {
		const keys = await this.#reads.keys();
		for (const request of this.#requests) {
			const ids: readonly OperationId[] = keys.get(request.key ?? "") ?? [];
			if (request.key !== undefined) this.got(request, ids);
		}
	}

	#end(group: Group | undefined): void {
		if (group === undefined) return;
		const { kind, operations, request, codes } = group;
		if (operations.length !== request.operations.length) {
			throw new Error(`request ${request.index} was ${kind} in parts`);
		}
		if (kind === "operation") {
			this.model.take({ type: "operations", operations });
		} else if (!codes.some((code) => UNKNOWN_TO_MODEL.has(code)) && this.model.admits(operations)) {
			this.wronglyRefused.push(`request ${request.index}: ${codes.join(", ")}`);
		}
	}

	#take({ kind, body, height }: LogEntry): void {
		const said = JSON.parse(body) as Readonly<Record<string, unknown>>;
		if (kind === "block") {
			this.#height = height;
			this.model.take({ type: "block", hash: String(said["hash"]) });
		} else if (kind === "derived") {
			this.#takeGroup(BigInt(String(said["from"])), height);
		} else if (kind === "rollback") {
			const [ancestor, to] = [said["ancestor"], said["to"]] as { readonly hash: string }[];
			if (ancestor === undefined || to === undefined) throw new Error("a rollback of no place");
			const cause = String(said["cause"]);
			this.model.take({ type: "rollback", cause, ancestor: ancestor.hash, to: to.hash });
		}
	}

	/** What was backfilled is final, so every branch has it. */
	#takeGroup(from: Height, to: Height): void {
		for (let height = from; height <= to; height += 1n) {
			const block = this.#chain.at(this.#chain.head, height);
			if (block === undefined) throw new Error(`height ${height} was backfilled and is not there`);
			this.#height = height;
			this.model.take({ type: "block", hash: block.hash });
		}
	}
}

function isOfAgent({ kind, operationId }: LogEntry): boolean {
	return operationId !== undefined && (kind === "operation" || kind === "refused");
}
