/** Snapshots as callers see them: wanting one, following it, carrying it away and bringing it in. */
import { randomUUID } from "node:crypto";
import type { AtRequest } from "../domain/coordinate.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { chunkGate } from "../resilience/request-gates.ts";
import type { ArchiveSource } from "../snapshots/archive-source.ts";
import { encodeManifest, type Manifest, manifestId, parseManifest } from "../snapshots/manifest.ts";
import { recordSnapshot } from "../snapshots/record-snapshot.ts";
import { chunkName } from "../snapshots/snapshot-archive.ts";
import {
	chainDiffers,
	incomplete,
	notFound,
	notStored,
	orphaned,
} from "../snapshots/snapshot-errors.ts";
import type { ImportOptions } from "../snapshots/snapshot-importer.ts";
import type { SnapshotKind } from "../snapshots/snapshot-kind.ts";
import { type SnapshotCut, type SnapshotRow, verification } from "../snapshots/snapshot-row.ts";
import type { SnapshotReader, SnapshotStore } from "../snapshots/snapshot-store.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "./reading/cursor.ts";
import type { StateStore } from "./reading/state-store.ts";
import type { Page } from "./recant-service.ts";
import { type SnapshotView, snapshotView } from "./snapshot-view.ts";

/** What follows when an imported manifest and its chunks are there. */
export type ImportGoal = "store" | "verify" | "apply";

export interface SnapshotChain {
	readonly chainId: ChainId;
	readonly name: string;
	readonly fullEvery: number;
	/** Hash of the block that the node has at a height; undefined: it has none. */
	hashOnNode(height: Height): Promise<Hex | undefined>;
	/** Something is wanted of the keeper, if it runs in this process. */
	due(): void;
}

export interface SnapshotServiceOptions {
	readonly chains: readonly SnapshotChain[];
	readonly state: StateStore;
	readonly store: SnapshotStore;
	readonly reader: SnapshotReader;
	readonly source: ArchiveSource;
	/** Whether an imported snapshot can become the chain's state here. */
	readonly canApply: boolean;
}

export class SnapshotService {
	readonly #options: SnapshotServiceOptions;
	readonly #transfers = chunkGate();

	constructor(options: SnapshotServiceOptions) {
		this.#options = options;
	}

