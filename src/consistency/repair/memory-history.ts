/**
 * Makes the rows of some memories again, of every generation, by running the log from its beginning
 * through the same drafts and editors by which the writer made them.
 *
 * 1. Rows come out as they were written: the same spans, version ids and positions. So what differs from
 *    them in the store is damage.
 * 2. A commit that rolled back has an editor of its own, as it had then: what such a commit takes back and
 *    writes again at the same heights leaves no rows.
 * 3. Groups are derived again from the chain. Handlers read memories of theirs, so up to the last group
 *    all that handlers own is kept beside the wanted memories.
 *
 * Bounded by LIMITS.repairVersions rows in memory.
 */
import { FatalError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type LogPosition,
	type MemoryKey,
	type OperationId,
	type VersionId,
} from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { canonicalJson, parseContent } from "../../memory/canonical.ts";
import type { StateChanges } from "../../memory/state-editor.ts";
import { draftState, writeOf } from "../../restore/apply-steps.ts";
import type { GroupDeriver } from "../../restore/group-deriver.ts";
import type { Admitted } from "../../restore/log-reader.ts";
import { type LoggedWrite, slotOf, writtenBy } from "../../restore/log-writes.ts";
import { recordedWrites } from "../../restore/recorded-writes.ts";
import { assembleRecorded } from "../../writer/assemble.ts";
import { StateDraft, type VectorRequest } from "../../writer/state-draft.ts";
import { historyEveryOf } from "../../writer/thin-history.ts";
import type { StoredState } from "../stored-state.ts";
import { type GroupEvent, type LogEvent, logEvents, type ReadEntry } from "./log-events.ts";
import type { RollbackCommit } from "./repair-store.ts";

/** Version ids of a draft begin behind this until the log's own take their place. */
const DRAFT_IDS: VersionId = FOREVER / 2n;
/** Fields of a group's entry that show that it was derived again as it was then. */
const GROUP_FIELDS = ["from", "to", "handlersHash", "every", "base", "operations"] as const;

/** Fields of an operation that rests on something, and may come back. */
const GROUNDS = ["anchor", "anchors", "derivedFrom"] as const;

export interface HistoryRequest {
	readonly chainId: ChainId;
	readonly state: StoredState;
	readonly keys: ReadonlySet<MemoryKey>;
	readonly rollbacks: readonly RollbackCommit[];
	/** Position of the last group of the log; undefined: there is none. */
	readonly lastGroup: LogPosition | undefined;
	/** Undefined where groups cannot be derived here. */
	readonly deriver: GroupDeriver | undefined;
}

export interface MemoryHistory {
	/** Every row of the memory, of every generation, by rising (from_block, from_gen). */
	rows(key: MemoryKey): readonly Version[];
	/** Every layer in which it ever was. */
	layers(key: MemoryKey): ReadonlySet<Layer>;
	/** Of every version of these memories that asked for a vector, in the order of their ids. */
	readonly vectors: readonly VectorRequest[];
}

/**
 * Throws `FatalError`: `handlers_differ` when a group cannot be derived as it was, `verification_failed` when
 * the log contradicts itself, `limit_exceeded`.
 */
export async function memoryHistory(request: HistoryRequest): Promise<MemoryHistory> {
	const run = new HistoryRun(request);
	for await (const event of logEvents(request.state)) await run.take(event);
	return run.end();
}

class HistoryRun implements MemoryHistory {
	readonly #request: HistoryRequest;
	readonly #table = new RowTable();
	readonly vectors: VectorRequest[] = [];
	readonly #admitted = new Map<OperationId, Admitted>();
	readonly #layers = new Map<MemoryKey, Set<Layer>>();
	readonly #boundaries: Boundary[];
	#generation: Generation = 0n;
	#era: Era;

