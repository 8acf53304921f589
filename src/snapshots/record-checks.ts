/**
 * What the hashes of a snapshot do not show: that its records can be a state of its chain. A snapshot
 * may come from anywhere, and who makes one can make its hashes too; what passes here may be put into
 * the stores and gone on from. Nothing is kept but names of operations, which an import holds as well.
 */
import * as z from "zod";
import type { BlockHeader } from "../domain/block.ts";
import type { VersionId } from "../domain/ids.ts";
import { LAYERS } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import { isLinkId, linkId, linkInContent } from "../domain/link.ts";
import { LOSS_POLICIES } from "../domain/provenance.ts";
import type { Manifest } from "./manifest.ts";
import { manifestDamaged, recordDamaged } from "./snapshot-errors.ts";
import type { CollectionRecord, MemoryRecord, OperationRecord } from "./snapshot-record.ts";
import type { FoundRecord } from "./snapshot-state.ts";
import { decimal, hex32 } from "./wire-fields.ts";

/** Positions and version ids are counted on from a snapshot's: half of what a bigint holds is left. */
const MAX_COUNTED = 2n ** 62n;

/** As callers may name collections: the name becomes part of a table's. */
const COLLECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Why a text cannot be a name, or be stored. */
function textFlaw(text: string, maxLength: number): string | undefined {
	if (text.length > maxLength) return `has ${text.length} characters, at most ${maxLength}`;
	if (text.includes("\u0000")) return "contains the character U+0000";
	return text.isWellFormed() ? undefined : "contains half of a surrogate pair";
}

function name(maxLength: number) {
	return z.string().refine((text) => text !== "" && textFlaw(text, maxLength) === undefined);
}

const content = z.record(z.string(), z.unknown());
const fields = {
	text: z.string().optional(),
	importance: z.number().optional(),
	confidence: z.number().optional(),
};

const end = z.looseObject({
	namespace: name(LIMITS.namespaceLength),
	id: name(LIMITS.idLength),
});

const anchor = z
	.looseObject({
		kind: z.enum(["block", "transaction"]),
		blockHash: hex32.optional(),
		transactionHash: hex32.optional(),
		effectsHash: hex32.optional(),
		place: z.looseObject({ blockHash: hex32, height: decimal }).optional(),
	})
	.refine(
		({ kind, blockHash, transactionHash, effectsHash }) =>
			kind === "block"
				? blockHash !== undefined
				: transactionHash !== undefined && effectsHash !== undefined,
		"does not say what it is",
	);
const anchors = z.looseObject({
	mode: z.enum(["all", "any"]),
	anchors: z.array(anchor).max(LIMITS.anchors),
});

const source = z.looseObject({ ...end.shape, contentHash: hex32 });

/** What memory/operation-codec.ts reads; what else a log entry holds is passed over. */
const operationBody = z.looseObject({
	namespace: name(LIMITS.namespaceLength),
	id: name(LIMITS.idLength),
	ifVersion: decimal.optional(),
	body: z
		.looseObject({
			layer: z.enum(LAYERS),
			content,
			...fields,
			vector: z.array(z.number()).max(LIMITS.vectorDimensions).optional(),
			collection: z.string().regex(COLLECTION_NAME).optional(),
			expiresAtBlock: decimal.optional(),
			expiresAtTime: decimal.optional(),
		})
		.refine(
			({ expiresAtBlock, expiresAtTime }) =>
				expiresAtBlock === undefined || expiresAtTime === undefined,
			"ends both at a height and at a time",
		)
		.optional(),
	patch: z.looseObject({ content: content.optional(), ...fields }).optional(),
	anchor: z
		.looseObject({
			kind: z.enum(["block", "transaction"]),
			blockHash: hex32,
			height: decimal,
			transactionHash: hex32.optional(),
			effectsHash: hex32.optional(),
		})
		.optional(),
	anchors: anchors.optional(),
	derivedFrom: z
		.array(z.array(source).min(1))
		.max(LIMITS.sourceSets)
		.refine((sets) => sets.flat().length <= LIMITS.sources, "has too many sources")
		.optional(),
	onLoss: z.enum(LOSS_POLICIES).optional(),
	link: z.looseObject({ from: end, type: name(LIMITS.linkTypeLength), to: end }).optional(),
	weight: z.number().positive().optional(),
	properties: content.optional(),
	rule: z.string().optional(),
});

