/** Commits of groups, against COPY of exactly the rows that each of them leaves. */
import { randomUUID } from "node:crypto";
import type { OperationId } from "../src/domain/ids.ts";
import { NO_ANCHORS } from "../src/domain/operation.ts";
import { NO_SOURCES } from "../src/domain/provenance.ts";
import type { StoredOperation } from "../src/memory/operation-codec.ts";
import { CopiedRows, type Mark } from "./copied-rows.ts";
import { figure, median, type Row, ratios } from "./figures.ts";
import type { Section } from "./section.ts";
import { RIG_CHAIN, startWriterRig, type WriterRig } from "./writer-rig.ts";

const SIZES = [1, 10, 100, 1_000] as const;
const OPERATIONS_PER_BLOCK = 20;
const WARM_UP = 5;

interface Sample {
	/** From the call of the writer to its commit: reading, evaluating, embedding, committing. */
	readonly writerMs: number;
	/** The committing statement alone. */
	readonly commitMs: number;
	readonly copyMs: number;
	readonly rows: number;
	readonly bytes: number;
}

/** Makes the rig commit a group of that many operations. */
type Work = (rig: WriterRig, operations: number) => Promise<() => Promise<void>>;

const KINDS: readonly { readonly name: string; readonly work: Work }[] = [
	{ name: "agents', without text", work: (rig, operations) => agents(rig, operations, false) },
	{ name: "agents', with text", work: (rig, operations) => agents(rig, operations, true) },
	{ name: "handlers', blocks of 20", work: handlers },
];

export const groupCommitSection: Section = {
	name: "group-commit",
	title: "group commits against COPY of the rows that they leave",
	run: async ({ quick, say }) => {
		const repetitions = quick ? 5 : 15;
		const rig = await startWriterRig();
		try {
			await rig.commitBlocks(1, 0);
			const peer = await CopiedRows.open(rig.database);
			const rows: Row[] = [];
			for (const { name, work } of KINDS) {
				for (const size of SIZES) {
					say(`${name}, ${size} a group`);
					const samples: Sample[] = [];
					for (let round = -WARM_UP; round < repetitions; round += 1) {
						const sample = await sideBySide(rig, peer, await work(rig, size));
						if (round >= 0) samples.push(sample);
					}
					rows.push(rowOf(name, size, samples));
				}
			}
			return {
				settings: { repetitions, connection: "one pool, Unix socket", durability: "the same" },
				tables: [{ title: "Group commit and COPY, by turns", rows, notes: NOTES }],
			};
		} finally {
			await rig.stop();
		}
	},
};

const NOTES = [
	"commit: the writer's one statement, ended by its fsync. writer: the same with reading the inbox and",
	"what it touches, evaluating and embedding. COPY: begin, one COPY a table, commit, into empty tables",
	"with the same indexes. Rows that a commit only updates (spans it closes, the chain's row) are not copied.",
];

async function sideBySide(
	rig: WriterRig,
	peer: CopiedRows,
	commit: () => Promise<void>,
): Promise<Sample> {
	const mark = markOf(rig);
	rig.calls.take();
	const start = performance.now();
	await commit();
	const writerMs = performance.now() - start;
	const call = rig.calls.take().find(({ name }) => name === "store.commit");
	const tables = await peer.left(mark);
	return {
		writerMs,
		commitMs: call === undefined ? Number.NaN : call.endMs - call.startMs,
		copyMs: await peer.copy(tables),
		rows: tables.reduce((sum, table) => sum + table.rows, 0),
		bytes: tables.reduce((sum, table) => sum + table.data.length, 0),
	};
}

function markOf({ writer }: WriterRig): Mark {
	const { logPosition: position, versionSeq: versionId, head } = writer.state;
	return { position, versionId, height: head?.number ?? -1n };
}

function rowOf(kind: string, operations: number, samples: readonly Sample[]): Row {
	const of = (part: keyof Sample) => samples.map((sample) => sample[part]);
	const perSecond = (ms: readonly number[]) => ms.map((each) => (operations * 1_000) / each);
	return {
		operations: kind,
		group: operations,
		rows: median(of("rows")),
		commit: figure("ms", of("commitMs")),
		writer: figure("ms", of("writerMs")),
		COPY: figure("ms", of("copyMs")),
		"writer, operations": figure("/s", perSecond(of("writerMs"))),
		"COPY / commit": figure("×", ratios(of("copyMs"), of("commitMs"))),
		"COPY / writer": figure("×", ratios(of("copyMs"), of("writerMs"))),
	};
}

let written = 0;

async function agents(
	rig: WriterRig,
	count: number,
	withText: boolean,
): Promise<() => Promise<void>> {
	const operations = Array.from({ length: count }, () => note(withText));
	await rig.inbox.submit({ chainId: RIG_CHAIN, entries: [operations], idempotency: undefined });
	return () => rig.writer.drained();
}

async function handlers(rig: WriterRig, operations: number): Promise<() => Promise<void>> {
	const blocks = Math.ceil(operations / OPERATIONS_PER_BLOCK);
	return () => rig.commitBlocks(blocks, Math.min(operations, OPERATIONS_PER_BLOCK));
}

function note(withText: boolean): StoredOperation {
	written += 1;
	const text = withText ? `note ${written}: whales moved in week ${written % 53}` : undefined;
	return {
		operationId: randomUUID() as string as OperationId,
		anchors: NO_ANCHORS,
		sources: NO_SOURCES,
		policy: "recant",
		operation: {
			kind: "put",
			namespace: "default",
			id: `note:${written}`,
			ifVersion: undefined,
			body: {
				layer: "semantic",
				content: { note: written, topic: "whales", source: `report ${written % 97}` },
				text,
				vector: undefined,
				collection: withText ? "default" : undefined,
				importance: 0.5,
				confidence: undefined,
				expiresAtBlock: undefined,
				expiresAtTime: undefined,
			},
		},
	};
}
