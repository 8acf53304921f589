/** What the simulated database holds, at once and without a port: for oracles and for tests. */
import type { BlockHeader } from "../../../src/domain/block.ts";
import type { RollbackId } from "../../../src/domain/ids.ts";
import { type ChainId, FOREVER, type Generation, type Height } from "../../../src/domain/ids.ts";
import type { Version } from "../../../src/domain/memory.ts";
import type { RollbackRecord } from "../../../src/rollback/rollback-record.ts";
import type {
	Checkpoint,
	Derivation,
	EmbeddedVersion,
	LogEntry,
	VectorPointers,
} from "../../../src/writer/commit-batch.ts";
import type {
	BlockRow,
	ChainRow,
	ChainTables,
	CheckpointRow,
	CollectionRow,
	GenerationRow,
	IdempotencyRow,
	InboxRow,
	OperationRow,
} from "./chain-tables.ts";
import { checkpointOf } from "./checkpoint-rows.ts";
import type {
	FakeDatabase,
	OutboxRow,
	PartRow,
	ShadowHead,
	ShadowVersionRow,
	TaskRow,
} from "./fake-database.ts";
import { broken, byText, rising } from "./frozen.ts";
import { recordOf } from "./rollback-rows.ts";

export class FakeReads {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	/** Its row, and its collections' pointers. */
	chain(chainId: ChainId): ChainRow & { readonly pointers: VectorPointers } {
		const tables = this.#tables(chainId);
		return { ...tables.row, pointers: tables.pointers };
	}

	/** What a reader sees, by rising key; no tombstones. */
	visible(
		chainId: ChainId,
		at: { readonly height: Height; readonly generation: Generation },
	): readonly Version[] {
		const { versions } = this.#tables(chainId);
		return versions
			.keys()
			.toSorted(byText)
			.flatMap((key) => versions.read(key, at) ?? []);
	}

	/** Every row, tombstones and orphaned ones too. */
	versions(chainId: ChainId): readonly Version[] {
		return this.#tables(chainId).versions.all();
	}

	/** As that generation has it; left out: the present one. */
	checkpoint(
		chainId: ChainId,
		height: Height,
		generation: Generation = FOREVER - 1n,
	): Checkpoint | undefined {
		const rows = this.#tables(chainId).checkpoints.all();
		const row = rows.find((each) => each.height === height && isIn(each, generation));
		return row && checkpointOf(row);
	}

	checkpoints(chainId: ChainId): readonly CheckpointRow[] {
		const rows = this.#tables(chainId).checkpoints.all();
		return rows.toSorted((a, b) => rising(a.height, b.height) || rising(a.fromGen, b.fromGen));
	}

	/** Every header, orphaned ones too. */
	blocks(chainId: ChainId): readonly BlockRow[] {
		const rows = this.#tables(chainId).blocks.all();
		return rows.toSorted((a, b) => rising(a.number, b.number) || rising(a.fromGen, b.fromGen));
	}

	/** Headers of a generation, rising. */
	branch(chainId: ChainId, generation: Generation): readonly BlockHeader[] {
		return this.blocks(chainId).filter((row) => isIn(row, generation));
	}

	generations(chainId: ChainId): readonly GenerationRow[] {
		const rows = this.#tables(chainId).generations.all();
		return rows.toSorted((a, b) => rising(a.generation, b.generation));
	}

	log(chainId: ChainId): readonly LogEntry[] {
		return this.#tables(chainId)
			.log.all()
			.toSorted((a, b) => rising(a.position, b.position));
	}

	operations(chainId: ChainId): readonly OperationRow[] {
		return this.#tables(chainId).operations.all();
	}

	derivations(chainId: ChainId): readonly Derivation[] {
		return this.#tables(chainId).derivations.all();
	}

	inbox(chainId: ChainId): readonly InboxRow[] {
		return this.#tables(chainId).inbox.all();
	}

	idempotencyKeys(chainId: ChainId): readonly IdempotencyRow[] {
		return this.#tables(chainId).idempotencyKeys.all();
	}

	collections(chainId: ChainId): readonly CollectionRow[] {
		return this.#tables(chainId).collections.all();
	}

	vectorRows(chainId: ChainId): readonly EmbeddedVersion[] {
		return this.#tables(chainId).vectorRows.all();
	}

	/** In the order in which they were recorded, with their reports. */
	rollbacks(
		chainId: ChainId,
	): readonly (RollbackRecord & { readonly report: string | undefined })[] {
		return this.#database.rollbacks
			.all()
			.filter((row) => row.chainId === chainId)
			.map((row) => ({ ...recordOf(row, this.#database.now()), report: row.report }));
	}

	parts(rollbackId: RollbackId): readonly PartRow[] {
		return this.#database.parts.all().filter((row) => row.rollbackId === rollbackId);
	}

	tasks(rollbackId: RollbackId): readonly TaskRow[] {
		return this.#database.tasks.all().filter((row) => row.rollbackId === rollbackId);
	}

	outbox(): readonly OutboxRow[] {
		return this.#database.outbox.all();
	}

	shadows(): readonly ShadowHead[] {
		return this.#database.shadows.all();
	}

	shadowVersions(): readonly ShadowVersionRow[] {
		return this.#database.shadowVersions.all();
	}

	#tables(chainId: ChainId): ChainTables {
		const tables = this.#database.find(chainId);
		if (tables === undefined) throw broken(`the fake has no chain ${chainId}`);
		return tables;
	}
}

function isIn(
	{ fromGen, toGen }: { readonly fromGen: Generation; readonly toGen: Generation },
	generation: Generation,
): boolean {
	return fromGen <= generation && generation < toGen;
}