	/**
	 * Wants a snapshot of a sealed coordinate; answers its row, which the lease holder works on. Throws
	 * the errors of coordinates, `unknown_checkpoint`, `snapshot_orphaned` and `snapshot_not_found`.
	 */
	async create(
		name: string,
		wish: { readonly at: AtRequest; readonly kind: SnapshotKind | undefined },
	): Promise<SnapshotView> {
		const chain = this.#find(name);
		const { store } = this.#options;
		const cut = await this.#cut(chain, wish.at);
		const { fullEvery } = chain;
		const id = await recordSnapshot(store, { cut, cause: "operator", kind: wish.kind, fullEvery });
		chain.due();
		return snapshotView(await this.#load(chain, id));
	}

	/** The newest first. */
	async list(
		name: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<Page<SnapshotView>> {
		const { chainId } = this.#find(name);
		const after = query.cursor === undefined ? undefined : idOfCursor(query.cursor);
		const rows = await this.#options.store.list(chainId, { limit: query.limit + 1, after });
		const page = rows.slice(0, query.limit);
		const last = rows.length > query.limit ? page.at(-1) : undefined;
		return {
			items: page.map(snapshotView),
			cursor: last && encodeCursor({ s: last.snapshotId }),
		};
	}

	async snapshot(name: string, id: string): Promise<SnapshotView> {
		return snapshotView(await this.#load(this.#find(name), id));
	}

	/** Wants everything read back again. Throws `snapshot_incomplete` for one without a manifest. */
	async verify(name: string, id: string): Promise<SnapshotView> {
		const chain = this.#find(name);
		const row = await this.#stored(chain, id);
		if (row.progress === undefined) {
			await this.#options.store.want(id, verification(row.storedBytes));
		}
		chain.due();
		return snapshotView(await this.#load(chain, id));
	}

	/** The manifest's bytes, checked against its id. Throws `snapshot_damaged`, `snapshot_incomplete`. */
	async manifest(name: string, id: string): Promise<Uint8Array> {
		const { manifestId: stored } = await this.#stored(this.#find(name), id);
		return this.#options.source.wholeManifest(stored);
	}

	/**
	 * A chunk's bytes as they are stored, checked. Throws `snapshot_damaged`, `snapshot_incomplete` and
	 * `archive_unavailable`, as `addChunk`.
	 */
	async chunk(name: string, hash: Hex): Promise<Uint8Array> {
		this.#find(name);
		return this.#transfers.run(() => this.#options.source.wholeChunk(hash));
	}

	/**
	 * Takes a chunk in; `read` gets its bytes, when it is its turn. Throws `snapshot_damaged` when its
	 * records are not those that it is named by, `RetryableError("archive_unavailable")` when too many
	 * wait, and what `read` throws.
	 */
	async addChunk(name: string, hash: Hex, read: () => Promise<Uint8Array>): Promise<void> {
		this.#find(name);
		const { source } = this.#options;
		await this.#transfers.run(async () => source.acceptChunk(hash, await read()));
	}

	/**
	 * Takes a manifest in; its chunks and its parent must be there. Throws `snapshot_damaged`,
	 * `snapshot_format_newer`, `snapshot_chain_differs`, `snapshot_orphaned`, `snapshot_incomplete`.
	 */
	async import(
		name: string,
		what: {
			readonly manifest: unknown;
			readonly goal: ImportGoal;
			readonly options: ImportOptions;
		},
	): Promise<SnapshotView> {
		const chain = this.#find(name);
		const { source, store } = this.#options;
		if (what.goal === "apply" && !this.#options.canApply) throw cannotApply();
		const manifest = parseManifest(what.manifest, "of the request");
		await this.#requireOurs(chain, manifest);
		await this.#requireThere(manifest);
		await source.addManifest(manifest);
		const row = await this.#importedRow(chain.chainId, manifest);
		if (what.goal !== "store") {
			const apply = what.goal === "apply" ? what.options : undefined;
			await store.want(row.snapshotId, verification(row.storedBytes, apply));
			chain.due();
		}
		return snapshotView(await this.#load(chain, row.snapshotId));
	}

	/** The same manifest again is the same snapshot. */
	async #importedRow(chainId: ChainId, manifest: Manifest): Promise<SnapshotRow> {
		const { store } = this.#options;
		const id = manifestId(encodeManifest(manifest));
		const known = await store.byManifest(chainId, id);
		if (known !== undefined) return known;
		const parent =
			manifest.parent === undefined ? undefined : await store.byManifest(chainId, manifest.parent);
		const { counts, chunks, versionSeq: versionId } = manifest;
		const snapshotId = randomUUID();
		await store.recordImport({
			...manifest,
			snapshotId,
			versionId,
			manifestId: id,
			parentId: parent?.snapshotId,
			cause: "import",
			memories: counts.memories,
			chunks: chunks.length,
			rawBytes: chunks.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
			storedBytes: chunks.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
		});
		return this.#load({ chainId, name: `${chainId}` }, snapshotId);
	}

	async #requireOurs({ chainId, hashOnNode }: SnapshotChain, manifest: Manifest): Promise<void> {
		const { reader } = this.#options;
		if (manifest.chainId !== chainId) {
			throw chainDiffers("chain id", `${manifest.chainId}`, `${chainId}`);
		}
		const { startBlock } = await reader.chain(chainId);
		if (manifest.startBlock !== startBlock) {
			throw chainDiffers("start block", `${manifest.startBlock}`, `${startBlock}`);
		}
		const { height, blockHash } = manifest;
		const ours = (await reader.hashAt(chainId, height)) ?? (await hashOnNode(height));
		if (ours === blockHash) return;
		if (await reader.isOrphaned({ chainId, height, blockHash })) throw orphaned(height, blockHash);
		if (ours === undefined) throw aboveNode(height);
		throw chainDiffers(`block at height ${height}`, blockHash, ours);
	}

	async #requireThere(manifest: Manifest): Promise<void> {
		const { source } = this.#options;
		if (manifest.parent !== undefined) await source.manifest(manifest.parent);
		for (const { hash } of manifest.chunks) {
			if (!(await source.archive.has(chunkName(hash)))) throw incomplete("chunk", hash);
		}
	}

	/** The checkpoint that is asked for; a tag means the highest one at or below it. */
	async #cut({ chainId }: SnapshotChain, request: AtRequest): Promise<SnapshotCut> {
		const { state, reader } = this.#options;
		const { at, present } = await state.read(chainId, request, async (view) => ({
			at: view.at,
			present: view.present,
		}));
		if (at.pending) throw notSealed(at.height);
		const cut = await reader.cutAtOrBelow(chainId, at.height);
		if (at.generation !== present.generation && at.blockHash !== cut?.blockHash) {
			throw orphaned(at.height, at.blockHash ?? "");
		}
		const exact = request.at.kind !== "tag";
		if (cut !== undefined && (!exact || cut.height === at.height)) return cut;
		throw new FatalError("unknown_checkpoint", {
			message: `there is no checkpoint at height ${at.height}`,
			hint: "every block of the window has one, and below it every thousandth; `finalized` takes the highest below",
			fields: { height: at.height.toString() },
		});
	}

	async #load(chain: Pick<SnapshotChain, "chainId" | "name">, id: string): Promise<SnapshotRow> {
		const row = UUID.test(id) ? await this.#options.store.load(chain.chainId, id) : undefined;
		if (row !== undefined) return row;
		throw notFound(chain.name, id);
	}

	async #stored(
		chain: SnapshotChain,
		id: string,
	): Promise<SnapshotRow & { readonly manifestId: Hex }> {
		const row = await this.#load(chain, id);
		if (row.manifestId === undefined) throw notStored(id, row.state);
		return { ...row, manifestId: row.manifestId };
	}

	#find(name: string): SnapshotChain {
		const { chains } = this.#options;
		const found = chains.find((each) => each.name === name || `${each.chainId}` === name);
		if (found !== undefined) return found;
		throw new FatalError("unknown_chain", {
			message: `chain "${name}" is not served here`,
			hint: `served: ${chains.map((each) => `${each.name} (${each.chainId})`).join(", ")}`,
			fields: { chain: name },
		});
	}
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function idOfCursor(cursor: string): string {
	const { s } = decodeCursor(cursor, ["s"]);
	if (!UUID.test(s)) throw cursorInvalid();
	return s;
}

function notSealed(height: Height): FatalError {
	return new FatalError("height_in_future", {
		message: `height ${height} is the pending slot, which still changes`,
		hint: "take a snapshot of `latest`, `safe`, `finalized`, a height or a block hash",
		fields: { height: height.toString() },
	});
}

function aboveNode(height: Height): FatalError {
	return new FatalError("height_in_future", {
		message: `the chain's node has no block at height ${height}, so that the snapshot's cannot be checked`,
		hint: "wait until the node has it, or check that it is a node of the snapshot's chain",
		fields: { height: height.toString() },
	});
}

function cannotApply(): FatalError {
	return new FatalError("invalid_request", {
		message: "this service does not make imported snapshots a chain's state",
		hint: "leave `goal` at `verify`, which stores the snapshot and verifies it",
	});
}
