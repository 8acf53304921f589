/**
 * Random calls of every port, one after the other, as several processes would make them: some in order, many
 * too late, with old fences, of attempts that were overtaken. On two stores at once every answer is
 * compared, and every row from time to time.
 */

import type { BlockHeader } from "../../../src/domain/block.ts";
import { RecantError } from "../../../src/domain/errors.ts";
import type { RollbackId } from "../../../src/domain/ids.ts";
import { LAYERS } from "../../../src/domain/layer.ts";
import { linkId } from "../../../src/domain/link.ts";
import type { OperationStatus } from "../../../src/domain/operation.ts";
import { toWire } from "../../../src/memory/operation-codec.ts";
import { ROLLBACK_ORDERS } from "../../../src/rollback/orders.ts";
import { NO_COUNTS, type RollbackRecord, STAGES } from "../../../src/rollback/rollback-record.ts";
import type { Random } from "../../support/random.ts";
import { operationId, stored } from "./look-up-cases.ts";
import { RandomSnapshots } from "./random-snapshots.ts";
import { CHAIN, hashOf, keyOf, NAMESPACE, rollbackId, type Said, Scribe, uuid } from "./scribe.ts";
import { shadowRow } from "./shadow-cases.ts";
import { GONE, type StoresUnderTest } from "./stores-under-test.ts";

const IDS = ["a", "b", "c", "d"] as const;
const HOLDERS = ["one", "two", GONE] as const;
const COLLECTIONS = ["notes", "other"] as const;
const PROBLEM = { code: "rpc_failed", message: "no answer", hint: "try again" };
/** Calls between two looks at every row. */
const LOOK_EVERY = 25;

export class RandomCalls {
	readonly #stores: StoresUnderTest;
	readonly #random: Random;
	readonly #scribe: Scribe;
	readonly #steps: readonly (() => Promise<unknown>)[];
	/** How often each kind of call took effect, or was refused. */
	readonly seen = new Map<string, number>();
	readonly #snapshots: RandomSnapshots;
	#operations = 0;
	#rollbacks = 0;
	#branches = 0;

	private constructor(stores: StoresUnderTest, random: Random, scribe: Scribe) {
		this.#stores = stores;
		this.#random = random;
		this.#scribe = scribe;
		const often = [this.#commit, this.#commit, this.#look, this.#work, this.#work, this.#record];
		const seldom = [this.#lease, this.#late, this.#submit, this.#admit, this.#look];
		this.#snapshots = new RandomSnapshots(stores, random, scribe);
		const rare = [this.#order, this.#flush, this.#shadow, this.#retain, this.#pass, this.#task];
		const snapshots = [this.#snapshot, this.#snapshot, this.#import];
		this.#steps = [...often, ...often, ...seldom, ...rare, ...snapshots].map(
			(step) => () => step(),
		);
	}

	static async begin(stores: StoresUnderTest, random: Random): Promise<RandomCalls> {
		const scribe = await Scribe.open(stores);
		for (const name of COLLECTIONS) {
			await stores.ports.inbox.ensureCollection(CHAIN, { name, model: "m", dimensions: 1 });
		}
		return new RandomCalls(stores, random, scribe);
	}

	async run(calls: number): Promise<void> {
		for (let count = 1; count <= calls; count += 1) {
			const step = this.#random.oneOf(this.#steps);
			await this.#survive(step);
			if (count % LOOK_EVERY === 0) await this.#stores.dump();
		}
		await this.#stores.dump();
	}

	/** What is refused on purpose is part of it; the scribe then reads where the chain stands. */
	async #survive(step: () => Promise<unknown>): Promise<void> {
		try {
			await step();
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			this.#count(`refused: ${error.code}`);
			await this.#refresh();
		}
	}

	#count(what: string): void {
		this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
	}

	async #refresh(): Promise<readonly BlockHeader[]> {
		const { state, window } = await this.#stores.ports.writer.loadChain(CHAIN);
		const { fence, generation, logPosition, versionSeq, head, safe, finalized } = state;
		Object.assign(this.#scribe, { fence, generation, head, versionSeq, position: logPosition });
		this.#scribe.pointers = state.pointers;
		this.#scribe.finality =
			safe === undefined || finalized === undefined ? undefined : { safe, finalized };
		return window;
	}

	#said(): Said {
		const random = this.#random;
		const puts = Array.from({ length: random.between(0, 3) }, () => this.#put());
		const one = [...new Map(puts.map((put) => [put.id, put])).values()];
		const vectors = Object.fromEntries(IDS.map((id) => [id, [random.between(0, 9)]]));
		return { puts: one, vectors, seals: random.between(0, 2) };
	}

	#put(): NonNullable<Said["puts"]>[number] {
		const random = this.#random;
		const id = random.oneOf(IDS);
		if (random.chance(0.15)) return { id, content: undefined };
		if (random.chance(0.15)) return this.#link(id);
		const slot = this.#scribe.pending;
		const life = BigInt(random.between(1, 6));
		const end = random.between(0, 3);
		return {
			id,
			layer: random.oneOf(LAYERS),
			content: { says: random.between(0, 2) },
			text: random.chance(0.5) ? "some text" : undefined,
			collection: random.chance(0.5) ? random.oneOf(COLLECTIONS) : undefined,
			expiresBlock: end === 0 ? slot + life : undefined,
			expiresTime: end === 1 ? 1_000n + (slot + life) * 12n : undefined,
			suspect: random.chance(0.2),
			grounds: random.chance(0.3) ? slot : undefined,
			contentHash: hashOf(`${random.between(0, 2)}`),
		};
	}