/** As the record has them beside the body. */
const anchorsText = z
	.string()
	.transform((text, context) => {
		try {
			return JSON.parse(text) as unknown;
		} catch {
			context.addIssue("anchors are no JSON");
			return z.NEVER;
		}
	})
	.pipe(anchors)
	.optional();

/** One snapshot's own records against its manifest. Every call throws `FatalError("snapshot_damaged")`. */
export class OwnRecordChecks {
	readonly #id: string;
	readonly #manifest: Manifest;
	#header: BlockHeader | undefined;
	#collections = 0;
	#position = 0n;
	readonly #operationIds = new Set<string>();

	constructor(id: string, manifest: Manifest) {
		this.#id = id;
		this.#manifest = manifest;
		const { logPosition, versionSeq, chunks, counts, collections } = manifest;
		if (logPosition >= MAX_COUNTED || versionSeq >= MAX_COUNTED) {
			throw manifestDamaged(id, `its log position or version id is ${MAX_COUNTED} or more`);
		}
		const stated = chunks.reduce((sum, { records }) => sum + records, 0);
		const { memoryRecords, goneRecords, headers, operations } = counts;
		const counted = memoryRecords + goneRecords + headers + operations + collections.length;
		if (stated !== counted) {
			throw manifestDamaged(id, `its chunks have ${stated} records, and its counts ${counted}`);
		}
	}

	see({ chunk, record }: FoundRecord): void {
		if (record.kind === "collection") this.#seeCollection(chunk, record);
		if (record.kind === "header") this.#seeHeader(chunk, record);
		if (record.kind === "operation") this.#seeOperation(chunk, record);
		if (record.kind === "memory") this.#seeMemory(chunk, record);
	}

	/** Nothing comes any more. */
	end(): void {
		const { height, blockHash } = this.#manifest;
		const { number, hash } = this.#header ?? {};
		if (number === height && hash === blockHash) return;
		const last = number === undefined ? "missing" : `${hash} at height ${number}`;
		throw manifestDamaged(this.#id, `its last header is ${last}, and not that of its own block`);
	}

	#seeCollection(chunk: string, { name: found, model, dimensions }: CollectionRecord): void {
		const { collections } = this.#manifest;
		const stated = collections[this.#collections];
		this.#collections += 1;
		const same =
			stated?.name === found && stated.model === model && stated.dimensions === dimensions;
		const twice = collections.filter((each) => each.name === found).length > 1;
		if (same && !twice && COLLECTION_NAME.test(found)) return;
		throw recordDamaged(
			chunk,
			`collection ${JSON.stringify(found)}`,
			"is not what a manifest states",
		);
	}

	#seeHeader(chunk: string, { number, hash, parentHash, timestamp }: BlockHeader): void {
		const before = this.#header;
		this.#header = { number, hash, parentHash, timestamp };
		if (before === undefined) return;
		if (number === before.number + 1n && parentHash === before.hash) return;
		throw recordDamaged(chunk, `header ${number}`, "does not continue the one before it");
	}

