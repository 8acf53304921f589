/**
 * Vectors in Postgres, from which the tables of LanceDB are made: each against its checksum, its
 * version and its collection, and where it can be made again, against a vector made again.
 */
import { hash } from "node:crypto";
import type { Hex } from "../../domain/ids.ts";
import type { CheckContext } from "../check-context.ts";
import type { MemoryRule, RuleFinding, ScanRule } from "../rule.ts";
import type {
	StoredCollection,
	StoredMemory,
	StoredVector,
	StoredVersion,
} from "../stored-state.ts";
import { BY_REPAIR, subject, versionSubject } from "../subject.ts";

export const vectorsOfVersions: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "vectors-of-versions",
	level: "full",
	severity: "error",
	compares: "every version that says that it has a vector with the vectors kept in Postgres",
	open: async ({ state, parts }) => {
		const collections = new Map((await state.collections()).map((each) => [each.name, each]));
		return {
			page: async (memories) => {
				const owed = owedVectors(memories, collections, parts.embedder.model);
				const findings: RuleFinding[] = [];
				for (const [collection, rows] of owed) {
					const kept = await state.vectorIdsOf(collection, [...rows.keys()]);
					for (const versionId of kept) rows.delete(versionId);
					findings.push(...[...rows.values()].map((row) => vectorMissing(row, collection)));
				}
				return findings;
			},
			end: async () => [],
			close: () => undefined,
		};
	},
};

/** By collection and version id. A text in a collection that takes none has no vector. */
function owedVectors(
	memories: readonly StoredMemory[],
	collections: ReadonlyMap<string, StoredCollection>,
	model: string,
): ReadonlyMap<string, Map<bigint, StoredVersion>> {
	const owed = new Map<string, Map<bigint, StoredVersion>>();
	for (const row of memories.flatMap(({ rows }) => rows)) {
		const { body } = row;
		if (body?.collection === undefined || body.content === undefined) continue;
		const takesTexts = collections.get(body.collection)?.model === model;
		if (body.vectorHash === undefined && !(takesTexts && body.text !== undefined)) continue;
		const rows = owed.get(body.collection) ?? new Map<bigint, StoredVersion>();
		rows.set(row.versionId, row);
		owed.set(body.collection, rows);
	}
	return owed;
}

function vectorMissing(row: StoredVersion, collection: string): RuleFinding {
	return {
		class: "vector_missing",
		subject: { ...versionSubject(row), table: "vector_rows", collection },
		message: `version ${row.versionId} of "${row.id}" has no vector in collection ${collection}`,
		since: row.fromBlock,
		remedy: BY_REPAIR,
	};
}

export const vectorRows: ScanRule<CheckContext> = {
	kind: "scan",
	name: "vector-rows",
	level: "full",
	severity: "error",
	compares: "every vector kept in Postgres with its checksum, its version and its text",
	async *check(context) {
		const { state, read } = context;
		const collections = new Map((await state.collections()).map((each) => [each.name, each]));
		for await (const page of state.vectors()) {
			await read(page.length);
			yield* await pageFindings(page, context, collections);
		}
	},
};

async function pageFindings(
	page: readonly StoredVector[],
	{ state, parts }: CheckContext,
	collections: ReadonlyMap<string, StoredCollection>,
): Promise<readonly RuleFinding[]> {
	const versions = new Map<bigint, StoredVersion>();
	for (const row of await state.versionsNamed(page)) versions.set(row.versionId, row);
	const findings: RuleFinding[] = [];
	const texts: { readonly vector: StoredVector; readonly text: string }[] = [];
	for (const vector of page) {
		const collection = collections.get(vector.collection);
		const version = versions.get(vector.versionId);
		const finding = vectorProblem(vector, { collection, version });
		if (finding !== undefined) findings.push(finding);
		const text = textOf(vector, version, collection, parts.embedder.model);
		if (finding === undefined && text !== undefined) texts.push({ vector, text });
	}
	return [...findings, ...(await embeddedAgain(texts, parts))];
}

function vectorProblem(
	vector: StoredVector,
	known: {
		readonly collection: StoredCollection | undefined;
		readonly version: StoredVersion | undefined;
	},
): RuleFinding | undefined {
	const { collection, version } = known;
	if (!vector.intact) return corrupt(vector, "it does not fit its checksum");
	if (collection === undefined) return extra(vector, "its collection is not there");
	if (vector.bytes.length !== collection.dimensions * Float32Array.BYTES_PER_ELEMENT)
		return corrupt(
			vector,
			`it has ${vector.bytes.length} bytes for ${collection.dimensions} dimensions`,
		);
	// A version whose slot was written again is gone, and its vector stays: nobody asks for it.
	if (version?.body === undefined || !version.intact) return undefined;
	const { body } = version;
	if (body.collection !== vector.collection)
		return extra(vector, `its version is in ${body.collection ?? "no collection"}`);
	if (
		body.namespace !== vector.namespace ||
		body.layer !== vector.layer ||
		version.fromBlock !== vector.fromBlock
	)
		return corrupt(vector, "its namespace, layer or height is not its version's");
	if (body.vectorHash !== undefined && sha256(vector.bytes) !== body.vectorHash)
		return corrupt(vector, "it is not the vector that was given");
	return undefined;
}

/** The text that the vector was made from here, and can be made from again. */
function textOf(
	vector: StoredVector,
	version: StoredVersion | undefined,
	collection: StoredCollection | undefined,
	model: string,
): string | undefined {
	const body = version?.body;
	if (body?.text === undefined || body.vectorHash !== undefined) return undefined;
	return collection?.model === model && body.collection === vector.collection
		? body.text
		: undefined;
}

async function embeddedAgain(
	texts: readonly { readonly vector: StoredVector; readonly text: string }[],
	{ embedder, embedsExactly: exact }: CheckContext["parts"],
): Promise<readonly RuleFinding[]> {
	if (texts.length === 0 || !exact) return [];
	const again = await embedder.embed(texts.map(({ text }) => text));
	return texts.flatMap(({ vector }, index) => {
		const made = again[index];
		const same = made !== undefined && Buffer.compare(bytesOf(made), vector.bytes) === 0;
		return same ? [] : [corrupt(vector, "its text gives another vector")];
	});
}

function bytesOf(vector: Float32Array): Uint8Array {
	return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function sha256(bytes: Uint8Array): Hex {
	return `0x${hash("sha256", bytes)}`;
}

function subjectOf({ memoryKey, namespace, versionId, fromBlock, collection }: StoredVector) {
	const table = "vector_rows";
	return subject({
		store: "postgres",
		table,
		memoryKey,
		namespace,
		versionId,
		fromBlock,
		collection,
	});
}

function corrupt(vector: StoredVector, what: string): RuleFinding {
	return {
		class: "vector_source_corrupt",
		subject: subjectOf(vector),
		message: `the vector of version ${vector.versionId} in ${vector.collection} is damaged: ${what}`,
		since: vector.fromBlock,
		remedy: BY_REPAIR,
	};
}

function extra(vector: StoredVector, what: string): RuleFinding {
	return {
		class: "vector_extra",
		subject: subjectOf(vector),
		message: `the vector of version ${vector.versionId} does not belong into ${vector.collection}: ${what}`,
		since: vector.fromBlock,
		remedy: BY_REPAIR,
	};
}
