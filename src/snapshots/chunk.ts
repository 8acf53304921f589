/**
 * Chunks: records as lines, compressed, named by the SHA-256 of the uncompressed lines. The same records
 * give the same name, whoever compressed them and however.
 */
import { setImmediate as breathe } from "node:timers/promises";
import { FatalError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { chunkHash, packFrame, unpackFrame } from "./chunk-frame.ts";
import type { ChunkRef } from "./manifest.ts";
import { chunkDamaged } from "./snapshot-errors.ts";
import { decodeRecord, encodeRecord, type SnapshotRecord } from "./snapshot-record.ts";

/** Records that are parsed at a time: some milliseconds, in which nothing else runs. */
const PARSED_AT_A_TIME = 250;

/** Lines of one chunk, before they are compressed. */
export interface RawChunk {
	readonly bytes: Uint8Array;
	readonly records: number;
	/** The last one: where to go on from. */
	readonly last: SnapshotRecord;
}

/** Fills chunks up to LIMITS.chunkBytes, in the order in which records come. */
export class ChunkBuilder {
	#lines: Buffer[] = [];
	#bytes = 0;
	#last: SnapshotRecord | undefined;

	/** Answers the chunk that the record no longer fitted into. Throws `limit_exceeded` for one too large. */
	add(record: SnapshotRecord): RawChunk | undefined {
		const line = Buffer.from(`${encodeRecord(record)}\n`, "utf8");
		if (line.length > LIMITS.chunkBytes) throw tooLarge(record, line.length);
		const full = this.#bytes + line.length > LIMITS.chunkBytes ? this.finish() : undefined;
		this.#lines.push(line);
		this.#bytes += line.length;
		this.#last = record;
		return full;
	}

	/** What is left; undefined: nothing. */
	finish(): RawChunk | undefined {
		if (this.#last === undefined) return undefined;
		const chunk = {
			bytes: Buffer.concat(this.#lines, this.#bytes),
			records: this.#lines.length,
			last: this.#last,
		};
		this.#lines = [];
		this.#bytes = 0;
		this.#last = undefined;
		return chunk;
	}
}

/** Compresses a chunk. */
export async function packChunk(
	raw: RawChunk,
): Promise<{ readonly ref: ChunkRef; readonly stored: Uint8Array }> {
	const stored = await packFrame(raw.bytes);
	return {
		stored,
		ref: {
			hash: chunkHash(raw.bytes),
			rawBytes: raw.bytes.length,
			storedBytes: stored.length,
			records: raw.records,
		},
	};
}

/** The lines of a stored chunk. Throws `FatalError("snapshot_damaged")` when an altered byte is in it. */
export async function unpackChunk(stored: Uint8Array, name: Hex): Promise<Uint8Array> {
	const { raw, flaw } = await unpackFrame(stored, name);
	if (raw === undefined) throw chunkDamaged(name, flaw);
	return raw;
}

/** Checked records of a stored chunk. Throws `FatalError("snapshot_damaged")`. */
export async function readChunk(stored: Uint8Array, ref: ChunkRef): Promise<SnapshotRecord[]> {
	const raw = await unpackChunk(stored, ref.hash);
	if (raw.length !== ref.rawBytes) {
		throw chunkDamaged(ref.hash, `it has ${raw.length} bytes, and ${ref.rawBytes} are stated`);
	}
	const lines = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString("utf8").split("\n");
	if (lines.pop() !== "" || lines.length !== ref.records) {
		throw chunkDamaged(ref.hash, `it has ${lines.length} records, and ${ref.records} are stated`);
	}
	const records: SnapshotRecord[] = [];
	for (const [index, line] of lines.entries()) {
		if (index % PARSED_AT_A_TIME === PARSED_AT_A_TIME - 1) await breathe();
		records.push(parseLine(line, index, ref.hash));
	}
	return records;
}

function parseLine(line: string, index: number, chunk: Hex): SnapshotRecord {
	try {
		return decodeRecord(line);
	} catch (cause) {
		throw chunkDamaged(chunk, `record ${index + 1} cannot be read`, cause);
	}
}

function tooLarge(record: SnapshotRecord, value: number): FatalError {
	return new FatalError("limit_exceeded", {
		message: `a ${record.kind} record of ${value} bytes does not fit into a chunk of ${LIMITS.chunkBytes}`,
		hint: "this is a defect of Recant, whose limits on memories exclude it; please report it",
		fields: { limit: "chunkBytes", value, max: LIMITS.chunkBytes },
	});
}
