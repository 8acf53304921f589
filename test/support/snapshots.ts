/** Making snapshots, waiting for them, and the files that they are in, in integration tests. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import type { SnapshotInput } from "../../src/client/requests.ts";
import { until } from "./until.ts";

/** A snapshot when nothing is under way any more. */
export async function settled(
	client: RecantClient,
	chain: string,
	snapshotId: string,
): Promise<SnapshotAnswer> {
	return until(
		`snapshot ${snapshotId} settles`,
		async () => {
			const seen = await client.snapshot(chain, snapshotId);
			return seen.progress === undefined && seen;
		},
		() => client.snapshot(chain, snapshotId),
	);
}

export async function snapshotOf(
	client: RecantClient,
	chain: string,
	input: SnapshotInput = {},
): Promise<SnapshotAnswer> {
	const { id } = await client.createSnapshot(chain, input);
	return settled(client, chain, id);
}

/** A manifest as it stands in JSON, to be read and to be falsified. */
export interface ManifestJson {
	readonly [field: string]: unknown;
	readonly parent?: string;
	readonly roots: Readonly<Record<string, string>>;
	readonly counts: Readonly<Record<string, number>>;
	readonly chunks: readonly { readonly hash: string; readonly storedBytes: number }[];
}

export async function manifestOf(
	client: RecantClient,
	chain: string,
	snapshotId: string,
): Promise<ManifestJson> {
	const bytes = await client.snapshotManifest(chain, snapshotId);
	const { manifestId } = await client.snapshot(chain, snapshotId);
	const hash = createHash("sha256").update(bytes).digest("hex");
	if (`0x${hash}` !== manifestId) throw new Error(`the manifest hashes to ${hash}`);
	return JSON.parse(new TextDecoder().decode(bytes)) as ManifestJson;
}

export function chunkFile(folder: string, hash: string): string {
	return join(folder, "chunks", hash.slice(2, 4), `${hash.slice(2)}.zst`);
}

export function manifestFile(folder: string, id: string): string {
	return join(folder, "manifests", `${id.slice(2)}.json`);
}

/** Changes one bit in the middle of a file. */
export function flipBit(path: string): void {
	const bytes = readFileSync(path);
	const middle = Math.floor(bytes.length / 2);
	bytes[middle] = (bytes[middle] ?? 0) ^ 1;
	writeFileSync(path, bytes);
}

/** What a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<unknown> {
	return call.then(
		(answer) => {
			throw new Error(`it was answered: ${JSON.stringify(answer)}`);
		},
		(error: unknown) => error,
	);
}
