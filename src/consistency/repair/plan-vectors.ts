/**
 * Vectors in Postgres: each is made again from the text, taken from the operation that gave it, or from
 * LanceDB where the bytes there fit the row's checksum. A row that no version asked for is taken out.
 */
import { hash } from "node:crypto";
import { RecantError } from "../../domain/errors.ts";
import type { Hex, MemoryKey, VersionId } from "../../domain/ids.ts";
import { isLayer } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import { unitVector } from "../../ranking/unit-vector.ts";
import type { StoredTableRow } from "../../vectors/inspected-tables.ts";
import type { EmbeddedVersion } from "../../writer/commit-batch.ts";
import type { VectorRequest } from "../../writer/state-draft.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredCollection, StoredVersion } from "../stored-state.ts";
import { isPruned, type PlanContext } from "./plan-context.ts";
import { type LogTruth, memoriesOf } from "./plan-versions.ts";
import {
	forPerson,
	planned,
	type RepairSource,
	type RowRepair,
	sound,
	type Verdict,
} from "./repair-plan.ts";
import type { HeldRow } from "./repair-store.ts";

export function isOfVectors({ subject }: KeptFinding): boolean {
	return subject.table === "vector_rows";
}

/** Vectors as they will stand: undefined for one that goes. */
export type VectorOverlay = ReadonlyMap<string, EmbeddedVersion | undefined>;

export function vectorName(vector: Pick<EmbeddedVersion, "collection" | "versionId">): string {
	return `${vector.collection}/${vector.versionId}`;
}

export interface VectorPlan {
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
	readonly overlay: VectorOverlay;
}

type Sources = readonly { readonly vector: Float32Array; readonly source: RepairSource }[];

/** What a version asked for, and from what it can be had again. */
interface Need {
	readonly version: VectorRequest["version"];
	readonly text: string | undefined;
	readonly given: readonly number[] | undefined;
	/** Of the vector that was given; undefined: none was, or it is not known. */
	readonly hash: Hex | undefined;
	readonly copyOf: VersionId | undefined;
}

