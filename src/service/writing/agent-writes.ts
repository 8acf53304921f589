/**
 * Takes agents' operations in: checks them, looks their anchors up, makes them durable, and waits for
 * the commit as long as the caller does.
 *
 * Acknowledged means committed and visible. When the deadline passes first the operations are durable
 * in the inbox and may still be refused.
 */
import { createHash, randomUUID } from "node:crypto";
import { type Caller, EVERYBODY } from "../../domain/caller.ts";
import { type Clock, systemClock } from "../../domain/clock.ts";
import { RecantError, RetryableError } from "../../domain/errors.ts";
import type { OperationId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { NO_ANCHORS, type Operation } from "../../domain/operation.ts";
import { type LossPolicy, NO_SOURCES, type Sources } from "../../domain/provenance.ts";
import type { ChainSource } from "../../follower/chain-source.ts";
import type { ChainSpec } from "../../follower/chain-spec.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { type StoredOperation, toWire } from "../../memory/operation-codec.ts";
import { withinTime } from "../../resilience/time-limit.ts";
import type { Embedder } from "../../vectors/embedder.ts";
import type { ChainWriter } from "../../writer/chain-writer.ts";
import type { CollectionChecks } from "../../writer/collection-checks.ts";
import { embeddedTexts } from "../../writer/embed-vectors.ts";
import type {
	InboxStore,
	OperationRecord,
	Submission,
	Submitted,
} from "../../writer/inbox-store.ts";
import { tailFull, type VectorFlusher } from "../../writer/vector-flusher.ts";
import { requireCollections } from "../access/collection-access.ts";
import { notFollowed } from "../chain-standing.ts";
import type { KnownSettings } from "../layers/known-settings.ts";
import { AnchorLookup, type AnchorsRequest } from "./anchor-lookup.ts";
import type { ChainElsewhere } from "./chain-elsewhere.ts";
import { validateWrites, type WriteChecks } from "./validate-writes.ts";
import { isolationProblem, ownerProblem, ruleProblem } from "./write-namespaces.ts";
import { givenUp, notWrittenHere, requireTakenIn } from "./write-problems.ts";
import { throwRefusal } from "./write-refusals.ts";

export interface AgentWrite {
	readonly operation: Operation;
	readonly anchors: AnchorsRequest;
	readonly sources: Sources;
	readonly policy: LossPolicy;
	/** Undefined: the policy is the namespace's. */
	readonly askedPolicy: LossPolicy | undefined;
	/** Where it stands in its request, such as `operations[2]`. */
	readonly path: string;
}

export interface AgentWritesOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	/** Undefined while this process does not write the chain. */
	readonly writer: () => ChainWriter | undefined;
	/** Meanwhile; undefined: nothing is written through a process that does not write itself. */
	readonly elsewhere?: ChainElsewhere | undefined;
	readonly inbox: InboxStore;
	readonly collections: CollectionChecks;
	/** Undefined while this process does not write the chain. */
	readonly flusher: () => Pick<VectorFlusher, "requireRoom"> | undefined;
	/** Its `prepare` is asked before anything is durable: an embedder that does not answer refuses the request. */
	readonly embedder?: Pick<Embedder, "prepare"> | undefined;
	/** What namespaces are told to do, and what is asked before anything is durable. */
	readonly settings: Pick<KnownSettings, "of" | "refresh">;
	readonly checks: Pick<WriteChecks, "look" | "schemas">;
	/** Looks at the node now: an anchor may be in a block that is about to be followed. */
	readonly poke: () => void;
	readonly clock?: Clock | undefined;
}

export interface Written {
	readonly committed: boolean;
	readonly repeated: boolean;
	readonly operations: readonly OperationRecord[];
	/** Why it is not committed, where that is known, and what helps; undefined: it is, or will be soon. */
	readonly hint: string | undefined;
}

/** Operations that Recant made, see `writeApart`. */
export interface MadeOperations {
	readonly entries: readonly (readonly Operation[])[];
	/**
	 * Those of them whose collection is still to be checked, and made. What a memory said once is in its
	 * collection since, and may say more than a request can: a text where only vectors are taken.
	 */
	readonly fresh: readonly Operation[];
}

export class AgentWrites {
	readonly #options: AgentWritesOptions;
	readonly #clock: Clock;

