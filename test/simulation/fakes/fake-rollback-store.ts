import type { BlockHeader } from "../../../src/domain/block.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type MemoryKey,
	type RollbackId,
} from "../../../src/domain/ids.ts";
import { takenOverTooOften } from "../../../src/rollback/attempt-failure.ts";
import { type Obeyed, obeyed, type RollbackOrder } from "../../../src/rollback/orders.ts";
import {
	isActive,
	type NewRollback,
	type RollbackRecord,
} from "../../../src/rollback/rollback-record.ts";
import type {
	Failure,
	Part,
	RollbackCommit,
	RollbackStore,
	StageProgress,
} from "../../../src/rollback/rollback-store.ts";
import type { Checkpoint } from "../../../src/writer/commit-batch.ts";
import { NEW_GENERATION } from "./chain-tables.ts";
import { checkpointOf } from "./checkpoint-rows.ts";
import { applyBatch, requireCurrent } from "./commit.ts";
import type { FakeDatabase, RollbackRow } from "./fake-database.ts";
import { isFinal, versionsOf } from "./fake-writer-store.ts";
import { frozen, rising } from "./frozen.ts";
import { mergeShadow } from "./merge-shadow.ts";
import {
	activeOf,
	busy,
	dropPrepared,
	ended,
	FROM_THE_BEGINNING,
	fenced,
	jsonOf,
	newRow,
	notFound,
	recordOf,
	send,
	stageOver,
} from "./rollback-rows.ts";

const FAILED_FORKS = 100;
const UNDER_WAY: readonly string[] = ["running", "prepared"];

export class FakeRollbackStore implements RollbackStore {
	readonly #database: FakeDatabase;
	readonly #isGone: (holder: string) => boolean;
	readonly #receivers: readonly string[];

	constructor(
		database: FakeDatabase,
		isGone: (holder: string) => boolean,
		receivers: readonly string[] = [],
	) {
		this.#database = database;
		this.#isGone = isGone;
		this.#receivers = receivers;
	}

	async record(rollback: NewRollback, supersedes: RollbackId | undefined): Promise<void> {
		const { chainId, rollbackId, fromGeneration } = rollback;
		this.#database.transaction(() => {
			const { generation } = this.#database.find(chainId)?.row ?? {};
			if (generation !== fromGeneration) {
				throw busy(chainId, `chain ${chainId} is not in generation ${fromGeneration} any more`);
			}
			const paused = supersedes !== undefined && this.#supersede(supersedes, rollback);
			const isTaken = this.#database.rollbacks.get(rollbackId) !== undefined;
			if (isTaken || activeOf(this.#database, chainId) !== undefined) {
				throw busy(chainId, `a rollback of chain ${chainId} is under way already`);
			}
			this.#database.rollbacks.insert(newRow(rollback, { paused, nowMs: this.#database.now() }));
			send(this.#database, { rollbackId, retries: 0 });
		});
		this.#database.changed(chainId);
	}

	async load(rollbackId: RollbackId): Promise<RollbackRecord | undefined> {
		return this.#read(this.#database.rollbacks.get(rollbackId));
	}

	async active(chainId: ChainId): Promise<RollbackRecord | undefined> {
		return this.#read(activeOf(this.#database, chainId));
	}