	constructor(request: HistoryRequest) {
		this.#request = request;
		this.#boundaries = request.rollbacks.flatMap((mark) => [
			{ at: mark.position, rollback: mark },
			{ at: mark.end + 1n, rollback: undefined },
		]);
		this.#era = new Era(this.#generation);
	}

	rows(key: MemoryKey): readonly Version[] {
		return this.#table.rows(key).toSorted(byPlace);
	}

	layers(key: MemoryKey): ReadonlySet<Layer> {
		return this.#layers.get(key) ?? new Set();
	}

	async take(event: LogEvent): Promise<void> {
		if (event.type === "flaw" || event.type === "block") return;
		this.#reach(event.entry.position);
		if (event.type === "group") await this.#group(event);
		else this.#write(event.entry, event.versionId);
	}

	end(): this {
		this.#reach(FOREVER);
		this.#flush();
		return this;
	}

	/** Passes the beginnings and ends of rollbacks that come before an entry. */
	#reach(position: LogPosition): void {
		for (let next = this.#boundaries[0]; next !== undefined; next = this.#boundaries[0]) {
			if (next.at > position) return;
			this.#boundaries.shift();
			this.#flush();
			if (next.rollback === undefined) continue;
			this.#generation = next.rollback.generation;
			this.#era = new Era(this.#generation);
			this.#era.draft.editor.rewind(next.rollback.ancestor);
			for (const key of this.#table.keys()) this.#era.load(key, this.#table.present(key));
		}
	}

	#flush(): void {
		const { changes, vectors } = this.#era.finish();
		this.#table.apply(changes);
		this.vectors.push(...vectors.filter(({ version }) => this.#isWanted(version.memoryKey)));
		this.#era = new Era(this.#generation);
	}

	#write(entry: ReadEntry, versionId: VersionId): void {
		this.#admit(entry);
		const key = entry.memoryKey;
		if (key === undefined || !this.#isTracked(entry, key)) return;
		this.#era.load(key, this.#table.present(key));
		this.#era.write(this.#written(entry), versionId);
		const written = this.#era.draft.editor.latest(key);
		if (written !== undefined) this.#named(written);
	}

	/** Keeps what a verdict may be about. */
	#admit(entry: ReadEntry): void {
		const { kind, position, height, body, operationId } = entry;
		if (kind !== "operation" || operationId === undefined || !this.#mayReturn(entry)) return;
		this.#admitted.set(operationId, { position, height, body });
	}

	#named({ memoryKey, layer }: Version): void {
		const layers = this.#layers.get(memoryKey) ?? new Set();
		this.#layers.set(memoryKey, layers.add(layer));
	}

	#written(entry: ReadEntry): LoggedWrite {
		const admitted = entry.kind === "verdict" ? this.#admittedBy(entry) : undefined;
		return writtenBy({ ...entry, admitted });
	}

	async #group(event: GroupEvent): Promise<void> {
		const { deriver, chainId } = this.#request;
		const { entry, from, to, base } = event;
		if (deriver === undefined) throw notDerived(event, "the chain's handlers are not here");
		this.#flush();
		const blocks = await deriver.deriveGroup({ from, to }, async (key) =>
			this.#table.present(key).at(-1),
		);
		const recorded = event.recorded.map((each) => ({
			position: each.entry.position,
			slot: slotOf(each.entry),
			write: each.writes ? this.#written(each.entry) : undefined,
		}));
		const assembly = await assembleRecorded(
			{
				...draftState({ versionSeq: base.versionId, logPosition: base.position, from, chainId }),
				generation: this.#generation,
			},
			{
				mode: "backfill",
				blocks,
				from,
				finality: { safe: undefined, finalized: undefined },
				handlersHash: deriver.handlersHash,
				historyEvery: historyEveryOf(entry.body),
			},
			{ store: this.#table, ...recordedWrites(recorded, this.#request.keys) },
		);
		const batch = assembly.batch([], { safe: undefined, finalized: undefined });
		const made = parseContent(batch.log.findLast(({ kind }) => kind === "derived")?.body ?? "{}");
		const field = GROUP_FIELDS.find(
			(name) => canonicalJson(made[name] ?? null) !== canonicalJson(entry.body[name] ?? null),
		);
		if (field !== undefined) throw notDerived(event, `its ${field} is another now`);
		const { keys } = this.#request;
		// Of other agents' memories nothing is known: see recordedWrites.
		const insert = batch.changes.insert.filter(
			({ memoryKey, owner }) => keys.has(memoryKey) || owner === "handler",
		);
		this.#table.apply({ ...batch.changes, insert });
		for (const row of insert) this.#named(row);
		this.vectors.push(
			...assembly.state.vectorRequests.filter(({ version }) => this.#isWanted(version.memoryKey)),
		);
	}

	#admittedBy({ operationId, position }: ReadEntry): Admitted {
		const admitted = operationId && this.#admitted.get(operationId);
		if (admitted !== undefined) return admitted;
		throw new FatalError("verification_failed", {
			message: `the verdict at log position ${position} is about an operation that the log does not hold`,
			hint: "the log is damaged; restore the database from a backup, or the state from a snapshot",
			fields: { position: position.toString() },
		});
	}

	#isWanted(key: MemoryKey): boolean {
		return this.#request.keys.has(key) || this.#request.lastGroup !== undefined;
	}

	#isTracked({ position, body }: ReadEntry, key: MemoryKey): boolean {
		if (this.#request.keys.has(key)) return true;
		const { lastGroup } = this.#request;
		if (lastGroup === undefined || position >= lastGroup) return false;
		// What the writer ends may be a handler's, and is known then.
		return body["owner"] === "handler" || (body["kind"] === "expire" && this.#isKnown(key));
	}

	#isKnown(key: MemoryKey): boolean {
		return this.#era.draft.editor.isLoaded(key) || this.#table.present(key).length > 0;
	}

	/** A fork may carry the operation on, or a group bring it back. */
	#mayReturn(entry: ReadEntry): boolean {
		if (entry.memoryKey !== undefined && this.#request.keys.has(entry.memoryKey)) return true;
		const { lastGroup } = this.#request;
		if (lastGroup === undefined || entry.position >= lastGroup) return false;
		return GROUNDS.some((field) => entry.body[field] !== undefined);
	}
}

