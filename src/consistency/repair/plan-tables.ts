/**
 * LanceDB's tables and their pointers, from the vectors in Postgres as they will stand. A broken pointer goes
 * to the newest table version that something still names and whose rows agree; where there is none, the
 * table is made again.
 */
import { RecantError } from "../../domain/errors.ts";
import { FOREVER, type MemoryKey, type VersionId } from "../../domain/ids.ts";
import { isLayer } from "../../domain/layer.ts";
import type { VectorRow } from "../../domain/vector.ts";
import type { StoredTableRow } from "../../vectors/inspected-tables.ts";
import type { VectorPointer, VectorPointers } from "../../writer/commit-batch.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredCollection, StoredVector, StoredVersion } from "../stored-state.ts";
import type { PlanContext } from "./plan-context.ts";
import { type VectorOverlay, vectorName } from "./plan-vectors.ts";
import { forPerson, planned, sound, type TableRepair, type Verdict } from "./repair-plan.ts";
import { SealedPointers } from "./sealed-pointers.ts";

/** Versions that one read asks for. */
const TEXTS_PER_READ = 1_000;

function isOfTables({ class: kind, subject }: KeptFinding): boolean {
	return kind === "pointer_broken" || (subject.store === "lancedb" && kind.startsWith("vector_"));
}