	async failedForks(chainId: ChainId, generation: Generation): Promise<readonly RollbackRecord[]> {
		return this.#database.rollbacks
			.all()
			.filter(({ state, cause }) => state === "failed" && cause === "reorg")
			.filter((row) => row.chainId === chainId && row.fromGeneration === generation)
			.toReversed()
			.sort((a, b) => b.createdMs - a.createdMs)
			.slice(0, FAILED_FORKS)
			.map((row) => recordOf(row, this.#database.now()));
	}

	async claim(
		rollbackId: RollbackId,
		holder: string,
		ttlMs: number,
	): Promise<RollbackRecord | undefined> {
		return this.#database.transaction(() => {
			const row = this.#database.rollbacks.get(rollbackId);
			if (row === undefined || !isActive(row.state) || row.paused) return undefined;
			const nowMs = this.#database.now();
			const { claimHolder, claimUntilMs = 0, state, attempt } = row;
			const isOther = claimHolder !== undefined && claimHolder !== holder;
			if (isOther && claimUntilMs > nowMs && !this.#isGone(claimHolder)) return undefined;
			const failure = isOther ? takenOverTooOften(recordOf(row, nowMs)) : undefined;
			if (failure !== undefined) {
				this.#fail(row, failure);
				return undefined;
			}
			// A prepared change set is kept: the commit names its attempt.
			const isAgain = state !== "prepared";
			if (isAgain) dropPrepared(this.#database, rollbackId);
			const begun = isAgain
				? ({ state: "running", attempt: attempt + 1, ...FROM_THE_BEGINNING } as const)
				: stageOver(row, nowMs);
			const takeovers = row.takeovers + (isOther ? 1 : 0);
			const claim = { claimHolder: holder, claimUntilMs: nowMs + ttlMs, takeovers };
			return this.#write(row, { ...claim, ...begun });
		});
	}

	async renewClaim(rollbackId: RollbackId, attempt: number, ttlMs: number): Promise<void> {
		const row = this.#underWay(rollbackId, attempt);
		this.#write(row, { claimUntilMs: this.#database.now() + ttlMs });
	}

	async begin(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<boolean> {
		const row = this.#underWay(rollbackId, attempt);
		if (row.paused) return false;
		const { stage, done, total, stageMs } = progress;
		const stageStartedMs = this.#database.now();
		this.#write(row, { stage, done, total, stageMs: jsonOf(stageMs), stageStartedMs });
		return true;
	}

	async progress(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<void> {
		const row = this.#underWay(rollbackId, attempt);
		const { stage, done, total, stageMs } = progress;
		this.#write(row, { stage, done, total, stageMs: jsonOf(stageMs) });
	}

	async planned(
		rollbackId: RollbackId,
		attempt: number,
		{ strategy, reason }: Parameters<RollbackStore["planned"]>[2],
	): Promise<void> {
		const row = this.#running(rollbackId, attempt);
		this.#write(row, { strategy, strategyReason: reason, error: undefined });
	}

	async prepared(
		rollbackId: RollbackId,
		attempt: number,
		{ parts, counts }: Parameters<RollbackStore["prepared"]>[2],
	): Promise<void> {
		this.#database.transaction(() => {
			const row = this.#running(rollbackId, attempt);
			const over = stageOver(row, this.#database.now());
			this.#write(row, { state: "prepared", counts: jsonOf(counts), done: row.total, ...over });
			this.#database.tasks.deleteWhere((task) => task.rollbackId === rollbackId);
			for (const { part, seq, body } of parts) {
				this.#database.parts.insert({ rollbackId, attempt, part, seq, body });
			}
		});
	}

	async parts(rollbackId: RollbackId, attempt: number): Promise<readonly Part[]> {
		return this.#database.parts
			.all()
			.filter((row) => row.rollbackId === rollbackId && row.attempt === attempt)
			.sort((a, b) => a.seq - b.seq)
			.map(({ part, seq, body }) => ({ part, seq, body }));
	}

	async commit(commit: RollbackCommit): Promise<void> {
		const { rollbackId, attempt, batch, fromGeneration: generation } = commit;
		this.#database.transaction(() => {
			const tables = this.#database.find(batch.chainId);
			const expected = { fence: commit.fence, generation };
			if (commit.shadow !== undefined) {
				requireCurrent(tables, batch, expected);
				mergeShadow(this.#database, tables, { shadow: commit.shadow, batch });
			}
			applyBatch(tables, batch, expected);
			const row = this.#database.rollbacks.get(rollbackId);
			const isDue = row?.attempt === attempt && row.state === "prepared" && !row.paused;
			if (row === undefined || !isDue) throw fenced(rollbackId, attempt);
			this.#committed(row, commit);
			this.#database.parts.deleteWhere((part) => part.rollbackId === rollbackId);
			this.#moveGeneration(commit);
			if (commit.recoveryId !== undefined) endHalt(this.#database, commit);
			this.#recordDeliveries(commit);
		});
		this.#database.changed(batch.chainId);
	}

	async fail(rollbackId: RollbackId, attempt: number, failure: Failure): Promise<boolean> {
		return this.#database.transaction(() => {
			const row = this.#database.rollbacks.get(rollbackId);
			if (row?.attempt !== attempt || !UNDER_WAY.includes(row.state)) return false;
			this.#fail(row, failure);
			return true;
		});
	}

	async cancel(rollbackId: RollbackId, attempt: number): Promise<boolean> {
		return this.#database.transaction(() => {
			const row = this.#database.rollbacks.get(rollbackId);
			if (row?.attempt !== attempt || !isActive(row.state)) return false;
			const over = ended(row, this.#database.now());
			this.#write(row, { state: "cancelled", error: undefined, ...over });
			dropPrepared(this.#database, rollbackId);
			return true;
		});
	}

	async release(
		rollbackId: RollbackId,
		attempt: number,
		{ failure, keepsPrepared }: Parameters<RollbackStore["release"]>[2],
	): Promise<void> {
		const row = this.#database.rollbacks.get(rollbackId);
		if (row?.attempt !== attempt || !UNDER_WAY.includes(row.state)) return;
		this.#write(row, {
			claimUntilMs: undefined,
			claimHolder: undefined,
			state: keepsPrepared && row.state === "prepared" ? "prepared" : "recorded",
			error: failure && jsonOf(failure),
			...stageOver(row, this.#database.now()),
		});
	}

