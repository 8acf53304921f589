/**
 * Known bugs, each a change of one place in the code. `npm run mutants` plants them one at a time in a copy
 * and shows that the suites named here fail with it, and pass without it.
 *
 * A unit test holds the list against the code, so that no entry outlives the line that it changes.
 */

export interface Mutant {
	/** In kebab case; unique. */
	readonly name: string;
	/** What would go wrong. */
	readonly wrong: string;
	/** Path from the project's folder. */
	readonly file: string;
	/** Occurs exactly once in the file. */
	readonly find: string;
	readonly plant: string;
	/** Test files, tried in this order until one fails. */
	readonly caughtBy: readonly [string, ...string[]];
}

const SIMULATION = "test/simulation/seeds-0.test.ts";
const REAL_SIMULATION = "test/integration/simulation-postgres.test.ts";
const CONFORMANCE = "test/integration/conformance-postgres.test.ts";
const PROVENANCE = "test/property/provenance.test.ts";

export const MUTANTS: readonly Mutant[] = [
	{
		name: "skip-the-fence",
		wrong: "a writer whose lease was taken commits",
		file: "src/store/writing/commit.ts",
		find: 'and fence = ${statement.scalar("bigint", expected.fence)}',
		plant: 'and fence >= 0 * ${statement.scalar("bigint", expected.fence)}',
		caughtBy: ["test/integration/commit-fence.test.ts"],
	},
	{
		name: "skip-the-generation-check",
		wrong: "a commit made before a rollback lands after it",
		file: "src/store/writing/commit.ts",
		find: 'and generation = ${statement.scalar("bigint", expected.generation)}',
		plant: 'and generation >= 0 * ${statement.scalar("bigint", expected.generation)}',
		caughtBy: ["test/integration/commit-fence.test.ts", CONFORMANCE],
	},
	{
		name: "skip-the-log-position-check",
		wrong: "a commit made against an older state lands on a newer one",
		file: "src/store/writing/commit.ts",
		find: 'and log_position = ${statement.scalar("bigint", batch.basePosition)}',
		plant: 'and log_position >= 0 * ${statement.scalar("bigint", batch.basePosition)}',
		caughtBy: ["test/integration/commit-fence.test.ts"],
	},
	{
		name: "fence-not-raised-at-takeover",
		wrong: "old and new holder of a lease commit with the same number",
		file: "src/store/writing/postgres-writer-store.ts",
		find: "update chains set fence = fence + 1, lease_holder",
		plant: "update chains set fence = fence + 0, lease_holder",
		caughtBy: ["test/integration/commit-fence.test.ts", REAL_SIMULATION],
	},
	{
		name: "lease-taken-while-live",
		wrong: "two processes write one chain",
		file: "src/store/writing/postgres-writer-store.ts",
		find: "coalesce(lease_until > now(), false) as live from chains",
		plant: "coalesce(lease_until > now(), false) and false as live from chains",
		caughtBy: ["test/integration/commit-fence.test.ts"],
	},
	{
		name: "wrong-ancestor",
		wrong: "a rollback goes back one block too little",
		file: "src/chain/reconcile.ts",
		find: "return parent?.hash === lowest.parentHash ? parent : undefined;",
		plant:
			"return parent?.hash === lowest.parentHash ? (window.at(lowest.number) ?? parent) : undefined;",
		caughtBy: ["test/property/reconcile.test.ts", SIMULATION],
	},
	{
		name: "lagging-head-taken-for-a-fork",
		wrong: "a node that is behind takes blocks back",
		file: "src/chain/reconcile.ts",
		find: "return isLong || isAgreed ? undefined : wait(",
		plant: "return isLong || isAgreed || polls > 0 ? undefined : wait(",
		caughtBy: ["test/unit/chain-reconcile.test.ts"],
	},
	{
		name: "older-span-closed-in-place",
		wrong: "what an older generation shows changes",
		file: "src/memory/span-changes.ts",
		find: "	if (open.fromGen === at.generation) {\n		if (open.fromBlock",
		plant: "	if (open.fromGen <= at.generation) {\n		if (open.fromBlock",
		caughtBy: ["test/property/spans.test.ts"],
	},
	{
		name: "forget-to-reopen",
		wrong: "what was overwritten on the lost branch does not come back",
		file: "src/memory/span-changes.ts",
		find: "if (span.toBlock === end || span.toBlock <= to.ancestor) return KEEP;",
		plant: "if (span.toBlock === end || span.toBlock >= 0n) return KEEP;",
		caughtBy: ["test/property/spans.test.ts"],
	},
	{
		name: "copy-lost-at-overwrite",
		wrong: "an overwritten memory is gone below the overwrite as well",
		file: "src/memory/span-changes.ts",
		find: "	return { ...open, toBlock: at.height, fromGen: at.generation, toGen: FOREVER };",
		plant: "	return undefined;",
		caughtBy: ["test/property/spans.test.ts"],
	},
	{
		name: "pointer-before-the-write",
		wrong: "a crash between them leaves vectors that no search finds",
		file: "src/writer/vector-flusher.ts",
		find: "const written = rows.length === 0 ? base : await tables.append(target.table, base, rows);",
		plant:
			"if (!(await this.#move(target, pointer, { tableVersion: base + 1n, versionId: upTo, at: 0 }))) return undefined;\n		pointer = { tableVersion: base + 1n, versionId: upTo, at: 0 };\n		const written = rows.length === 0 ? base : await tables.append(target.table, base, rows);",
		caughtBy: [SIMULATION, "test/integration/vector-flusher.test.ts"],
	},
	{
		name: "lance-version-check-skipped",
		wrong: "a stale writer's rows slip in under a pointer",
		file: "src/vectors/lance-tables.ts",
		find: "return BigInt(version) === start + 1n ? BigInt(version) : undefined;",
		plant: "return BigInt(version) === start ? undefined : BigInt(version);",
		caughtBy: ["test/integration/lance-tables.test.ts"],
	},
	{
		name: "pointer-moved-past-its-fence",
		wrong: "a flush of a process that lost the chain moves the pointer",
		file: "src/store/writing/postgres-flush-store.ts",
		find: "fence = ${move.fence}",
		plant: "fence >= 0 * ${move.fence}",
		caughtBy: [CONFORMANCE, "test/chaos/zombies.test.ts"],
	},
	{
		name: "job-acknowledged-before-the-effect",
		wrong: "a worker that dies takes its job with it",
		file: "src/queue/rollback-processor.ts",
		find: "	const outcome = await runHandler(job, handler);\n",
		plant:
			'	void runHandler(job, handler).catch(() => undefined);\n	const outcome: RollbackJobOutcome = await Promise.resolve({ type: "done" });\n',
		caughtBy: ["test/integration/queue.test.ts"],
	},
	{
		name: "outbox-skipped",
		wrong: "a recorded rollback has no job",
		file: "src/store/writing/rollback-moves.ts",
		find: "tx`insert into outbox (topic, payload) values (${ROLLBACK_TOPIC}, ${toJson({ ...job })})`,",
		plant: "",
		caughtBy: [CONFORMANCE],
	},
	{
		name: "generation-read-twice",
		wrong: "one answer mixes two generations",
		file: "src/store/database.ts",
		find: "isolation level repeatable read",
		plant: "isolation level read committed",
		caughtBy: ["test/integration/readers-rollback.test.ts"],
	},
	{
		name: "superseded-changes-merged",
		wrong: "what was prepared for a branch that lost is committed",
		file: "src/store/writing/postgres-rollback-store.ts",
		find: "and state = 'prepared' and not paused`;",
		plant: "and not paused`;",
		caughtBy: [CONFORMANCE],
	},
	{
		name: "attempt-not-checked",
		wrong: "an attempt that was overtaken leaves its change set",
		file: "src/store/writing/postgres-rollback-store.ts",
		find: "					done = total, stage_started_at = null\n				where rollback_id = ${commit.rollbackId} and attempt = ${commit.attempt}",
		plant:
			"					done = total, stage_started_at = null\n				where rollback_id = ${commit.rollbackId} and attempt >= ${commit.attempt}",
		caughtBy: [CONFORMANCE],
	},
	{
		name: "base-position-not-checked",
		wrong: "a change set is merged into a state that it was not made for",
		file: "src/rollback/coordinator.ts",
		find: "if (batch.basePosition !== state.logPosition) throw movedOn(",
		plant: "if (batch.basePosition > state.logPosition) throw movedOn(",
		caughtBy: ["test/unit/rollback-moved-on.test.ts", SIMULATION],
	},
	{
		name: "verification-skipped",
		wrong: "damaged rows become what the new generation stands on",
		file: "src/rollback/rewind.ts",
		find: "	if (differing.length === 0) return;",
		plant: "	if (differing.length >= 0) return;",
		caughtBy: [
			"test/integration/rollback-limits.test.ts",
			"test/integration/rollback-strategies.test.ts",
		],
	},
	{
		name: "suspended-never-judged-again",
		wrong: "what was withdrawn does not come back with its transaction",
		file: "src/rollback/replay.ts",
		find: '		case "suspended":\n			return true;',
		plant: '		case "suspended":\n			return false;',
		caughtBy: [PROVENANCE],
	},
	{
		name: "waiting-not-read-again",
		wrong: "later blocks do not look for what is waited for",
		file: "src/writer/chain-writer.ts",
		find: "if (this.#movesWaiting(batch)) this.#waiting = await this.#readWaiting();",
		plant: "if (this.#lost) this.#waiting = await this.#readWaiting();",
		caughtBy: [SIMULATION, "test/integration/reorg-anchors.test.ts"],
	},
	{
		name: "slots-may-fall",
		wrong: "a patch takes effect before the put that it patches",
		file: "src/memory/judge.ts",
		find: "for (const bound of [own, groundSlot]) if (bound > this.#floor) this.#floor = bound;\n		return this.#floor;",
		plant: "this.#floor = own > groundSlot ? own : groundSlot;\n		return this.#floor;",
		caughtBy: ["test/unit/memory-judge.test.ts", PROVENANCE],
	},
	{
		name: "anchors-of-the-lost-branch-kept",
		wrong: "what rests on an orphaned block stays believed",
		file: "src/memory/anchors.ts",
		find: "anchor.place !== undefined && anchor.place.height > ancestor\n			? { ...anchor, place: undefined }",
		plant:
			"anchor.place !== undefined && anchor.place.height < ancestor - ancestor\n			? { ...anchor, place: undefined }",
		caughtBy: [PROVENANCE],
	},
	{
		name: "inbox-not-held",
		wrong: "the state moves under a rollback that is being prepared",
		file: "src/follower/rollback-rounds.ts",
		find: "		writer.hold();\n",
		plant: "",
		caughtBy: [SIMULATION, "test/integration/reorg-operations.test.ts"],
	},
	{
		name: "unknown-outcome-taken-for-failure",
		wrong: "after a commit whose answer was lost the writer goes on from the state before it",
		file: "src/writer/chain-writer.ts",
		find: "		this.#stale = true;\n		this.#options.workingMemory?.changing(",
		plant: "		this.#stale = false;\n		this.#options.workingMemory?.changing(",
		caughtBy: [SIMULATION],
	},
	{
		name: "idempotency-key-not-kept",
		wrong: "a repeated request is applied twice",
		file: "src/store/writing/postgres-inbox-store.ts",
		find: "	return count === 1 ? undefined : findEarlier(tx, chainId, idempotency);",
		plant: "	return count >= 0 ? undefined : findEarlier(tx, chainId, idempotency);",
		caughtBy: [CONFORMANCE, "test/integration/memory-verbs.test.ts"],
	},
	{
		name: "copy-not-taken-away-before-the-commit",
		wrong: "working memory answers what a commit has overwritten",
		file: "src/cache/hot-chain.ts",
		find: "		this.#isChanging = true;\n		void this.#takeAway(keys);",
		plant: "		this.#isChanging = keys.length < 0;",
		caughtBy: ["test/unit/hot-chain.test.ts"],
	},
	{
		name: "pointers-not-set-back",
		wrong: "search finds vectors of the lost branch",
		file: "src/store/writing/rollback-moves.ts",
		find: "tx`update collections set table_version = ${pointer.tableVersion},\n						pointer_version_id = ${pointer.versionId},",
		plant:
			"tx`update collections set table_version = table_version + 0 * ${pointer.tableVersion},\n						pointer_version_id = pointer_version_id + 0 * ${pointer.versionId},",
		caughtBy: [CONFORMANCE, REAL_SIMULATION],
	},
	{
		name: "orphaned-blocks-stay-canonical",
		wrong: "two blocks stand at one height of one generation",
		file: "src/store/writing/rollback-moves.ts",
		find: "tx`update blocks set to_gen = ${next} where",
		plant: "tx`update blocks set to_gen = to_gen + 0 * ${next} where",
		caughtBy: [CONFORMANCE, "test/integration/reorg-depth.test.ts"],
	},
	{
		name: "finality-goes-back",
		wrong: "a node that reports less lets forks in below what was final",
		file: "src/chain/finality.ts",
		find: "const finalized = higher(previous.finalized, lower(marked, safeMark));",
		plant: "const finalized = higher(0n, lower(marked, safeMark));",
		caughtBy: ["test/unit/chain-finality.test.ts"],
	},
	{
		name: "orphan-marked-as-final",
		wrong: "a tag that is answered after the head moved makes an orphaned block final, for good",
		file: "src/follower/finality-marks.ts",
		find: "if (tag === undefined || tag.number <= tip.number) return tag;",
		plant: "if (tag === undefined || tag.number > 0n) return tag;",
		caughtBy: ["test/unit/extension-finality.test.ts"],
	},
	{
		name: "moved-branch-committed",
		wrong: "a rollback to a branch that the node has left is committed",
		file: "src/rollback/coordinator.ts",
		find: "if (!isWanted) return false;",
		plant: "",
		caughtBy: [SIMULATION, "test/integration/reorg-schedule.test.ts"],
	},
	{
		name: "live-claim-taken",
		wrong: "two processes prepare one attempt",
		file: "src/store/writing/postgres-rollback-store.ts",
		find: 'if (other && row.live && !this.#isGone(row.claim_holder ?? "")) return undefined;',
		plant: 'if (other && row.live && row.claim_holder === "") return undefined;',
		caughtBy: [CONFORMANCE],
	},
	{
		name: "no-sweep",
		wrong: "a rollback whose job was wiped stands for ever",
		file: "src/store/writing/outbox.ts",
		find: "where state in ('recorded', 'running', 'prepared') and not paused",
		plant: "where state in ('nothing') and not paused",
		caughtBy: ["test/integration/rollback-sweep.test.ts"],
	},
	{
		name: "silent-transaction-keeps-its-locks",
		wrong: "a process that stands still keeps everybody from the lease",
		file: "src/store/database.ts",
		find: "const BEGIN = `begin; set local idle_in_transaction_session_timeout = ${TRANSACTION_IDLE_MS}`;",
		plant:
			"const BEGIN = `begin; set local idle_in_transaction_session_timeout = ${0 * TRANSACTION_IDLE_MS}`;",
		caughtBy: ["test/chaos/zombies.test.ts"],
	},
	{
		name: "paused-and-committed",
		wrong: "what an operator paused is committed",
		file: "src/store/writing/postgres-rollback-store.ts",
		find: "and state = 'prepared' and not paused`;",
		plant: "and state = 'prepared'`;",
		caughtBy: [CONFORMANCE],
	},
	{
		name: "deaths-are-not-counted",
		wrong: "what ends every process that works on it is taken over for ever",
		file: "src/rollback/attempt-failure.ts",
		find: "if (takeovers < LIMITS.rollbackTakeovers) return undefined;",
		plant: "if (takeovers < LIMITS.rollbackTakeovers * 1_000) return undefined;",
		caughtBy: ["test/simulation/conformance/fakes.test.ts", CONFORMANCE],
	},
	{
		name: "halt-told-to-nobody",
		wrong: "a chain halts and no receiver of webhooks hears of it",
		file: "src/store/writing/record-halt.ts",
		find: "if (before === now || said === undefined || receivers.length === 0) return;",
		plant: "if (before === now || said !== undefined || receivers.length === 0) return;",
		caughtBy: ["test/integration/halt-webhooks.test.ts"],
	},
	{
		name: "quorum-of-one",
		wrong: "one provider's word takes back what was final",
		file: "src/recovery/quorum.ts",
		find: "largest.length < needed",
		plant: "largest.length < 1",
		caughtBy: ["test/unit/recovery-quorum.test.ts"],
	},
	{
		name: "anchor-below-the-window-believed",
		wrong: "what waited while its block was orphaned and became final is admitted",
		file: "src/writer/assemble.ts",
		find: "return heights.size === 0 ? new Map() : store.blockHashes(",
		plant: "return heights.size >= 0 ? new Map() : store.blockHashes(",
		caughtBy: ["test/simulation/found.test.ts"],
	},
];
