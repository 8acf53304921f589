/** Turns an assembly's vector requests into rows: embeds texts, takes given vectors, copies old ones. */
import { FatalError } from "../domain/errors.ts";
import type { VersionId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { unitVector } from "../ranking/unit-vector.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { EmbeddedVersion } from "./commit-batch.ts";
import type { DerivedGroup } from "./derived-blocks.ts";
import type { VectorRequest } from "./state-draft.ts";

export type VectorsOf = (
	versionIds: readonly VersionId[],
) => Promise<ReadonlyMap<VersionId, Float32Array>>;

export interface VectorCollections {
	/** Makes the collection if it is new; one whose vectors come from outside takes no texts. */
	ensure(name: string): Promise<{ readonly takesTexts: boolean }>;
}

export interface EmbedContext {
	readonly embedder: Embedder;
	readonly collections: VectorCollections;
	readonly vectorsOf: VectorsOf;
}

/**
 * In the order of the requests. A text for a collection that takes none gives none: its memory is
 * without a vector until one is given. A copy may be of a version that an earlier request makes, as when a put
 * and its patch are replayed together; one of a version that has no vector gives none.
 */
export async function embedVectors(
	asked: readonly VectorRequest[],
	{ embedder, collections, vectorsOf }: EmbedContext,
): Promise<readonly EmbeddedVersion[]> {
	const requests = await answerable(asked, collections);
	if (requests.length === 0) return [];
	const texts = requests.flatMap(({ source }) => (source.type === "text" ? [source.text] : []));
	const copies = requests.flatMap(({ source }) =>
		source.type === "copy" ? [source.versionId] : [],
	);
	const [embedded, stored] = await Promise.all([
		texts.length === 0 ? [] : embedder.embed(texts),
		copies.length === 0 ? new Map<VersionId, Float32Array>() : vectorsOf(copies),
	]);
	if (embedded.length !== texts.length) {
		throw new FatalError("internal", {
			message: `the embedder answered ${embedded.length} vectors for ${texts.length} texts`,
			hint: "check the embedder that EMBEDDER names",
		});
	}
	const next = embedded[Symbol.iterator]();
	const known = new Map(stored);
	return requests.flatMap((request) => {
		const vector = vectorFor(request, next, known);
		if (vector === undefined) return [];
		known.set(request.version.versionId, vector);
		return [{ ...request.version, vector }];
	});
}

/** Texts that `embedVectors` has embedded for these requests, as often as they are asked for. */
export async function requestedTexts(
	asked: readonly VectorRequest[],
	collections: VectorCollections,
): Promise<readonly string[]> {
	const requests = await answerable(asked, collections);
	return requests.flatMap(({ source }) => (source.type === "text" ? [source.text] : []));
}

async function answerable(
	requests: readonly VectorRequest[],
	collections: VectorCollections,
): Promise<readonly VectorRequest[]> {
	const takesTexts = new Map<string, boolean>();
	for (const { version } of requests) {
		if (takesTexts.has(version.collection)) continue;
		takesTexts.set(version.collection, (await collections.ensure(version.collection)).takesTexts);
	}
	return requests.filter(
		({ source, version }) => source.type !== "text" || takesTexts.get(version.collection) === true,
	);
}

function vectorFor(
	{ source }: VectorRequest,
	embedded: Iterator<Float32Array>,
	known: ReadonlyMap<VersionId, Float32Array>,
): Float32Array | undefined {
	switch (source.type) {
		case "text":
			return embedded.next().value;
		case "given":
			return unitVector(source.vector);
		case "copy":
			return known.get(source.versionId);
	}
}

/** Has the texts of blocks embedded before their commit, where the embedder may take long or be away. */
export async function embedAhead(
	{ blocks }: DerivedGroup,
	{ embedder, collections }: Pick<EmbedContext, "embedder" | "collections">,
): Promise<void> {
	if (embedder.prepare === undefined) return;
	const operations = blocks.flatMap((block) => block.operations);
	await embedder.prepare(await embeddedTexts(operations, collections));
}

/**
 * Texts that these operations have embedded when they are committed. `collections`: leaves out those of
 * collections that take none; without it every collection takes texts, as checked for an agent's request.
 */
export async function embeddedTexts(
	operations: readonly (Operation | HandlerOperation)[],
	collections?: VectorCollections,
): Promise<readonly string[]> {
	const texts: string[] = [];
	for (const operation of operations) {
		const text = embeddedText(operation);
		const name = operation.kind === "put" ? operation.body.collection : undefined;
		const shape = name === undefined ? undefined : await collections?.ensure(name);
		if (text !== undefined && shape?.takesTexts !== false) texts.push(text);
	}
	return texts;
}

/** A patch's text is embedded where its memory is in a collection; whether it is, the commit sees. */
function embeddedText(operation: Operation | HandlerOperation): string | undefined {
	if (operation.kind === "patch") return operation.text;
	if (operation.kind !== "put") return undefined;
	const { collection, vector, text } = operation.body;
	return collection === undefined || vector !== undefined ? undefined : text;
}