export async function planTables(
	context: PlanContext,
	overlay: VectorOverlay,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<{
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly tables: readonly TableRepair[];
}> {
	const verdicts = new Map<number, Verdict>();
	const tables: TableRepair[] = [];
	const byCollection = Map.groupBy(
		context.findings.filter(isOfTables),
		({ subject }) => subject.collection,
	);
	// A vector that is made again may have been flushed as it was.
	const touched = [...overlay.keys()].map((name) => name.slice(0, name.lastIndexOf("/")));
	for (const name of new Set([...byCollection.keys(), ...touched])) {
		const findings = byCollection.get(name) ?? [];
		const collection = name === undefined ? undefined : context.collections.get(name);
		const plan =
			collection &&
			(await new TablePlan(context, { overlay, repaired }, collection).make(findings));
		if (plan !== undefined) tables.push(plan);
		for (const { seq } of findings) verdicts.set(seq, verdictOf(collection, plan));
	}
	return { verdicts, tables };
}

function verdictOf(
	collection: StoredCollection | undefined,
	plan: TableRepair | undefined,
): Verdict {
	if (collection === undefined) return forPerson("its collection is not known", "recant status");
	if (plan === undefined)
		return sound("the table at its pointer has the vectors that Postgres has");
	const { base, remove, add } = plan;
	const what = `${remove.length} ids are taken out, ${add.length} rows put in`;
	if (base === undefined)
		return planned("settle", "vector_rows", `the table is made again: ${what}`);
	const moves =
		base.tableVersion !== plan.pointer.tableVersion || base.versionId !== plan.pointer.versionId;
	return moves
		? planned(
				"settle",
				"checkpoints",
				`the pointer goes to table version ${base.tableVersion}; ${what}`,
			)
		: planned("settle", "vector_rows", what);
}

class TablePlan {
	readonly #context: PlanContext;
	readonly #overlay: VectorOverlay;
	readonly #repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>;
	readonly #collection: StoredCollection;

	constructor(
		context: PlanContext,
		made: {
			readonly overlay: VectorOverlay;
			readonly repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>;
		},
		collection: StoredCollection,
	) {
		this.#context = context;
		this.#overlay = made.overlay;
		this.#repaired = made.repaired;
		this.#collection = collection;
	}

	/** Undefined: there is nothing to do. */
	async make(findings: readonly KeptFinding[]): Promise<TableRepair | undefined> {
		const first = findings[0] ?? { class: "vector_corrupt" as const };
		const { pointer } = this.#collection;
		if (!findings.some(({ class: kind }) => kind === "pointer_broken")) {
			const difference = await this.#difference(pointer);
			if (difference.remove.length + difference.add.length === 0) return undefined;
			return this.#repair(first, { base: pointer, ...difference });
		}
		const base = await this.#believable();
		if (base !== undefined) return this.#moved(base);
		return this.#repair(
			{ class: "pointer_broken" },
			{ base: undefined, remove: [], add: await this.#allVectors() },
		);
	}

	#moved(base: VectorPointer): TableRepair | undefined {
		const { pointer } = this.#collection;
		const same = base.tableVersion === pointer.tableVersion && base.versionId === pointer.versionId;
		return same
			? undefined
			: this.#repair({ class: "pointer_broken" }, { base, remove: [], add: [] });
	}

	#repair(
		{ class: kind }: Pick<KeptFinding, "class">,
		made: Pick<TableRepair, "base" | "remove" | "add">,
	): TableRepair {
		const { name: collection, table, dimensions, pointer } = this.#collection;
		return { collection, table, dimensions, class: kind, pointer, ...made };
	}

	/** The newest pointer whose table is there and agrees with Postgres up to it. */
	async #believable(): Promise<VectorPointer | undefined> {
		const { name, pointer } = this.#collection;
		const sealed = await SealedPointers.read(this.#context.rows);
		const named = sealed.distinct.flatMap((json) => pointerIn(json, name) ?? []);
		const known = this.#context.pointers[name];
		const all = [...(known === undefined ? [] : [known]), ...named, pointer];
		const candidates = [
			...new Map(all.map((each) => [`${each.tableVersion}/${each.versionId}`, each])).values(),
		];
		candidates.sort((a, b) =>
			a.tableVersion > b.tableVersion ? -1 : a.tableVersion < b.tableVersion ? 1 : 0,
		);
		for (const candidate of candidates) {
			if (candidate.versionId > this.#context.state.chain.versionSeq) continue;
			if (candidate.tableVersion === 0n) {
				if (candidate.versionId === 0n) return candidate;
				continue;
			}
			const difference = await this.#readable(candidate);
			if (difference !== undefined && difference.remove.length + difference.add.length === 0) {
				return candidate;
			}
		}
		return undefined;
	}

	async #readable(pointer: VectorPointer): Promise<Difference | undefined> {
		try {
			const { dimensions } = await this.#context.parts.tables.health(
				this.#collection.table,
				pointer.tableVersion,
			);
			return dimensions === this.#collection.dimensions
				? await this.#difference(pointer)
				: undefined;
		} catch (error) {
			// Its version is gone, or it cannot be read: another one may be.
			if (error instanceof RecantError) return undefined;
			throw error;
		}
	}

	/** What has to change in the table at that pointer, so that it has what Postgres has up to it. */
	async #difference(pointer: VectorPointer): Promise<Difference> {
		const counts = new Map<VersionId, number>();
		const wrong = new Set<VersionId>();
		if (pointer.tableVersion > 0n) {
			const { tables } = this.#context.parts;
			const { table } = this.#collection;
			for await (const page of tables.storedRows(table, pointer.tableVersion)) {
				const vectors = await this.#vectorsOf(page.map(({ versionId }) => versionId));
				for (const row of page) {
					counts.set(row.versionId, (counts.get(row.versionId) ?? 0) + 1);
					const vector = vectors.get(row.versionId);
					if (!(row.versionId <= pointer.versionId && isSame(row, vector)))
						wrong.add(row.versionId);
				}
			}
		}
		for (const [versionId, count] of counts) if (count > 1) wrong.add(versionId);
		const missing = await this.#missing(pointer.versionId, counts);
		const due = [...wrong].filter((versionId) => versionId <= pointer.versionId);
		const vectors = await this.#vectorsOf([...due, ...missing]);
		return { remove: [...wrong], add: await this.#withTexts([...vectors.values()].sort(byId)) };
	}

	async #missing(
		upTo: VersionId,
		there: ReadonlyMap<VersionId, number>,
	): Promise<readonly VersionId[]> {
		const { name } = this.#collection;
		const missing = new Set<VersionId>();
		for await (const page of this.#context.state.flushedIds(name, upTo)) {
			const absent = await this.#vectorsOf(page.filter((versionId) => !there.has(versionId)));
			for (const vector of absent.values()) {
				if (await this.#isHeld(vector)) missing.add(vector.versionId);
			}
		}
		const made = [...this.#overlay.values()].filter(
			(vector) =>
				vector?.collection === name && vector.versionId <= upTo && !there.has(vector.versionId),
		);
		for (const vector of made) {
			if (vector !== undefined && (await this.#isHeld(vector))) missing.add(vector.versionId);
		}
		return [...missing];
	}

	/** Whether the present generation holds its version: what only orphans held was never flushed. */
	async #isHeld({ memoryKey, versionId }: VectorRow): Promise<boolean> {
		const rows =
			this.#repaired.get(memoryKey) ??
			(await this.#context.state.versionsNamed([{ memoryKey, versionId }]));
		return rows.some((row) => row.versionId === versionId && row.toGen === FOREVER);
	}

	/** Vectors as they will stand; one that is damaged and stays so is left out. */
	async #vectorsOf(ids: readonly VersionId[]): Promise<ReadonlyMap<VersionId, VectorRow>> {
		const { name } = this.#collection;
		const stored = await this.#context.state.vectorsOf(name, ids);
		const vectors = new Map<VersionId, VectorRow>();
		for (const row of stored) {
			const read = rowOf(row);
			if (read !== undefined) vectors.set(row.versionId, read);
		}
		for (const versionId of ids) {
			const known = vectorName({ collection: name, versionId });
			if (!this.#overlay.has(known)) continue;
			const vector = this.#overlay.get(known);
			if (vector === undefined) vectors.delete(versionId);
			else vectors.set(versionId, vector);
		}
		return vectors;
	}

	async #allVectors(): Promise<readonly VectorRow[]> {
		const { name } = this.#collection;
		const vectors: VectorRow[] = [];
		for await (const page of this.#context.state.vectors()) {
			const ids = page
				.filter(({ collection }) => collection === name)
				.map(({ versionId }) => versionId);
			vectors.push(...(await this.#vectorsOf(ids)).values());
		}
		return this.#withTexts(vectors.sort(byId));
	}

	/** By whose words they are found. */
	async #withTexts(rows: readonly VectorRow[]): Promise<readonly VectorRow[]> {
		const whole: VectorRow[] = [];
		for (let from = 0; from < rows.length; from += TEXTS_PER_READ) {
			const some = rows.slice(from, from + TEXTS_PER_READ);
			const versions = await this.#context.state.versionsNamed(some);
			const texts = new Map(versions.map(({ versionId, body }) => [versionId, body?.text]));
			whole.push(...some.map((row) => ({ ...row, text: texts.get(row.versionId) })));
		}
		return whole;
	}
}

interface Difference {
	readonly remove: readonly VersionId[];
	readonly add: readonly VectorRow[];
}

function rowOf(row: StoredVector): VectorRow | undefined {
	const { layer, intact, bytes, versionId, memoryKey, namespace, fromBlock } = row;
	if (!intact || layer === undefined) return undefined;
	const vector = new Float32Array(Uint8Array.from(bytes).buffer);
	return { versionId, memoryKey, namespace, layer, fromBlock, vector };
}

function isSame(row: StoredTableRow, vector: VectorRow | undefined): boolean {
	if (vector === undefined || !isLayer(row.layer)) return false;
	const { buffer, byteOffset, byteLength } = vector.vector;
	return (
		row.memoryKey === vector.memoryKey &&
		row.namespace === vector.namespace &&
		row.layer === vector.layer &&
		row.fromBlock === vector.fromBlock &&
		Buffer.compare(row.bytes, new Uint8Array(buffer, byteOffset, byteLength)) === 0
	);
}

/** A collection's pointer in a checkpoint's JSON. */
function pointerIn(json: string, name: string): VectorPointer | undefined {
	const pointers = JSON.parse(json) as VectorPointersJson;
	const pointer = pointers[name];
	return (
		pointer && {
			tableVersion: BigInt(pointer.tableVersion),
			versionId: BigInt(pointer.versionId),
			at: pointer.at,
		}
	);
}

type VectorPointersJson = Readonly<
	Record<
		keyof VectorPointers,
		{ readonly tableVersion: string; readonly versionId: string; readonly at: number } | undefined
	>
>;

function byId(a: VectorRow, b: VectorRow): number {
	return a.versionId < b.versionId ? -1 : 1;
}
