/**
 * Derives a group of finalized blocks again and applies it as the writer did, with what the log has of it
 * beside. The group's log entry comes out once more, and must be the one that is there, byte for byte: it
 * names the handlers' code and the hash of everything that the group changed.
 */
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Generation, Height, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject } from "../domain/operation.ts";
import { canonicalJson, parseContent } from "../memory/canonical.ts";
import { assembleRecorded } from "../writer/assemble.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import { historyEveryOf } from "../writer/thin-history.ts";
import { draftState, ONE_GENERATION, toRow, vectorsOf, workingRows } from "./apply-steps.ts";
import type { GroupDeriver } from "./group-deriver.ts";
import type { GroupStep } from "./log-walk.ts";
import { recordedWrites } from "./recorded-writes.ts";
import type { ShadowRow, ShadowStore } from "./shadow-store.ts";

/** Field of the entry that has the hash of all that the group changed. */
const CHANGES = "changes";

export interface GroupContext {
	readonly chainId: ChainId;
	readonly shadowId: string;
	/** Generation in which restored rows begin. */
	readonly generation: Generation;
	readonly shadows: ShadowStore;
	readonly deriver: GroupDeriver;
	/** Blocks above it are left out. */
	readonly upTo: Height;
	/** Memories that are wanted; undefined: all. Of some, not all that the group changed can be seen. */
	readonly only: ReadonlySet<MemoryKey> | undefined;
}

/**
 * The rows that the group leaves. Throws `FatalError("handlers_differ")` when the handlers are not those
 * that derived it, or derive something else.
 */
export async function deriveGroup(
	step: GroupStep,
	context: GroupContext,
): Promise<readonly ShadowRow[]> {
	const { deriver, upTo } = context;
	const stated = step.entry["handlersHash"];
	if (stated !== deriver.handlersHash) throw otherHandlers(step, stated, deriver);
	const state = new ShadowState(context);
	const blocks = await deriver.deriveGroup(step, (key) => state.latest(key));
	const whole = await assembled(step, blocks, context, state);
	if (step.whole) checkEntry(step, whole, context);
	if (step.to <= upTo) return rowsOf(whole, context, state);
	const part = blocks.filter(({ header }) => header.number <= upTo);
	const recorded = step.recorded.filter(({ slot }) => slot <= upTo);
	return rowsOf(await assembled({ ...step, recorded }, part, context, state), context, state);
}

/** The shadow as the writer's store: one row a memory. */
export class ShadowState {
	readonly #context: Pick<GroupContext, "chainId" | "shadowId" | "shadows">;
	readonly #rows = new Map<MemoryKey, ShadowRow | undefined>();

	constructor(context: Pick<GroupContext, "chainId" | "shadowId" | "shadows">) {
		this.#context = context;
	}

	/** Rows that were read so far. */
	get loaded(): ReadonlyMap<MemoryKey, ShadowRow> {
		return new Map(
			[...this.#rows].flatMap(([key, row]) => (row === undefined ? [] : [[key, row]])),
		);
	}

	async latest(key: MemoryKey): Promise<Version | undefined> {
		return (await this.latestVersions(this.#context.chainId, [key])).get(key)?.[0];
	}

	async latestVersions(
		_chainId: ChainId,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>> {
		const { shadows, shadowId } = this.#context;
		const missing = keys.filter((key) => !this.#rows.has(key));
		const found = await shadows.rows(shadowId, missing);
		for (const key of missing) this.#rows.set(key, found.get(key));
		return new Map(keys.map((key) => [key, workingRows(this.#rows.get(key))]));
	}

	async expiring(
		_chainId: ChainId,
		range: { readonly above: Height; readonly to: Height; readonly time: bigint },
	): Promise<readonly MemoryKey[]> {
		return this.#context.shadows.expiring(this.#context.shadowId, range);
	}
}

async function assembled(
	step: GroupStep,
	blocks: readonly DerivedBlock[],
	{ chainId, deriver, only }: GroupContext,
	state: ShadowState,
): Promise<Assembly> {
	const { from, base } = step;
	const writes = recordedWrites(step.recorded, only);
	const assembly = await assembleRecorded(
		draftState({
			versionSeq: base.versionId,
			logPosition: base.position,
			from,
			chainId,
		}),
		{
			mode: "backfill",
			blocks,
			from,
			finality: { safe: undefined, finalized: undefined },
			handlersHash: deriver.handlersHash,
			historyEvery: historyEveryOf(step.entry),
		},
		{ store: state, ...writes },
	);
	// Of a part of the group: what was made between its last block and its end.
	const reached = blocks.at(-1)?.header.number ?? from - 1n;
	for (const each of writes.recorded.filter(({ slot }) => slot > reached)) {
		assembly.reach(each.slot);
		assembly.repeat(each);
	}
	return assembly;
}

/** The newest row of each memory that was written. */
function rowsOf(
	assembly: Assembly,
	{ generation }: GroupContext,
	state: ShadowState,
): readonly ShadowRow[] {
	const { editor, vectorRequests } = assembly.state;
	const vectors = vectorsOf(vectorRequests, state.loaded);
	const written = new Set(editor.changes().insert.map((version) => version.memoryKey));
	return [...written].flatMap((key) => {
		const version = editor.latest(key);
		if (version === undefined || version.fromGen !== ONE_GENERATION) return [];
		return [toRow(version, generation, vectors.get(version.versionId))];
	});
}

function checkEntry(step: GroupStep, assembly: Assembly, { only }: GroupContext): void {
	const batch = assembly.batch([], { safe: undefined, finalized: undefined });
	const body = batch.log.findLast(({ kind }) => kind === "derived")?.body;
	const found: JsonObject = body === undefined ? {} : parseContent(body);
	const fields = Object.entries(step.entry)
		.filter(([name]) => only === undefined || name !== CHANGES)
		.filter(([name, value]) => canonicalJson(found[name] ?? null) !== canonicalJson(value))
		.map(([name]) => name);
	if (fields.length === 0) return;
	throw new FatalError("handlers_differ", {
		message: `blocks ${step.from} to ${step.to} give something else than was derived then (${fields.join(", ")})`,
		hint: "handlers must depend on blocks and their own memory alone; restore from a snapshot above these blocks",
		fields: { from: step.from.toString(), to: step.to.toString(), differing: fields.join(",") },
	});
}

function otherHandlers(
	{ from, to }: GroupStep,
	stated: unknown,
	{ handlersHash }: GroupDeriver,
): FatalError {
	return new FatalError("handlers_differ", {
		message: `blocks ${from} to ${to} were derived by handlers ${String(stated)}; here they are ${handlersHash}`,
		hint: "run the chain's file of that time, or restore from a snapshot above these blocks",
		fields: {
			from: from.toString(),
			to: to.toString(),
			recorded: String(stated),
			present: handlersHash,
		},
	});
}
