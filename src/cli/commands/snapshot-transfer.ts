/** `recant snapshot export` and `import`: carrying a snapshot, with its parents, through files. */
import { readFile } from "node:fs/promises";
import type { RecantClient } from "../../client/client.ts";
import { FatalError } from "../../domain/errors.ts";
import type { Hex } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { unpackFrame } from "../../snapshots/chunk-frame.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { progressLine, sizeOf } from "../progress-bar.ts";
import type { Session } from "../session.ts";
import {
	type CarriedManifest,
	chunkPath,
	damaged,
	manifestPath,
	readIndex,
	readManifest,
	wholeChunk,
	writeIndex,
	writeWhole,
} from "../snapshot-files.ts";
import { TransferProgress } from "../snapshot-progress.ts";
import { printJson, printLine } from "../terminal.ts";
import { followed, type WatchOptions } from "./snapshot.ts";
import { followedIntoState } from "./snapshot-apply.ts";

interface Carried {
	readonly id: string;
	readonly bytes: Uint8Array;
	readonly manifest: CarriedManifest;
}

export async function exportSnapshot(
	session: Session,
	snapshotId: string,
	folder: string,
): Promise<ExitCode> {
	const { terminal, client } = session;
	const chain = await session.chain();
	const carried = await manifestsOf(client, chain, snapshotId);
	const line = progressLine(terminal);
	const progress = new TransferProgress(line, "export", storedBytes(carried));
	for (const { id, bytes, manifest } of carried) {
		for (const chunk of manifest.chunks) {
			const kept = (await wholeChunk(folder, chunk.hash)) !== undefined;
			if (!kept) await download({ client, chain, folder }, chunk.hash);
			if (!session.json) progress.went(chunk.storedBytes, !kept);
		}
		await writeWhole(manifestPath(folder, id), bytes);
	}
	const manifests = carried.map(({ id }) => id);
	await writeIndex(folder, manifests);
	line.clear();
	if (session.json) printJson(terminal, { folder, manifests });
	else {
		printLine(
			terminal,
			`${manifests.length} manifests are in ${folder}, with ${sizeOf(storedBytes(carried))} of chunks`,
		);
	}
	return EXIT.ok;
}

/** Oldest first. */
async function manifestsOf(
	client: RecantClient,
	chain: string,
	snapshotId: string,
): Promise<readonly Carried[]> {
	const carried: Carried[] = [];
	for (let next: string | undefined = snapshotId; next !== undefined; ) {
		const {
			manifestId: id,
			parentId,
			state,
			kind,
		}: Awaited<ReturnType<RecantClient["snapshot"]>> = await client.snapshot(chain, next);
		if (id === undefined) throw noManifest(next, state);
		const bytes = await client.snapshotManifest(chain, next);
		carried.push({ id, bytes, manifest: readManifest(bytes, id) });
		if (kind === "incremental" && parentId === undefined) throw noManifest(next, "without parent");
		if (carried.length > LIMITS.snapshotParents + 1) {
			throw damaged(`snapshot ${snapshotId}`, `it has more than ${LIMITS.snapshotParents} parents`);
		}
		next = parentId;
	}
	return carried.reverse();
}

async function download(
	from: { readonly client: RecantClient; readonly chain: string; readonly folder: string },
	chunk: Hex,
): Promise<void> {
	const stored = await from.client.snapshotChunk(from.chain, chunk);
	const { flaw } = await unpackFrame(stored, chunk);
	if (flaw !== undefined) throw damaged(`chunk ${chunk}, as the service sent it,`, flaw);
	await writeWhole(chunkPath(from.folder, chunk), stored);
}

export interface ImportFlags extends WatchOptions {
	readonly goal: "verify" | "apply";
	readonly replace: boolean;
	readonly dryRun: boolean;
}

export async function importSnapshot(
	session: Session,
	folder: string,
	flags: ImportFlags,
): Promise<ExitCode> {
	const { client } = session;
	const chain = await session.chain();
	const carried = await manifestsIn(folder);
	const before = await client.chain(chain);
	const line = progressLine(session.terminal);
	const progress = new TransferProgress(line, "import", storedBytes(carried));
	let last: Awaited<ReturnType<RecantClient["importSnapshot"]>> | undefined;
	for (const [index, { bytes, manifest }] of carried.entries()) {
		for (const chunk of manifest.chunks) {
			const moved = await upload({ client, chain, folder }, chunk.hash);
			if (!session.json) progress.went(chunk.storedBytes, moved);
		}
		const isLast = index === carried.length - 1;
		last = await client.importSnapshot(chain, {
			manifest: JSON.parse(new TextDecoder().decode(bytes)),
			goal: isLast ? flags.goal : "store",
			replace: isLast && flags.replace,
			dryRun: isLast && flags.dryRun,
		});
	}
	line.clear();
	if (last === undefined) throw damaged(folder, "it names no manifest");
	if (flags.goal === "verify") return followed(session, chain, last, flags);
	return followedIntoState(session, chain, last, { ...flags, before });
}

async function manifestsIn(folder: string): Promise<readonly Carried[]> {
	const carried: Carried[] = [];
	for (const id of await readIndex(folder)) {
		const bytes = await readFile(manifestPath(folder, id)).catch((cause: unknown) => {
			throw damaged(`manifest ${id}`, "it cannot be read", cause);
		});
		carried.push({ id, bytes, manifest: readManifest(bytes, id) });
	}
	return carried;
}

/** Answers whether it had to be sent. */
async function upload(
	to: { readonly client: RecantClient; readonly chain: string; readonly folder: string },
	chunk: Hex,
): Promise<boolean> {
	if (await to.client.hasSnapshotChunk(to.chain, chunk)) return false;
	const stored = await wholeChunk(to.folder, chunk);
	if (stored === undefined) throw damaged(`chunk ${chunk}`, "it is not there, or not whole");
	await to.client.putSnapshotChunk(to.chain, chunk, stored);
	return true;
}

function storedBytes(carried: readonly Carried[]): number {
	return carried
		.flatMap(({ manifest }) => manifest.chunks)
		.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
}

function noManifest(id: string, state: string): FatalError {
	return new FatalError("snapshot_incomplete", {
		message: `snapshot ${id} cannot be carried away: it is ${state}`,
		hint: "wait until it is verified; see `recant snapshot list`",
		fields: { snapshotId: id, state },
	});
}