	#link(from: string): NonNullable<Said["puts"]>[number] {
		const to = this.#random.oneOf(IDS);
		const end = (id: string) => ({ namespace: NAMESPACE, id });
		const name = { from: end(from), type: "knows", to: end(to) };
		return { id: linkId(name), content: { ...name, weight: 1 } };
	}

	readonly #commit = async () => {
		const said = this.#said();
		const head = this.#scribe.head?.number ?? 0n;
		const finalized = head > 4n && this.#random.chance(0.3) ? head - 4n : undefined;
		await this.#scribe.commit(
			finalized === undefined ? said : { ...said, finality: { safe: finalized, finalized } },
		);
		this.#count("commit");
	};

	/** With an old fence, generation or position. */
	readonly #late = async () => {
		const batch = await this.#scribe.batch(this.#said());
		const { fence, generation } = this.#scribe.expected;
		const kind = this.#random.between(0, 3);
		const expected = {
			fence: kind === 0 ? fence - 1n : fence,
			generation: kind === 1 ? generation + 1n : generation,
		};
		const basePosition = kind === 2 ? batch.basePosition - 1n : batch.basePosition;
		await this.#stores.ports.writer.commit({ ...batch, basePosition }, expected);
		this.#scribe.took(batch);
		this.#count("commit");
	};

	readonly #lease = async () => {
		const { writer } = this.#stores.ports;
		const random = this.#random;
		const fence = this.#scribe.fence - BigInt(random.between(0, 1));
		const lease = { chainId: CHAIN, fence, ttlMs: 20_000 };
		switch (random.between(0, 4)) {
			case 0:
				return writer.renewLease(lease);
			case 1:
				return writer.releaseLease(CHAIN, fence);
			case 2:
				return writer
					.halt(CHAIN, fence, random.chance(0.5) ? PROBLEM : undefined)
					.then(() => this.#refresh());
			case 3:
				return writer.settleFinal(CHAIN, fence, this.#finality()).then(() => this.#refresh());
			default:
				await writer.acquireLease(CHAIN, random.oneOf(HOLDERS), 20_000);
				return random.chance(0.7) ? this.#refresh() : undefined;
		}
	};

	#finality() {
		const head = this.#scribe.head?.number ?? 0n;
		const finalized = head - BigInt(this.#random.between(0, 5));
		return { safe: finalized < 0n ? 0n : finalized, finalized: finalized < 0n ? 0n : finalized };
	}

	readonly #submit = async () => {
		const random = this.#random;
		const sources = random.chance(0.3)
			? [[{ namespace: NAMESPACE, id: "a", contentHash: hashOf("1") }]]
			: [];
		const entry = Array.from({ length: random.between(1, 2) }, () => {
			this.#operations += 1;
			return stored(operationId(this.#operations), { sources });
		});
		const caller = random.oneOf(["", "somebody"]);
		const key = `${random.between(0, 5)}`;
		const bodyHash = Buffer.from(hashOf(`${random.between(0, 1)}`).slice(2), "hex");
		const idempotency = random.chance(0.5) ? { key, bodyHash, caller } : undefined;
		const mostWaiting = random.between(2, 30);
		await this.#stores.ports.inbox.submit({
			chainId: CHAIN,
			entries: [entry],
			idempotency,
			caller,
			mostWaiting,
		});
		this.#count("submit");
	};

	readonly #snapshot = async () => {
		this.#count(await this.#snapshots.write());
		await this.#snapshots.read();
	};

	/** Rarely: it is another chain from there on. */
	readonly #import = async () => {
		if (!this.#random.chance(0.15)) return;
		if (await this.#snapshots.replace()) this.#count("import");
		await this.#refresh();
	};

	/** Settles what waits, or judges what was admitted before. */
	readonly #admit = async () => {
		const [entry] = await this.#stores.ports.writer.inbox(CHAIN, 5);
		const open = await this.#stores.ports.writer.openOperations(CHAIN, { judgedAbove: 0n });
		const again = open.filter(() => this.#random.chance(0.4));
		const fresh = entry?.operations ?? [];
		const base = this.#scribe.position;
		await this.#scribe.commit({
			settles: entry === undefined ? [] : [entry.entryId],
			log: fresh.map((each) => ({
				kind: "operation" as const,
				operationId: each.operationId,
				body: JSON.stringify(toWire(each)),
			})),
			operations: [
				...fresh.map((each, index) => this.#update(each.operationId, base + BigInt(index + 1))),
				...again.map((each) => this.#update(each.stored.operationId, each.position)),
			],
		});
		this.#count("admit");
	};

	#update(id: ReturnType<typeof operationId>, position: bigint) {
		const random = this.#random;
		const statuses = ["applied", "applied", "suspended", "recanted", "refused"] as const;
		const status: Exclude<OperationStatus, "queued"> = random.oneOf(statuses);
		const slot = this.#scribe.pending;
		const blockHash = hashOf("anchor");
		const place = random.chance(0.5) ? { blockHash, height: slot } : undefined;
		const anchor = { kind: "block" as const, blockHash, place };
		return {
			operationId: id,
			status,
			reason: status === "applied" ? undefined : { code: "anchor_absent", message: "gone" },
			position,
			originalSlot: slot,
			effectiveSlot: status === "applied" ? slot : undefined,
			judgedSlot: slot,
			versionId: random.chance(0.5) ? this.#scribe.versionSeq : undefined,
			suspect: status === "applied" && random.chance(0.3),
			anchors: { mode: "all" as const, anchors: random.chance(0.5) ? [anchor] : [] },
		};
	}

	/** A fork is seen: recorded, alone or in the place of the one under way. */
	readonly #record = async () => {
		const ancestor = await this.#ancestor();
		if (ancestor === undefined) return;
		const { rollbacks } = this.#stores.ports;
		const active = await rollbacks.active(CHAIN);
		this.#rollbacks += 1;
		const fresh = this.#scribe.newRollback(rollbackId(this.#rollbacks), ancestor);
		const cause = this.#random.oneOf(["reorg", "manual"] as const);
		const supersedes = this.#random.chance(0.6) ? active?.rollbackId : this.#anyRollback();
		await rollbacks.record({ ...fresh, cause }, this.#random.chance(0.9) ? supersedes : undefined);
		this.#count("record");
	};

	async #ancestor(): Promise<BlockHeader | undefined> {
		const window = (await this.#refresh()).slice(0, -1);
		return window.length === 0 ? undefined : this.#random.oneOf(window);
	}

	#anyRollback(): RollbackId | undefined {
		return this.#rollbacks === 0 ? undefined : rollbackId(this.#random.between(1, this.#rollbacks));
	}

	/** One step of whoever works on a rollback. */
	readonly #work = async () => {
		const { rollbacks } = this.#stores.ports;
		const random = this.#random;
		const active = await rollbacks.active(CHAIN);
		const id = random.chance(0.8) ? active?.rollbackId : this.#anyRollback();
		const record = id === undefined ? undefined : await rollbacks.load(id);
		if (record === undefined) return;
		const attempt = random.chance(0.85) ? record.attempt : record.attempt - 1;
		const stage = random.oneOf(STAGES);
		const progress = { stage, done: random.between(0, 5), total: 5, stageMs: { plan: 1 } };
		const { rollbackId: of } = record;
		const keepsPrepared = random.chance(0.5);
		const steps: readonly (() => Promise<unknown>)[] = [
			() => rollbacks.claim(of, random.oneOf(HOLDERS), 15_000),
			() => rollbacks.claim(of, random.oneOf(HOLDERS), 15_000),
			() => rollbacks.renewClaim(of, attempt, 15_000),
			() => rollbacks.begin(of, attempt, progress),
			() => rollbacks.progress(of, attempt, progress),
			() => rollbacks.planned(of, attempt, { strategy: "rewind", reason: "few" }),
			() => this.#prepare(of, attempt),
			() => this.#prepare(of, attempt),
			() => rollbacks.parts(of, attempt),
			() => this.#commitRollback(of, attempt),
			() => this.#commitRollback(of, attempt),
			() => rollbacks.release(of, attempt, { failure: PROBLEM, keepsPrepared }),
			() => rollbacks.fail(of, attempt, { stage, error: PROBLEM, keepsPrepared }),
		];
		await (random.chance(0.6) ? this.#onward(record) : random.oneOf(steps)());
		if (random.chance(0.02)) await rollbacks.cancel(of, attempt);
	};

	/** What comes next of a rollback that nothing holds up. */
	async #onward({ rollbackId: of, attempt, state, paused }: RollbackRecord): Promise<void> {
		const { rollbacks } = this.#stores.ports;
		if (paused) await rollbacks.order(of, "resume");
		else if (state === "running") await this.#prepare(of, attempt);
		else if (state === "prepared") await this.#commitRollback(of, attempt);
		else await rollbacks.claim(of, this.#random.oneOf(HOLDERS), 15_000);
	}

	#prepare(of: RollbackId, attempt: number): Promise<void> {
		const parts = [{ part: "changes", seq: 0, body: "{}" }].slice(this.#random.between(0, 1));
		const counts = { ...NO_COUNTS, replayed: this.#random.between(0, 3) };
		return this.#stores.ports.rollbacks.prepared(of, attempt, { parts, counts });
	}

	async #commitRollback(of: RollbackId, attempt: number): Promise<void> {
		const { rollbacks } = this.#stores.ports;
		const window = await this.#refresh();
		const record = await rollbacks.load(of);
		const ancestor = window.find(({ hash }) => hash === record?.ancestor.hash);
		if (ancestor === undefined) return;
		this.#branches += 1;
		this.#scribe.branch = `branch ${this.#branches}`;
		const said = this.#said();
		const commit = await this.#scribe.rollbackCommit(
			{ rollbackId: of, attempt },
			{ ancestor, said },
		);
		const pointer = { tableVersion: 1n, versionId: 0n, at: 1_767_000_000_000 };
		const shadow = this.#random.chance(0.3) ? await this.#restored(of, ancestor) : undefined;
		const changes = { closeBlock: [], closeGen: [], insert: [], newMemories: [] };
		const batch =
			shadow === undefined
				? commit.batch
				: { ...commit.batch, changes, vectors: [], derivations: [] };
		const pointers = this.#random.chance(0.5) ? { notes: pointer } : {};
		await rollbacks.commit({ ...commit, batch, pointers, shadow });
		this.#scribe.took(batch);
		this.#count(shadow === undefined ? "rollback" : "restore");
	}

	async #restored(of: RollbackId, ancestor: BlockHeader) {
		const { shadows, restored } = this.#stores.ports;
		const shadow = {
			shadowId: uuid(1_000 + this.#branches),
			chainId: CHAIN,
			purpose: "rollback" as const,
			ownerId: of,
			height: ancestor.number,
		};
		await shadows.begin(shadow);
		await shadows.put(shadow.shadowId, this.#shadowRows(ancestor.number));
		await restored.settle(shadow, this.#scribe.generation + 1n);
		return shadow;
	}

	#shadowRows(height: bigint) {
		const random = this.#random;
		// No version is of two memories: which of them comes first would be open.
		const idOf = (id: (typeof IDS)[number]) =>
			BigInt(random.between(0, 2) * 4 + IDS.indexOf(id) + 1);
		return IDS.filter(() => random.chance(0.5)).map((id) =>
			shadowRow(id, idOf(id), {
				fromBlock: height - BigInt(random.between(0, Number(height))),
				fromGen: this.#scribe.generation + 1n,
				content: random.chance(0.8) ? { restored: id } : undefined,
				expiresBlock: random.chance(0.2) ? height + BigInt(random.between(0, 4)) : undefined,
				collection: random.chance(0.5) ? "notes" : undefined,
				vector: random.chance(0.5) ? Float32Array.of(random.between(0, 9)) : undefined,
				layer: random.oneOf(LAYERS),
			}),
		);
	}

	/** A state that is built beside, by somebody. */
	readonly #shadow = async () => {
		const { shadows, restored } = this.#stores.ports;
		const random = this.#random;
		const owner = random.between(1, 2);
		const height = this.#scribe.head?.number ?? 0n;
		const shadow = {
			shadowId: uuid(2_000 + owner * 10 + random.between(0, 1)),
			chainId: CHAIN,
			purpose: "import" as const,
			ownerId: uuid(900 + owner),
			height,
		};
		if (random.chance(0.4)) await shadows.begin(shadow);
		await shadows.put(shadow.shadowId, this.#shadowRows(height));
		const layer = random.oneOf(LAYERS);
		await shadows.remove(shadow.shadowId, [{ layer, memoryKey: keyOf(random.oneOf(IDS)) }]);
		if (random.chance(0.5)) await restored.settle(shadow, this.#scribe.generation);
		await restored.latestVersions(shadow, IDS.map(keyOf));
		await restored.population(shadow, { namespace: NAMESPACE, layers: LAYERS, limit: 9 });
		const until = { at: height, expiringTo: height + 2n, expiringTime: 1_100n };
		await restored.believedOtherwise(shadow, { ...until, after: undefined, limit: 9 });
		await restored.unembedded(shadow, { anew: random.chance(0.5), after: undefined, limit: 9 });
		await restored.vectors(shadow, [1n, 2n, 3n]);
		await shadows.expiring(shadow.shadowId, { above: height, to: height + 2n, time: 1_100n });
		await shadows.page(shadow.shadowId, { after: undefined, limit: 3 });
		if (random.chance(0.2)) await shadows.drop(shadow.shadowId);
		this.#count("shadow");
	};

	readonly #order = async () => {
		const id = this.#anyRollback();
		if (id === undefined) return;
		await this.#stores.ports.rollbacks.order(id, this.#random.oneOf(ROLLBACK_ORDERS));
		this.#count("order");
	};

	readonly #task = async () => {
		const { tasks, rollbacks } = this.#stores.ports;
		const random = this.#random;
		const active = await rollbacks.active(CHAIN);
		if (active === undefined) return;
		const of = { rollbackId: active.rollbackId, attempt: active.attempt };
		if (random.chance(0.3) && (await tasks.open(of, 3)).open === 0) await tasks.add(of, ["x", "y"]);
		const by = { holder: random.oneOf(HOLDERS), ttlMs: 5_000, mostTakes: 3 };
		const taken = await tasks.take(of, by);
		const claim = taken && { ...taken, take: taken.take - random.between(0, 1) };
		const how = random.oneOf(["done", "giveBack", "nothing"] as const);
		if (claim !== undefined && how !== "nothing") await tasks[how](claim);
		await tasks.open(of, 3);
		await tasks.waiting(5);
		this.#count("task");
	};

	readonly #flush = async () => {
		const { flush } = this.#stores.ports;
		const random = this.#random;
		for (const { name, pointer, tail } of await flush.targets(CHAIN)) {
			const query = { collection: name, above: pointer.versionId, limit: random.between(1, 4) };
			const { upTo } = await flush.rows(CHAIN, query);
			const version = pointer.tableVersion + 1n;
			const to = {
				tableVersion: version,
				versionId: upTo,
				at: 1_767_000_000_000 + Number(version),
			};
			const from = random.chance(0.8) ? pointer : { ...pointer, tableVersion: version };
			const { fence } = this.#scribe;
			const move = { chainId: CHAIN, ...this.#scribe.expected, collection: name, from, to };
			await flush.movePointer({ ...move, fence: random.chance(0.9) ? fence : fence - 1n });
			await flush.oldestNamed(CHAIN, name);
			if (tail > 0) this.#count("flush");
		}
		await this.#refresh();
	};

	readonly #retain = async () => {
		const { retention, logCutter } = this.#stores.ports;
		const random = this.#random;
		const head = this.#scribe.head?.number ?? 0n;
		const orphansBelow = head - BigInt(random.between(0, 6));
		const floor = head - BigInt(random.between(2, 6));
		await retention.prune(CHAIN, this.#scribe.fence, { orphansBelow, floor });
		if (random.chance(0.3)) await logCutter.cutLog(CHAIN, this.#scribe.fence, random.between(1, 9));
		this.#count("retain");
	};

	readonly #pass = async () => {
		await this.#stores.pass(this.#random.between(1, 4) * 7_000);
	};

	readonly #look = async () => {
		const { writer, rollbacks, outbox, log, inbox, flush } = this.#stores.ports;
		const random = this.#random;
		const height = BigInt(random.between(0, Number(this.#scribe.pending) + 1));
		const keys = IDS.map(keyOf);
		const source = {
			namespace: NAMESPACE,
			id: random.oneOf(IDS),
			contentHash: hashOf(`${random.between(0, 2)}`),
		};
		const asked = { namespace: NAMESPACE, height, limit: 99 };
		const positions = [{ namespace: NAMESPACE, id: "a", position: BigInt(random.between(0, 20)) }];
		const looks: readonly (() => Promise<unknown>)[] = [
			() => writer.loadChain(CHAIN),
			() => writer.latestVersions(CHAIN, keys),
			() =>
				writer.expiring(CHAIN, {
					above: height,
					to: height + 2n,
					since: 0n,
					time: 1_000n + height * 12n,
				}),
			() => writer.expiryTimes(CHAIN, 1_000n + height * 12n),
			() => writer.heldSources(CHAIN, [source], height),
			() => writer.population(CHAIN, { ...asked, layers: [random.oneOf(LAYERS), "semantic"] }),
			() => writer.writingOrder(CHAIN, asked),
			() => writer.linksFrom(CHAIN, { keys: [keyOf("a")], type: "knows", limit: 99 }),
			() => writer.nextPuts(CHAIN, positions, height),
			() => writer.openOperations(CHAIN, { judgedAbove: random.chance(0.5) ? height : undefined }),
			() => writer.vectors(CHAIN, [1n, 2n, 3n, 4n, 5n]),
			() => this.#leaves(),
			() => rollbacks.touched(CHAIN, { ancestor: height, to: height + 3n, limit: 99 }),
			() => rollbacks.versionsAround(CHAIN, keys, height),
			() => rollbacks.checkpoint(CHAIN, height),
			() => rollbacks.block(CHAIN, height),
			() => rollbacks.failedForks(CHAIN, this.#scribe.generation),
			() => outbox.waiting(),
			() => outbox.unattended(10_000),
			() => outbox.forget(BigInt(random.between(1, 20))),
			() => log.entries(CHAIN, { above: height, to: height + 20n, limit: 10 }),
			() => log.rollbacks(CHAIN),
			() => inbox.operations(CHAIN, [operationId(random.between(1, this.#operations + 1))]),
			() => inbox.tailRows(CHAIN),
			() => flush.targets(CHAIN),
		];
		await random.oneOf(looks)();
	};

	async #leaves(): Promise<void> {
		for await (const piece of this.#stores.ports.writer.leaves(CHAIN)) {
			if (piece.bytes.length === 0) throw new RangeError("an empty piece of leaves");
		}
	}
}