	constructor(options: AgentWritesOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	async write(request: {
		readonly writes: readonly AgentWrite[];
		readonly idempotencyKey: string | undefined;
		readonly deadlineMs: number;
		readonly caller?: Caller | undefined;
	}): Promise<Written> {
		const { inbox, spec } = this.#options;
		const deadline = this.#clock.now() + request.deadlineMs;
		const { idempotencyKey: key, caller = EVERYBODY } = request;
		const idempotency =
			key === undefined ? undefined : { key, bodyHash: hashOf(request.writes), caller: caller.id };
		// Before any check: what was taken in once is answered, whatever has become of its anchors since.
		const earlier = idempotency && (await inbox.earlier(spec.id, idempotency));
		const submitted =
			earlier ?? (await this.#submit(request.writes, { idempotency, caller }, deadline));
		const written = await this.#settled(submitted, deadline);
		if (submitted.type === "new") throwRefusal(written.operations);
		return written;
	}

	/**
	 * Takes in what Recant made itself of what memories said: entries that are admitted or refused each on its
	 * own, all durable in one transaction. `make` is not asked when the key was seen before. Operations
	 * that were refused are answered like all others.
	 */
	async writeApart(request: {
		readonly make: () => Promise<MadeOperations>;
		readonly idempotency: NonNullable<Submission["idempotency"]>;
		readonly deadlineMs: number;
		/** See Submission; a large restore needs the whole inbox, and is an operator's. */
		readonly mostWaiting?: number | undefined;
	}): Promise<Written> {
		const { inbox, spec } = this.#options;
		const earlier = await inbox.earlier(spec.id, request.idempotency);
		const submitted = earlier ?? (await this.#submitApart(request));
		return this.#settled(submitted, this.#clock.now() + request.deadlineMs);
	}

	/** Whether collections can take these; throws as `write` does, and makes none. */
	async checkCollections(operations: readonly Operation[]): Promise<void> {
		await this.#options.collections.check(operations);
	}

	async #submitApart({
		make,
		idempotency,
		mostWaiting,
	}: Omit<Parameters<AgentWrites["writeApart"]>[0], "deadlineMs">): Promise<Submitted> {
		const { inbox, spec, collections } = this.#options;
		await this.#requireOpen();
		const { entries: made, fresh } = await make();
		const operations = made.flat();
		for (const operation of operations) {
			const problem = ownerProblem(operation, spec.namespaces);
			if (problem !== undefined) throw problem;
		}
		await this.#requireRoom(operations);
		await collections.make(await collections.check(fresh));
		await this.#options.embedder?.prepare?.(await embeddedTexts(operations, collections));
		const entries = made.map((entry) =>
			entry.map((operation) => storedAs({ operation, ...ON_NOTHING })),
		);
		const { caller } = idempotency;
		const announced = this.#isElsewhere();
		return inbox.submit({ chainId: spec.id, entries, idempotency, caller, mostWaiting, announced });
	}

	/** What has become of it by the deadline. */
	async #settled(submitted: Submitted, deadline: number): Promise<Written> {
		const { inbox, spec, writer: find } = this.#options;
		const { operationIds } = submitted;
		const writer = find();
		if (writer !== undefined && writer.halted === undefined) {
			await untilDeadline(writer.drained(), deadline, this.#clock);
		}
		if (this.#isElsewhere()) await this.#settledElsewhere(operationIds, writer, deadline);
		const records = await inbox.operations(spec.id, operationIds);
		if (records.length < operationIds.length) throw givenUp(operationIds);
		const committed = records.every((record) => record.status !== "queued");
		return {
			committed,
			repeated: submitted.type === "repeated",
			operations: records,
			hint: committed ? undefined : await this.#hint(),
		};
	}

	/** `before`: this process wrote the chain when they were taken in, and so told nobody else of them. */
	async #settledElsewhere(
		operationIds: readonly OperationId[],
		before: ChainWriter | undefined,
		deadline: number,
	): Promise<void> {
		const { elsewhere } = this.#options;
		if (before !== undefined) elsewhere?.inboxDue();
		await elsewhere?.settled(operationIds, deadline - this.#clock.now());
	}

	/** Another process writes the chain, or none does. */
	#isElsewhere(): boolean {
		return this.#options.elsewhere !== undefined && this.#options.writer() === undefined;
	}

	/** Asked of what is not committed at its deadline. */
	async #hint(): Promise<string | undefined> {
		const { elsewhere, spec } = this.#options;
		if (elsewhere === undefined || !this.#isElsewhere()) return undefined;
		const { followedBy, halt } = await elsewhere.standing();
		if (halt !== undefined) return `chain "${spec.name}" is halted: ${halt.message}; ${halt.hint}`;
		if (followedBy !== undefined) return undefined;
		const { message, hint } = notFollowed(spec.name);
		return `${message}: ${hint}`;
	}

	async #submit(
		writes: readonly AgentWrite[],
		{ idempotency, caller }: Pick<Submission, "idempotency"> & { readonly caller: Caller },
		deadline: number,
	): Promise<Submitted> {
		const { inbox, spec, collections } = this.#options;
		await this.#requireOpen();
		await this.#validate(writes);
		await this.#requireRoom(writes.map((each) => each.operation));
		const shapes = await collections.check(writes.map((each) => each.operation));
		requireCollections(
			caller,
			shapes,
			writes.map((each) => each.operation),
		);
		const operations = await this.#stored(writes, deadline);
		await prepared(
			this.#options.embedder,
			await embeddedTexts(writes.map((each) => each.operation)),
		);
		await collections.make(shapes);
		return inbox.submit({
			chainId: spec.id,
			entries: [operations],
			idempotency,
			caller: caller.id,
			mostWaiting: caller.id === "" ? undefined : LIMITS.inboxOperationsOfKey,
			announced: this.#isElsewhere(),
		});
	}

