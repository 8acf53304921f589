/** Snapshots of a large state: written, read back, made another installation's state; and increments. */
import { ToolError } from "../scripts/support/tool-error.ts";
import type { SnapshotAnswer } from "../src/client/answers.ts";
import { manifestId, parseManifest, type SnapshotCounts } from "../src/snapshots/manifest.ts";
import {
	type BenchService,
	CHAIN,
	fact,
	factId,
	SETTLING_BLOCKS,
	settledTail,
	startBenchService,
} from "./bench-service.ts";
import { figure, median, type Row, type Table } from "./figures.ts";
import { watchMemory } from "./memory-watch.ts";
import { polled } from "./polled.ts";
import type { Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 50;
const CHANGES = 1_000;
const MB = 1_000_000;
const MIB = 1_048_576;

interface Work {
	readonly ms: number;
	readonly grownBytes: number;
	readonly snapshot: SnapshotAnswer;
}

interface Round {
	readonly written: Work;
	readonly verified: Work;
	readonly increment: Work;
	/** Records of each kind, of the full one and of the increment. */
	readonly counts: Readonly<Record<"full" | "increment", SnapshotCounts>>;
}

interface Import {
	readonly carried: Work;
	readonly verified: Work;
	readonly applied: Work;
}

export const snapshotSection: Section = {
	name: "snapshot",
	title: "snapshots of a large state",
	run: async (context) => {
		const [memories, embedded] = context.quick ? [2_000, 200] : [100_000, 10_000];
		const repetitions = context.quick ? 1 : 3;
		const service = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
		try {
			context.say(`writing ${memories} memories, ${embedded} with text`);
			await service.fill(memories, { embedded, blocks: "empty" });
			const rounds: Round[] = [];
			for (let round = 0; round <= repetitions; round += 1) {
				context.say(`round ${round}: a full one and an increment`);
				const measured = await roundOf(service, memories);
				// The first warms up.
				if (round > 0) rounds.push(measured);
			}
			const last = rounds.at(-1)?.written.snapshot;
			const imports = last === undefined ? [] : [await imported(service, last.id, context)];
			return {
				settings: {
					"agents' memories": memories,
					"with vectors": embedded,
					repetitions,
					"changes before an increment": CHANGES,
				},
				tables: [works(rounds, imports), sizes(rounds)],
			};
		} finally {
			await service.stop();
		}
	},
};

/** Everything is changed a little first, so that no chunk is there already. */
async function roundOf(service: BenchService, memories: number): Promise<Round> {
	await change(service, memories);
	const written = await made(service, "full");
	const verified = await verifiedAgain(service, written.snapshot);
	await change(service, memories);
	const increment = await made(service, "incremental");
	if (increment.snapshot.kind !== "incremental") throw notAnIncrement(increment.snapshot);
	const counts = {
		full: await countsOf(service, written.snapshot),
		increment: await countsOf(service, increment.snapshot),
	};
	return { written, verified, increment, counts };
}

async function countsOf({ client }: BenchService, { id }: SnapshotAnswer): Promise<SnapshotCounts> {
	const bytes = await client.snapshotManifest(CHAIN, id);
	return parseManifest(JSON.parse(new TextDecoder().decode(bytes)), "of the benchmark").counts;
}

let changes = 0;

/**
 * As many memories, spread over all, each with another content; then a block seals them. What was
 * changed before is final by then.
 */
async function change({ service, node, caughtUp }: BenchService, memories: number): Promise<void> {
	changes += 1;
	await node.mineEmpty(SETTLING_BLOCKS);
	await caughtUp();
	const step = Math.max(1, Math.floor(memories / CHANGES));
	const operations = Array.from({ length: CHANGES }, (_, nth) => {
		const put = fact((nth * step + changes) % memories);
		const text = nth % 10 === 0 ? `${put.text}, and again ${changes}` : undefined;
		return { ...put, text, content: { ...put.content, change: changes } };
	});
	const request = { operations, idempotencyKey: undefined, deadlineMs: 600_000 };
	await service.write(CHAIN, request);
	await settledTail(service);
	await node.mineEmpty(1);
	await caughtUp();
}

async function made(service: BenchService, kind: "full" | "incremental"): Promise<Work> {
	const { client } = service;
	const { result, tookMs, grownBytes } = await watchMemory(async () => {
		const { id } = await client.createSnapshot(CHAIN, { kind });
		return polled(
			() => client.snapshot(CHAIN, id),
			({ state }) => state !== "creating",
		);
	});
	await ended(service, result.id);
	return { ms: tookMs, grownBytes, snapshot: result };
}

/** It was read back once by itself; this is the second time, from the wish to the word. */
async function verifiedAgain(service: BenchService, snapshot: SnapshotAnswer): Promise<Work> {
	const { result, tookMs, grownBytes } = await watchMemory(async () => {
		await service.client.verifySnapshot(CHAIN, snapshot.id);
		return ended(service, snapshot.id);
	});
	return { ms: tookMs, grownBytes, snapshot: result };
}

/** When nothing of it is under way any more. */
async function ended({ client }: BenchService, id: string): Promise<SnapshotAnswer> {
	const snapshot = await polled(
		() => client.snapshot(CHAIN, id),
		({ progress }) => progress === undefined,
	);
	if (snapshot.state === "verified" && snapshot.error === undefined) return snapshot;
	throw new ToolError("measurement_failed", {
		message: `the snapshot is ${snapshot.state}: ${snapshot.error?.message}`,
		hint: "see the service's log",
	});
}

/** Into an installation on the same node that has followed the chain, and knows nothing of agents. */
async function imported(from: BenchService, id: string, { say }: SectionContext): Promise<Import> {
	say("an import into a fresh installation");
	const fresh = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS, node: from.node });
	try {
		const bytes = await from.client.snapshotManifest(CHAIN, id);
		const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
		const { chunks } = parseManifest(manifest, "of the benchmark");
		const carried = await watchMemory(async () => {
			for (const { hash } of chunks) {
				const stored = await from.client.snapshotChunk(CHAIN, hash);
				await fresh.client.putSnapshotChunk(CHAIN, hash, stored);
			}
		});
		const verified = await watchMemory(async () => {
			const begun = await fresh.client.importSnapshot(CHAIN, { manifest, goal: "verify" });
			return ended(fresh, begun.id);
		});
		// The log jumps to the snapshot's: who follows its events is told so, and would have to begin anew.
		await fresh.watch.stop();
		const { generation } = await fresh.client.chain(CHAIN);
		const applied = await watchMemory(async () => {
			const begun = await fresh.client.importSnapshot(CHAIN, {
				manifest,
				goal: "apply",
				replace: true,
			});
			await polled(
				() => fresh.client.chain(CHAIN),
				(chain) => chain.generation !== generation && chain.state === "following",
			);
			return ended(fresh, begun.id);
		});
		requireSame(manifestId(bytes), verified.result);
		await fresh.client.memory(CHAIN, factId(0), { namespace: "default" });
		const snapshot = verified.result;
		return {
			carried: { ms: carried.tookMs, grownBytes: carried.grownBytes, snapshot },
			verified: { ms: verified.tookMs, grownBytes: verified.grownBytes, snapshot },
			applied: { ms: applied.tookMs, grownBytes: applied.grownBytes, snapshot },
		};
	} finally {
		await fresh.stop();
	}
}