export async function planVectors(
	context: PlanContext,
	truth: LogTruth,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<VectorPlan> {
	const findings = context.findings.filter(isOfVectors);
	const planner = new VectorPlanner(context, truth, repaired);
	const verdicts = new Map<number, Verdict>();
	for (const finding of findings) verdicts.set(finding.seq, await planner.plan(finding));
	return { verdicts, rows: planner.rows, overlay: planner.overlay };
}

class VectorPlanner {
	readonly rows: RowRepair[] = [];
	readonly overlay = new Map<string, EmbeddedVersion | undefined>();
	readonly #context: PlanContext;
	readonly #truth: LogTruth;
	readonly #repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>;
	readonly #tables = new Map<string, ReadonlyMap<VersionId, readonly StoredTableRow[]>>();
	readonly #requests = new Map<string, VectorRequest>();

	constructor(
		context: PlanContext,
		truth: LogTruth,
		repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
	) {
		this.#context = context;
		this.#truth = truth;
		this.#repaired = repaired;
		if (typeof truth.history === "string") return;
		for (const request of truth.history.vectors) {
			this.#requests.set(vectorName(request.version), request);
		}
	}

	async plan(finding: KeptFinding): Promise<Verdict> {
		const { collection: name, versionId } = finding.subject;
		if (name === undefined || versionId === undefined) return forPerson("it names no vector");
		const known = vectorName({ collection: name, versionId });
		if (this.overlay.has(known)) return sound("another finding settles it");
		const collection = this.#context.collections.get(name);
		const [held] = await this.#context.rows.vectors(name, [versionId]);
		const need = collection && (await this.#need(finding, collection, versionId));
		if (collection === undefined || need === undefined)
			return this.#unasked(finding, { name, versionId, held });
		const made = await this.#made(need, collection, held);
		if (made === undefined) return lost(need);
		if (held?.intact === true && held.fits(made.row))
			return sound("the vector is as its version asks");
		this.overlay.set(known, made.row);
		this.rows.push({
			change: { table: "vector_rows", put: made.row },
			class: finding.class,
			source: made.source,
		});
		return planned("put", made.source, `the vector of version ${versionId} is written again`);
	}

	/** Nobody asked for the row, if the log says who asked at all. */
	#unasked(
		finding: KeptFinding,
		row: {
			readonly name: string;
			readonly versionId: VersionId;
			readonly held: HeldRow<VersionId, EmbeddedVersion> | undefined;
		},
	): Verdict {
		if (row.held === undefined) return sound("there is no such row, and no version asks for it");
		if (!this.#truth.index.isWhole || typeof this.#truth.history === "string") {
			return forPerson(
				"the log does not say whether a version asked for it",
				"recant check --level full",
			);
		}
		const name = { collection: row.name, versionId: row.versionId };
		this.overlay.set(vectorName(name), undefined);
		this.rows.push({
			change: { table: "vector_rows", remove: name },
			class: finding.class,
			source: "log",
		});
		return planned("remove", "log", "no version asked for it");
	}

	async #need(
		finding: KeptFinding,
		collection: StoredCollection,
		versionId: VersionId,
	): Promise<Need | undefined> {
		const request = this.#requests.get(vectorName({ collection: collection.name, versionId }));
		const takesTexts = collection.model === this.#context.parts.embedder.model;
		if (request !== undefined) {
			const { source, version } = request;
			if (source.type === "text" && !takesTexts) return undefined;
			return this.#isGone(version) ? undefined : needOf(request, this.#hashOf(version));
		}
		if (typeof this.#truth.history !== "string") return undefined;
		return this.#needOfRow(finding, { collection: collection.name, versionId, takesTexts });
	}

	/** Without the log, what the version's row says. */
	async #needOfRow(
		finding: KeptFinding,
		asked: {
			readonly collection: string;
			readonly versionId: VersionId;
			readonly takesTexts: boolean;
		},
	): Promise<Need | undefined> {
		const { collection, versionId, takesTexts } = asked;
		const names = memoriesOf(finding).map((memoryKey) => ({ memoryKey, versionId }));
		const [row] = await this.#context.state.versionsNamed(names);
		const body = row?.intact === true ? row.body : undefined;
		if (row === undefined || body?.collection !== collection) return undefined;
		const { memoryKey, fromBlock } = row;
		const version = { ...body, memoryKey, versionId, fromBlock, collection };
		const text = body.vectorHash === undefined && takesTexts ? body.text : undefined;
		return { version, text, given: undefined, hash: body.vectorHash, copyOf: undefined };
	}

	/** Retention took every row of the version, and its vector with it. */
	#isGone({ memoryKey, versionId }: VectorRequest["version"]): boolean {
		const rows = this.#rowsEver(memoryKey).filter((row) => row.versionId === versionId);
		return rows.length > 0 && rows.every((row) => isPruned(row.toGen, this.#context));
	}

	#hashOf({ memoryKey, versionId }: VectorRequest["version"]): Hex | undefined {
		const repaired = this.#repaired.get(memoryKey)?.find((row) => row.versionId === versionId);
		const row = this.#rowsEver(memoryKey).find((each) => each.versionId === versionId);
		return repaired?.body?.vectorHash ?? row?.vectorHash;
	}

	#rowsEver(key: MemoryKey): readonly Version[] {
		const { history } = this.#truth;
		return typeof history === "string" ? [] : history.rows(key);
	}

	/** The first source that is proved, else the first that there is. */
	async #made(
		need: Need,
		collection: StoredCollection,
		held: HeldRow<VersionId, EmbeddedVersion> | undefined,
	): Promise<{ readonly row: EmbeddedVersion; readonly source: RepairSource } | undefined> {
		const fitting = (await this.#sources(need, collection)).filter(
			({ vector }) =>
				vector.length === collection.dimensions &&
				(need.hash === undefined || hashOf(vector) === need.hash),
		);
		const rows = fitting.map(({ vector, source }) => ({
			row: { ...need.version, vector },
			source,
		}));
		return rows.find(({ row }) => held?.fits(row) === true) ?? rows[0];
	}

	async #sources(need: Need, collection: StoredCollection): Promise<Sources> {
		const { embedder } = this.#context.parts;
		const { text, given, copyOf } = need;
		const flushed = await this.#flushed(need, collection);
		const told =
			given !== undefined
				? [{ vector: unitVector(given), source: "log" as const }]
				: text !== undefined
					? (await embedder.embed([text])).map((vector) => ({ vector, source: "text" as const }))
					: copyOf !== undefined
						? await this.#copied(copyOf, need, collection)
						: [];
		return [...told, ...flushed];
	}

	async #copied(copyOf: VersionId, need: Need, collection: StoredCollection): Promise<Sources> {
		const name = vectorName({ collection: collection.name, versionId: copyOf });
		const replaced = this.overlay.get(name);
		if (replaced !== undefined) return [{ vector: replaced.vector, source: "vector_rows" }];
		const [row] = await this.#context.state.vectorsOf(collection.name, [copyOf]);
		if (row?.intact === true) return [{ vector: floatsOf(row.bytes), source: "vector_rows" }];
		const request = this.#requests.get(name);
		if (request === undefined) return [];
		return this.#sources(needOf(request, need.hash), collection);
	}

	async #flushed({ version }: Need, collection: StoredCollection): Promise<Sources> {
		const rows = (await this.#tableRows(collection)).get(version.versionId) ?? [];
		return rows
			.filter(
				(row) =>
					row.memoryKey === version.memoryKey &&
					row.namespace === version.namespace &&
					isLayer(row.layer) &&
					row.layer === version.layer &&
					row.fromBlock === version.fromBlock,
			)
			.map((row) => ({ vector: floatsOf(row.bytes), source: "lancedb" as const }));
	}

	/** Read once, when it is first asked for; a table that cannot be read proves nothing. */
	async #tableRows({ name, table, pointer }: StoredCollection) {
		const known = this.#tables.get(name);
		if (known !== undefined) return known;
		const found = new Map<VersionId, StoredTableRow[]>();
		this.#tables.set(name, found);
		if (pointer.tableVersion === 0n) return found;
		const wanted = new Set(
			this.#context.findings.filter(isOfVectors).flatMap(({ subject }) => subject.versionId ?? []),
		);
		try {
			for await (const page of this.#context.parts.tables.storedRows(table, pointer.tableVersion)) {
				for (const row of page) {
					if (!wanted.has(row.versionId)) continue;
					found.set(row.versionId, [...(found.get(row.versionId) ?? []), row]);
				}
			}
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
		}
		return found;
	}
}

function needOf({ version, source }: VectorRequest, hashed: Hex | undefined): Need {
	return {
		version,
		text: source.type === "text" ? source.text : undefined,
		given: source.type === "given" ? source.vector : undefined,
		hash: source.type === "text" ? undefined : hashed,
		copyOf: source.type === "copy" ? source.versionId : undefined,
	};
}

function lost({ version }: Need): Verdict {
	return forPerson(
		`the vector of version ${version.versionId} was given from outside, and no copy of it is left`,
		`recant state --namespace ${version.namespace}`,
		"write the memory again with its vector",
	);
}

function floatsOf(bytes: Uint8Array): Float32Array {
	return new Float32Array(Uint8Array.from(bytes).buffer);
}

function hashOf(vector: Float32Array): Hex {
	return `0x${hash("sha256", new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))}`;
}