	async #requireOpen(): Promise<void> {
		const { spec, elsewhere } = this.#options;
		const writer = this.#options.writer();
		if (writer !== undefined) {
			requireTakenIn(spec, { hasHead: writer.window !== undefined, halt: writer.halted });
		} else if (elsewhere !== undefined) {
			const { head, halt } = await elsewhere.standing();
			requireTakenIn(spec, { hasHead: head !== undefined, halt });
		} else throw notWrittenHere(spec);
	}

	/** Vectors that LanceDB does not take pile up; a write without one is welcome all the same. */
	async #requireRoom(operations: readonly Operation[]): Promise<void> {
		const adds = operations.some(addsVector)
			? "vectors"
			: // It carries the vector on that its memory has, if it has one.
				operations.some(({ kind }) => kind === "patch")
				? "perhaps_vectors"
				: undefined;
		if (adds === undefined) return;
		const { elsewhere, flusher } = this.#options;
		if (elsewhere === undefined || !this.#isElsewhere()) flusher()?.requireRoom(adds);
		else {
			const rows = await elsewhere.tailRows();
			if (rows >= LIMITS.tailMostRows) throw tailFull(rows, LIMITS.tailMostRows);
		}
	}

	/** Everything that is wrong with the request is told at once; what is alone keeps its own code. */
	async #validate(writes: readonly AgentWrite[]): Promise<void> {
		const { spec, settings, checks } = this.#options;
		await settings.refresh();
		const misplaced = writes.flatMap((write) => {
			const error =
				ownerProblem(write.operation, spec.namespaces) ??
				isolationProblem(write, spec.namespaces) ??
				ruleProblem(write.operation, settings.of(write.operation.namespace));
			return error === undefined ? [] : [{ path: write.path, error }];
		});
		await validateWrites(
			writes.map(({ operation, sources, path: root }) => ({ operation, sources, root })),
			{ ...checks, chainId: spec.id, settings: (namespace) => settings.of(namespace) },
			misplaced.map(({ path, error: { code, message } }) => ({ path, code, message })),
		);
		const [only] = misplaced;
		if (only !== undefined) throw only.error;
	}

	async #stored(
		writes: readonly AgentWrite[],
		deadline: number,
	): Promise<readonly StoredOperation[]> {
		const anchors = new AnchorLookup(this.#options, deadline);
		const stored: StoredOperation[] = [];
		for (const write of writes) {
			stored.push({ ...storedAs(write), anchors: await anchors.find(write.anchors) });
		}
		return stored;
	}
}

/** Without its anchors, which are looked up. */
function storedAs({
	operation,
	sources,
	policy,
}: Pick<AgentWrite, "operation" | "policy" | "sources">): StoredOperation {
	const operationId = randomUUID() as string as OperationId;
	return { operationId, operation, anchors: NO_ANCHORS, sources, policy };
}

/**
 * Not by the caller's own deadline, which is for the commit and may be 0. What the embedder answers later is
 * kept all the same, so that another try of the request finds it.
 */
async function prepared(
	embedder: AgentWritesOptions["embedder"],
	texts: readonly string[],
): Promise<void> {
	const limitMs = LIMITS.writeDeadlineMs;
	await withinTime(
		limitMs,
		async () => embedder?.prepare?.(texts),
		() =>
			new RetryableError("embedder_unavailable", {
				message: `the embedder did not embed the texts within ${limitMs} ms`,
				hint: "nothing was written: try again later; /v1/status says how the embedder is doing",
				fields: { limitMs },
			}),
	);
}

function addsVector(operation: Operation): boolean {
	if (operation.kind === "put") return operation.body.collection !== undefined;
	return operation.kind === "patch" && operation.text !== undefined;
}

/** Of what Recant makes itself: who restores says so now, whatever it once rested on. */
const ON_NOTHING = { sources: NO_SOURCES, policy: "recant" } as const;

/** What was asked for, apart from what Recant adds: the same request gives the same hash. */
function hashOf(writes: readonly AgentWrite[]): Uint8Array {
	const asked = writes.map((write) => {
		// What the namespace is told may change between a request and its repetition.
		const policy = write.askedPolicy ?? "recant";
		const stored = { ...storedAs(write), policy, anchors: NO_ANCHORS };
		const { operationId: _none, ...wire } = toWire(stored);
		const { mode, anchors } = write.anchors;
		// One anchor is hashed as it always was: keys live for days, also over an upgrade.
		const [only] = anchors;
		if (only === undefined) return wire;
		if (anchors.length === 1) return { ...wire, anchor: { ...only } };
		return { ...wire, anchors: { mode, anchors: anchors.map((each) => ({ ...each })) } };
	});
	return createHash("sha256").update(canonicalJson(asked)).digest();
}

async function untilDeadline(work: Promise<void>, deadline: number, clock: Clock): Promise<void> {
	const late = Promise.withResolvers<void>();
	const cancel = clock.after(Math.max(0, deadline - clock.now()), () => late.resolve());
	// The writer's own failure is no failure of the write: it is durable, and is admitted later.
	const settled = work.catch((error: unknown) => {
		if (!(error instanceof RecantError)) throw error;
	});
	try {
		await Promise.race([settled, late.promise]);
	} finally {
		cancel();
	}
}