	#seeOperation(chunk: string, record: OperationRecord): void {
		const { operationId, position, versionId, body } = record;
		const title = `operation ${operationId}`;
		if (position <= this.#position) throw recordDamaged(chunk, title, "is out of order");
		this.#position = position;
		if (this.#operationIds.has(operationId)) throw recordDamaged(chunk, title, "is there twice");
		this.#operationIds.add(operationId);
		this.#requireCounted(chunk, title, { position, versionId });
		const [issue] = [
			...(operationBody.safeParse(body).error?.issues ?? []),
			...(anchorsText.safeParse(record.anchors).error?.issues ?? []),
		];
		if (issue === undefined) return;
		throw recordDamaged(chunk, title, `cannot be read: ${issue.path.join(".")}: ${issue.message}`);
	}

	#seeMemory(chunk: string, record: MemoryRecord): void {
		const title = memoryTitle(record);
		const { namespace, id, text, fromBlock } = record;
		const flaw =
			textFlaw(namespace, LIMITS.namespaceLength) ??
			textFlaw(id, LIMITS.idLength) ??
			textFlaw(text ?? "", Number.POSITIVE_INFINITY);
		if (flaw !== undefined) throw recordDamaged(chunk, title, `cannot be stored: it ${flaw}`);
		if (isLinkId(id) && !isLinkOf(record)) {
			throw recordDamaged(chunk, title, "has a link's id, and does not say what it joins");
		}
		// Its hash would name one of the two, and leave the other open.
		if (record.expiresBlock !== undefined && record.expiresTime !== undefined) {
			throw recordDamaged(chunk, title, "ends both at a height and at a time");
		}
		this.#requireCounted(chunk, title, record);
		const { height } = this.#manifest;
		if (fromBlock <= height) return;
		throw recordDamaged(chunk, title, `begins at ${fromBlock}, above the snapshot's ${height}`);
	}

	/** What is written from here on gets higher numbers. */
	#requireCounted(
		chunk: string,
		title: string,
		found: { readonly position: bigint; readonly versionId: VersionId | undefined },
	): void {
		const { logPosition, versionSeq } = this.#manifest;
		if (found.position > logPosition) {
			throw recordDamaged(chunk, title, `has position ${found.position} of ${logPosition}`);
		}
		if (found.versionId === undefined || found.versionId <= versionSeq) return;
		throw recordDamaged(chunk, title, `has version id ${found.versionId} of ${versionSeq}`);
	}
}

/** The visible memories of a whole chain of snapshots, by key. `see` throws as `OwnRecordChecks`. */
export class VisibleChecks {
	readonly #height: Manifest["height"];
	readonly #dimensions: ReadonlyMap<string, number>;
	#key: string | undefined;

	constructor({ height, collections }: Manifest) {
		this.#height = height;
		this.#dimensions = new Map(collections.map((each) => [each.name, each.dimensions]));
	}

	see(chunk: string, record: MemoryRecord): void {
		const flaw = this.#flaw(record);
		this.#key = record.memoryKey;
		if (flaw !== undefined) throw recordDamaged(chunk, memoryTitle(record), flaw);
	}

	#flaw({ memoryKey, expiresBlock, collection, vector }: MemoryRecord): string | undefined {
		if (memoryKey === this.#key) return "is in two layers";
		if (expiresBlock !== undefined && expiresBlock <= this.#height) {
			return `expires at ${expiresBlock}, and the snapshot is of ${this.#height}`;
		}
		if (collection === undefined) return undefined;
		const dimensions = this.#dimensions.get(collection);
		if (dimensions === undefined) return `is in collection "${collection}", which is not there`;
		if (vector === undefined) return undefined;
		if (vector.length !== dimensions) return `has ${vector.length} dimensions of ${dimensions}`;
		return vector.every(Number.isFinite) ? undefined : "has a vector that is not finite";
	}
}

/** Whether the memory is the link that its id names. */
function isLinkOf({ namespace, id, content: said }: MemoryRecord): boolean {
	const link = linkInContent(said);
	return link !== undefined && link.from.namespace === namespace && linkId(link) === id;
}

function memoryTitle({ namespace, id }: MemoryRecord): string {
	return `memory ${JSON.stringify(id.slice(0, 100))} of namespace ${JSON.stringify(namespace.slice(0, 100))}`;
}