	async order(rollbackId: RollbackId, order: RollbackOrder): Promise<RollbackRecord> {
		return this.#database.transaction(() => {
			const row = this.#database.rollbacks.get(rollbackId);
			const record = this.#read(row);
			if (row === undefined || record === undefined) throw notFound(rollbackId);
			this.#obey(row, obeyed(order, record, this.#surroundings(row)));
			return this.#read(this.#database.rollbacks.get(rollbackId)) ?? record;
		});
	}

	async checkpoint(chainId: ChainId, height: Height): Promise<Checkpoint | undefined> {
		const row = this.#database
			.find(chainId)
			?.checkpoints.all()
			.find((each) => each.height === height && each.toGen === FOREVER);
		return row && checkpointOf(row);
	}

	async block(chainId: ChainId, height: Height): Promise<BlockHeader | undefined> {
		const row = this.#database
			.find(chainId)
			?.blocks.all()
			.find((each) => each.number === height && each.toGen === FOREVER);
		if (row === undefined) return undefined;
		const { number, hash, parentHash, timestamp } = row;
		return { number, hash, parentHash, timestamp };
	}

	async touched(
		chainId: ChainId,
		range: { readonly ancestor: Height; readonly to: Height; readonly limit: number },
	): Promise<readonly MemoryKey[]> {
		const rows = this.#database.find(chainId)?.versions.allPresent() ?? [];
		const { ancestor, to } = range;
		const found = rows.filter(
			({ fromBlock, expiresBlock }) =>
				fromBlock > ancestor ||
				(expiresBlock !== undefined && expiresBlock > ancestor && expiresBlock <= to),
		);
		return [...new Set(found.map((row) => row.memoryKey))].slice(0, range.limit + 1);
	}

	async versionsAround(chainId: ChainId, keys: readonly MemoryKey[], ancestor: Height) {
		return versionsOf(this.#database.find(chainId), keys, (rows) => [
			...rows.filter((row) => row.fromBlock > ancestor),
			...rows.filter((row) => row.fromBlock <= ancestor).slice(-1),
		]);
	}

	#fail(row: RollbackRow, { stage, error, keepsPrepared }: Failure): void {
		const over = ended(row, this.#database.now());
		this.#write(row, { state: "failed", failedStage: stage, error: jsonOf(error), ...over });
		if (!keepsPrepared) dropPrepared(this.#database, row.rollbackId);
	}

	#read(row: RollbackRow | undefined): RollbackRecord | undefined {
		return row && recordOf(row, this.#database.now());
	}

	#write(row: RollbackRow, changes: Partial<RollbackRow>): RollbackRecord {
		const now = { ...row, ...changes };
		this.#database.rollbacks.put(now);
		return recordOf(now, this.#database.now());
	}

	/** Throws `rollback_fenced`. */
	#underWay(rollbackId: RollbackId, attempt: number): RollbackRow {
		const row = this.#database.rollbacks.get(rollbackId);
		if (row?.attempt === attempt && UNDER_WAY.includes(row.state)) return row;
		throw fenced(rollbackId, attempt);
	}

	#running(rollbackId: RollbackId, attempt: number): RollbackRow {
		const row = this.#underWay(rollbackId, attempt);
		if (row.state !== "running") throw fenced(rollbackId, attempt);
		return row;
	}

	/** Ends one for another. Answers whether it was paused. */
	#supersede(old: RollbackId, { chainId, rollbackId }: NewRollback): boolean {
		const row = this.#database.rollbacks.get(old);
		if (row === undefined || !isActive(row.state)) {
			throw busy(chainId, `rollback ${old} has ended meanwhile, and is not superseded`);
		}
		const over = ended(row, this.#database.now());
		this.#write(row, { state: "superseded", supersededBy: rollbackId, ...over });
		dropPrepared(this.#database, old);
		return row.paused;
	}

	#committed(row: RollbackRow, commit: RollbackCommit): void {
		const { counts, report, stageMs, ended: end } = commit;
		this.#write(row, {
			state: "committed",
			counts: jsonOf(counts),
			report,
			stageMs: jsonOf(stageMs),
			from: frozen({ height: end.height, hash: end.hash }),
			finishedMs: this.#database.now(),
			claimUntilMs: undefined,
			claimHolder: undefined,
			error: undefined,
			done: row.total,
			stageStartedMs: undefined,
		});
	}

	#moveGeneration({ batch, ancestor, ended: end, ...commit }: RollbackCommit): void {
		const tables = this.#database.find(batch.chainId);
		if (tables === undefined) return;
		const { generation: next } = batch;
		for (const row of tables.blocks.all()) {
			if (row.number > ancestor && isOpenBefore(row, next))
				tables.blocks.put({ ...row, toGen: next });
		}
		for (const row of tables.checkpoints.all()) {
			const isEnding = row.height > ancestor && isOpenBefore(row, next);
			if (isEnding) tables.checkpoints.put({ ...row, toGen: next });
		}
		tables.generations.update(`${commit.fromGeneration}`, {
			lastHeight: end.height,
			lastVersionId: end.versionId,
			pointers: frozen(structuredClone(end.pointers)),
		});
		const { rollbackId } = commit;
		const row = { ...NEW_GENERATION, generation: next, ancestorHeight: ancestor, rollbackId };
		tables.generations.insert(row);
		for (const [name, pointer] of Object.entries(commit.pointers)) {
			tables.collections.update(name, { pointer: frozen({ ...pointer }) });
		}
	}

	#recordDeliveries({ batch: { chainId }, rollbackId }: RollbackCommit): void {
		for (const url of this.#receivers) {
			if (!this.#database.deliveries.insertIfNew({ chainId, rollbackId, url })) continue;
			const outboxId = this.#database.next("outbox");
			const payload = JSON.stringify([rollbackId, url]);
			this.#database.outbox.insert({ outboxId, topic: "webhook", payload });
		}
	}

	#surroundings({ rollbackId, attempt, chainId, ancestor, fromGeneration }: RollbackRow) {
		const tables = this.#database.find(chainId);
		const parts = this.#database.parts.all();
		const active = activeOf(this.#database, chainId);
		return {
			generation: tables?.row.generation ?? fromGeneration,
			ancestorStands: (tables?.blocks.all() ?? []).some(
				({ number, hash, toGen }) =>
					number === ancestor.height && hash === ancestor.hash && toGen === FOREVER,
			),
			isHalted: tables?.row.halt !== undefined,
			isBusy: active !== undefined && active.rollbackId !== rollbackId,
			isPrepared: parts.some((row) => row.rollbackId === rollbackId && row.attempt === attempt),
		};
	}

	#obey(row: RollbackRow, what: Obeyed): void {
		const { rollbackId, retries } = row;
		switch (what.type) {
			case "nothing":
				return;
			case "hold":
				this.#write(row, { paused: what.paused });
				if (what.sends) send(this.#database, { rollbackId, retries });
				return;
			case "end": {
				const over = { error: undefined, ...ended(row, this.#database.now()) };
				const isCancelled = what.state === "cancelled";
				this.#write(row, { state: what.state, ...(isCancelled ? over : { paused: false }) });
				dropPrepared(this.#database, rollbackId);
				return;
			}
			case "again":
				this.#again(row, what.state);
		}
	}

	#again(row: RollbackRow, state: "recorded" | "prepared"): void {
		const { rollbackId } = row;
		const retries = row.retries + 1;
		const anew = { strategy: undefined, strategyReason: undefined, ...FROM_THE_BEGINNING };
		const open = {
			error: undefined,
			failedStage: undefined,
			finishedMs: undefined,
			takeovers: 0,
		};
		if (state === "recorded") dropPrepared(this.#database, rollbackId);
		this.#write(row, { state, retries, ...open, ...(state === "recorded" ? anew : {}) });
		send(this.#database, { rollbackId, retries });
	}
}

function isOpenBefore(
	{ fromGen, toGen }: { readonly fromGen: Generation; readonly toGen: Generation },
	next: Generation,
): boolean {
	return toGen === FOREVER && rising(fromGen, next) < 0;
}

/** The chain goes on, and what was final above its marks is open again. */
function endHalt(database: FakeDatabase, { batch }: RollbackCommit): void {
	const tables = database.find(batch.chainId);
	if (tables === undefined) return;
	tables.update({ halt: undefined });
	for (const row of tables.operations.all()) {
		const isOpen = row.status !== "refused" && !isFinal(row, batch.finalized ?? 0n);
		const wasFinal = row.final && row.position !== undefined;
		if (wasFinal && isOpen) tables.operations.put({ ...row, final: false });
	}
}
