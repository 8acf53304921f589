/**
 * A snapshot in a directory: chunks and manifests as an archive has them, and `snapshot.json`, which
 * names the manifests oldest first and is written last. A file that is there and whole is kept, so that
 * a transfer that broke goes on where it was.
 */
import { hash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { FatalError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { makeFolder } from "../resilience/make-folder.ts";
import { unpackFrame } from "../snapshots/chunk-frame.ts";
import { UsageError } from "./failure.ts";

const INDEX = "snapshot.json";

const hex32 = z
	.string()
	.regex(/^0x[0-9a-f]{64}$/)
	.transform((text) => text as Hex);

const indexSchema = z.object({
	format: z.literal("recant-snapshot-export"),
	/** Ids, oldest first: the last one is the snapshot's own. */
	manifests: z.array(hex32).min(1),
});

/** The part of a manifest that a transfer needs; the service checks all of it. */
const manifestSchema = z.looseObject({
	chunks: z.array(z.looseObject({ hash: hex32, storedBytes: z.number() })),
});
export type CarriedManifest = z.output<typeof manifestSchema>;

export function chunkPath(folder: string, chunk: Hex): string {
	return join(folder, "chunks", chunk.slice(2, 4), `${chunk.slice(2)}.zst`);
}

export function manifestPath(folder: string, id: string): string {
	return join(folder, "manifests", `${id.slice(2)}.json`);
}

/** Undefined: it is not there, or not whole. */
export async function wholeChunk(folder: string, chunk: Hex): Promise<Uint8Array | undefined> {
	const path = chunkPath(folder, chunk);
	const stored = await readFile(path).catch(absent(path));
	if (stored === undefined) return undefined;
	const { flaw } = await unpackFrame(stored, chunk);
	return flaw === undefined ? stored : undefined;
}

/** Throws `FatalError("snapshot_damaged")` when the bytes are not those of the id. */
export function readManifest(bytes: Uint8Array, id: string): CarriedManifest {
	const found = `0x${hash("sha256", bytes)}`;
	if (found !== id) throw damaged(`manifest ${id}`, `its bytes hash to ${found}`);
	return parsed(bytes, manifestSchema, `manifest ${id}`);
}

export async function readIndex(folder: string): Promise<readonly Hex[]> {
	const path = join(folder, INDEX);
	const bytes = await readFile(path).catch(absent(path));
	if (bytes === undefined) {
		throw new FatalError("snapshot_incomplete", {
			message: `${path} is not there: this is no export, or one that did not come to its end`,
			hint: "name the directory that `recant snapshot export` wrote, or run it again; it goes on where it was",
			fields: { path },
		});
	}
	return parsed(bytes, indexSchema, path).manifests;
}

export async function writeIndex(folder: string, manifests: readonly string[]): Promise<void> {
	const index = { format: "recant-snapshot-export", manifests };
	const text = `${JSON.stringify(index, undefined, "\t")}\n`;
	await writeWhole(join(folder, INDEX), Buffer.from(text, "utf8"));
}

/** Whole or not at all. Throws `UsageError` where the file cannot be written. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
	try {
		await makeFolder(dirname(path));
		const draft = `${path}.part`;
		await writeFile(draft, bytes, { flush: true });
		await rename(draft, path);
	} catch (error) {
		throw unusable(path, "written", error);
	}
}

function parsed<Schema extends z.ZodType>(
	bytes: Uint8Array,
	schema: Schema,
	what: string,
): z.output<Schema> {
	try {
		return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
	} catch (cause) {
		throw damaged(what, "it is not what Recant writes", cause);
	}
}

export function damaged(what: string, why: string, cause?: unknown): FatalError {
	return new FatalError("snapshot_damaged", {
		message: `${what} is damaged: ${why}`,
		hint: "export the snapshot again, from a service whose snapshot is verified",
		cause,
	});
}

function absent(path: string) {
	return (error: unknown): undefined => {
		if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
		throw unusable(path, "read", error);
	};
}

function unusable(path: string, what: "read" | "written", error: unknown): UsageError {
	const reason = error instanceof Error ? error.message : String(error);
	return new UsageError(
		`${path} cannot be ${what}: ${reason}`,
		"name a directory that you may read and write, with room left on its disk",
	);
}