interface Boundary {
	readonly at: LogPosition;
	/** Undefined: its commit ends here. */
	readonly rollback: RollbackCommit | undefined;
}

/** Writes of one generation that may share an editor. */
class Era {
	readonly draft: StateDraft;
	readonly #ids: VersionId[] = [];
	#reached: Height | undefined;

	constructor(generation: Generation) {
		const base = draftState({ versionSeq: DRAFT_IDS, logPosition: 0n, from: 0n });
		this.draft = new StateDraft(base, generation);
	}

	load(key: MemoryKey, rows: readonly Version[]): void {
		this.draft.load(key, rows);
	}

	write(write: LoggedWrite, versionId: VersionId): void {
		if (write.slot !== this.#reached) this.draft.expireUpTo(write.slot - 1n);
		this.#reached = write.slot;
		this.draft.write(writeOf(write, this.draft));
		this.#ids.push(versionId);
	}

	finish(): { readonly changes: StateChanges; readonly vectors: readonly VectorRequest[] } {
		const changes = this.draft.editor.changes();
		const insert = changes.insert.map((row) => ({ ...row, versionId: this.#id(row.versionId) }));
		return {
			changes: { ...changes, insert },
			vectors: this.draft.vectorRequests.map(({ version, source }) => ({
				version: { ...version, versionId: this.#id(version.versionId) },
				source:
					source.type === "copy" ? { ...source, versionId: this.#id(source.versionId) } : source,
			})),
		};
	}

	#id(versionId: VersionId): VersionId {
		return versionId <= DRAFT_IDS
			? versionId
			: (this.#ids[Number(versionId - DRAFT_IDS) - 1] ?? versionId);
	}
}

/** The table of versions, of the tracked memories, in memory. */
class RowTable {
	readonly #memories = new Map<MemoryKey, Map<string, Version>>();
	#rows = 0;

	keys(): Iterable<MemoryKey> {
		return this.#memories.keys();
	}

	rows(key: MemoryKey): Version[] {
		return [...(this.#memories.get(key)?.values() ?? [])];
	}

	/** Of the present generation, by rising first height. */
	present(key: MemoryKey): readonly Version[] {
		return this.rows(key)
			.filter((row) => row.toGen === FOREVER)
			.sort(byPlace);
	}

	apply({ closeBlock, closeGen, insert }: StateChanges): void {
		for (const { toBlock, ...row } of closeBlock) this.#change(row, { toBlock });
		for (const { toGen, ...row } of closeGen) this.#change(row, { toGen });
		for (const row of insert) this.#put(row);
	}

	async latestVersions(
		_chainId: ChainId,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>> {
		return new Map(keys.map((key) => [key, this.present(key)]));
	}

	async expiring(
		_chainId: ChainId,
		{ above, to }: { readonly above: Height; readonly to: Height },
	): Promise<readonly MemoryKey[]> {
		const ends = ({ expiresBlock, toBlock, toGen }: Version) =>
			toGen === FOREVER &&
			expiresBlock !== undefined &&
			toBlock === expiresBlock &&
			expiresBlock > above &&
			expiresBlock <= to;
		return [...this.#memories].flatMap(([key, rows]) =>
			[...rows.values()].some(ends) ? [key] : [],
		);
	}

	#change(row: Pick<Version, "memoryKey" | "fromBlock" | "fromGen">, to: Partial<Version>): void {
		const known = this.#memories.get(row.memoryKey)?.get(placeOf(row));
		if (known !== undefined) this.#put({ ...known, ...to });
	}

	#put(row: Version): void {
		const rows = this.#memories.get(row.memoryKey) ?? new Map<string, Version>();
		this.#memories.set(row.memoryKey, rows);
		const before = rows.size;
		rows.set(placeOf(row), row);
		this.#rows += rows.size - before;
		if (this.#rows > LIMITS.repairVersions) throw tooMany();
	}
}

function placeOf({ fromBlock, fromGen }: Pick<Version, "fromBlock" | "fromGen">): string {
	return `${fromBlock}/${fromGen}`;
}

function byPlace(a: Version, b: Version): number {
	if (a.fromBlock !== b.fromBlock) return a.fromBlock < b.fromBlock ? -1 : 1;
	if (a.fromGen === b.fromGen) return 0;
	return a.fromGen < b.fromGen ? -1 : 1;
}

function notDerived({ from, to }: GroupEvent, why: string): FatalError {
	return new FatalError("handlers_differ", {
		message: `blocks ${from} to ${to} cannot be derived as they were: ${why}`,
		hint: "run the chain's file of that time, or restore from a snapshot above these blocks",
		fields: { from: from.toString(), to: to.toString() },
	});
}

function tooMany(): FatalError {
	return new FatalError("limit_exceeded", {
		message: `the damaged memories have more than ${LIMITS.repairVersions} rows together`,
		hint: "repair by class, or restore from a snapshot",
		fields: { limit: "repairVersions", value: LIMITS.repairVersions },
	});
}