function works(rounds: readonly Round[], imports: readonly Import[]): Table {
	return {
		title: "Full snapshots",
		rows: [
			workRow(
				"written",
				rounds.map((round) => round.written),
			),
			workRow(
				"read back and compared with its roots",
				rounds.map((round) => round.verified),
			),
			workRow(
				"carried to another installation",
				imports.map((each) => each.carried),
			),
			workRow(
				"read back there",
				imports.map((each) => each.verified),
			),
			workRow(
				"read back and made its state",
				imports.map((each) => each.applied),
			),
		],
		notes: [
			"Each from the request to its end as a caller sees it. MB are 10^6 bytes: raw as records, stored as",
			"compressed. Carried: each chunk by HTTP from the one to the other. Made its state: restored into a",
			"shadow, hashed again, compared with the roots, moved in one transaction, until the chain follows.",
		],
	};
}

function workRow(work: string, samples: readonly Work[]): Row {
	const ms = samples.map((sample) => sample.ms);
	const perSecond = (of: "rawBytes" | "storedBytes") =>
		median(samples.map((sample) => (sample.snapshot[of] / MB / sample.ms) * 1_000));
	const { memories = 0 } = samples[0]?.snapshot ?? {};
	return {
		work,
		time: figure("ms", ms),
		"raw, MB/s": perSecond("rawBytes"),
		"stored, MB/s": perSecond("storedBytes"),
		"memories a second": Math.round((memories * 1_000) / median(ms)),
		"memory grows by": `${Math.round(median(samples.map((each) => each.grownBytes)) / MIB)} MiB`,
	};
}

function sizes(rounds: readonly Round[]): Table {
	const fulls = rounds.map(({ written }) => written.snapshot);
	const increments = rounds.map(({ increment }) => increment.snapshot);
	const of = (snapshots: readonly SnapshotAnswer[], size: "rawBytes" | "storedBytes") =>
		median(snapshots.map((snapshot) => snapshot[size]));
	const rowOf = (kind: "full" | "increment", snapshots: readonly SnapshotAnswer[]): Row => {
		const counts = rounds.map((round) => round.counts[kind]);
		const records = median(counts.map((each) => each.memoryRecords));
		const raw = of(snapshots, "rawBytes");
		const stored = of(snapshots, "storedBytes");
		return {
			kind,
			memories: records,
			"operations that are not final": median(counts.map((each) => each.operations)),
			chunks: median(snapshots.map(({ chunks }) => chunks)),
			"raw bytes": raw,
			"stored bytes": stored,
			"raw bytes a memory": raw / records,
			"stored bytes a memory": stored / records,
			"stored, of the full one": `${((100 * stored) / of(fulls, "storedBytes")).toFixed(2)} %`,
			time: figure(
				"ms",
				rounds.map((round) => (kind === "full" ? round.written.ms : round.increment.ms)),
			),
		};
	};
	return {
		title: `A full snapshot, and an increment after ${CHANGES} changes`,
		rows: [rowOf("full", fulls), rowOf("increment", increments)],
		notes: [
			"One in ten changed memories has a text, and so a vector of 384 floats, as in the whole.",
		],
	};
}

function requireSame(id: string, { manifestId: there }: SnapshotAnswer): void {
	if (there === id) return;
	throw new ToolError("measurement_failed", {
		message: `the imported snapshot has manifest ${there}, and not ${id}`,
		hint: "this is a defect of the import",
	});
}

function notAnIncrement({ id, kind }: SnapshotAnswer): ToolError {
	return new ToolError("measurement_failed", {
		message: `snapshot ${id} became ${kind}, and an increment was wanted`,
		hint: "see why its parent was not usable",
	});
}
