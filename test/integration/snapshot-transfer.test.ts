/** Snapshots carried from one installation to another, and everything that is refused on the way. */
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { RecantClient } from "../../src/client/client.ts";
import { CHAIN, startTestRecant, type TestRecant } from "../support/recant.ts";
import {
	chunkFile,
	flipBit,
	type ManifestJson,
	manifestFile,
	manifestOf,
	refusal,
	settled,
	snapshotOf,
} from "../support/snapshots.ts";
import { testDir } from "../support/temp-dir.ts";
import { World } from "../support/world.ts";

const ONES = `0x${"11".repeat(32)}`;

/** A source of snapshots, and an installation of the same chain that has none of its agents' memories. */
interface Pair {
	readonly world: World;
	readonly from: RecantClient;
	readonly to: RecantClient;
	readonly target: TestRecant;
	readonly fullId: string;
	readonly incrementId: string;
}

async function pair(): Promise<Pair> {
	const world = await World.create({ name: "snapshot-from" });
	const from = new RecantClient({ url: world.recant.url });
	await world.write(
		{ op: "put", id: "kept", content: { said: "first" }, text: "the first fact" },
		{ op: "put", id: "deleted", layer: "episodic", content: { said: "soon gone" } },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	const full = await snapshotOf(from, CHAIN);
	await world.write({ op: "delete", id: "deleted" });
	await world.block();
	const increment = await snapshotOf(from, CHAIN);
	expect([full.state, increment.state]).toEqual(["verified", "verified"]);
	const { rpcUrl, token } = world.options;
	const target = await startTestRecant({ name: "snapshot-to", rpcUrl, token });
	const to = new RecantClient({ url: target.url });
	return { world, from, to, target, fullId: full.id, incrementId: increment.id };
}

/** Puts a manifest's chunks where an import looks for them. */
async function carryChunks({ from, to }: Pair, manifest: ManifestJson): Promise<void> {
	for (const { hash } of manifest.chunks) {
		await to.putSnapshotChunk(CHAIN, hash, await from.snapshotChunk(CHAIN, hash));
	}
}

async function recant(url: string, ...args: readonly string[]) {
	const out: string[] = [];
	const stream = { isTTY: false, columns: 200, write: (text: string) => void out.push(text) };
	const code = await runCli(args, { stdout: stream, stderr: stream }, { RECANT_URL: url });
	return { code, text: out.join("") };
}

test("the command line carries a snapshot with its parents, and goes on where it was", async () => {
	const { world, from, to, target, incrementId } = await pair();
	const folder = join(testDir("export"), "snapshot");
	const listed = await recant(world.recant.url, "snapshot", "list");
	expect(listed.text).toContain(incrementId);
	const exported = await recant(world.recant.url, "snapshot", "export", incrementId, folder);
	expect(exported).toMatchObject({ code: 0 });
	const manifest = await manifestOf(from, CHAIN, incrementId);
	const [first, second] = manifest.chunks.map(({ hash }) => chunkFile(folder, hash));
	if (first === undefined || second === undefined) throw new Error("there are too few chunks");
	// As a broken transfer leaves it: one chunk missing, one damaged, the others to be kept.
	rmSync(first);
	flipBit(second);
	const { parentId = "" } = await from.snapshot(CHAIN, incrementId);
	const [parentChunk] = (await manifestOf(from, CHAIN, parentId)).chunks;
	const kept = chunkFile(folder, parentChunk?.hash ?? "");
	const keptSince = statSync(kept).mtimeMs;
	expect((await recant(world.recant.url, "snapshot", "export", incrementId, folder)).code).toBe(0);
	expect(statSync(kept).mtimeMs).toBe(keptSince);
	expect(existsSync(first)).toBe(true);

	const imported = await recant(target.url, "snapshot", "import", folder);
	expect(imported.text).toContain("verified");
	expect(imported.code).toBe(0);
	const [newest, parent] = (await to.snapshots(CHAIN)).items;
	const original = await from.snapshot(CHAIN, incrementId);
	expect(newest).toMatchObject({
		state: "verified",
		cause: "import",
		manifestId: original.manifestId,
		parentId: parent?.id,
		roots: original.roots,
		memories: original.memories,
	});
	// The same again changes nothing.
	expect((await recant(target.url, "snapshot", "import", folder)).code).toBe(0);
	expect((await to.snapshots(CHAIN)).items).toHaveLength(2);

	const bring = (...flags: readonly string[]) =>
		recant(target.url, "snapshot", "import", folder, "--apply", ...flags);
	const refused = await bring();
	expect(refused).toMatchObject({ code: 1, text: expect.stringContaining("chain_not_empty") });
	const tried = await bring("--replace", "--dry-run");
	expect(tried).toMatchObject({ code: 0, text: expect.stringContaining("would be replaced by") });
	await expect(to.memory(CHAIN, "kept")).rejects.toMatchObject({ code: "memory_not_found" });
	// It ends when the state is there.
	const applied = await bring("--replace");
	expect(applied).toMatchObject({ code: 0, text: expect.stringContaining("was replaced by") });
	expect((await to.memory(CHAIN, "kept")).memory.content).toEqual({ said: "first" });

	const create = await recant(world.recant.url, "--json", "snapshot", "create", "--kind", "full");
	expect(JSON.parse(create.text)).toMatchObject({ state: "verified", kind: "full" });
	const verify = await recant(world.recant.url, "snapshot", "verify", incrementId);
	expect(verify).toMatchObject({ code: 0 });
});

describe("an import is refused by name", () => {
	let made: Pair;
	let manifest: ManifestJson;

	beforeEach(async () => {
		made = await pair();
		manifest = await manifestOf(made.from, CHAIN, made.fullId);
	});

	const refused = (body: unknown) => refusal(made.to.importSnapshot(CHAIN, { manifest: body }));

	test("when a chunk or the parent is not there", async () => {
		const [chunk] = manifest.chunks;
		expect(await refused(manifest)).toMatchObject({
			code: "snapshot_incomplete",
			status: 409,
			problem: { chunk: chunk?.hash },
		});
		const increment = await manifestOf(made.from, CHAIN, made.incrementId);
		expect(await refused(increment)).toMatchObject({
			code: "snapshot_incomplete",
			problem: { manifest: increment.parent },
		});
		expect((await made.to.snapshots(CHAIN)).items).toEqual([]);
	});

	test("when it is of another chain, another start or another block", async () => {
		await carryChunks(made, manifest);
		for (const [field, value] of [
			["chainId", 1],
			["startBlock", "1"],
			["blockHash", ONES],
		] as const) {
			expect(await refused({ ...manifest, [field]: value }), field).toMatchObject({
				code: "snapshot_chain_differs",
				status: 409,
			});
		}
		expect(await refused({ ...manifest, height: "99" })).toMatchObject({
			code: "height_in_future",
		});
	});

	test("when its format is newer, cut off or not a manifest's", async () => {
		expect(await refused({ ...manifest, formatVersion: 2 })).toMatchObject({
			code: "snapshot_format_newer",
			status: 422,
			problem: { formatVersion: 2, supported: 1 },
		});
		const { roots: _roots, ...cut } = manifest;
		for (const body of [cut, {}, { ...manifest, extra: 1 }, { ...manifest, kind: "incremental" }]) {
			expect(await refused(body)).toMatchObject({ code: "snapshot_damaged", status: 422 });
		}
	});

	test("when a chunk was altered on the way", async () => {
		const [chunk] = manifest.chunks;
		const stored = await made.from.snapshotChunk(CHAIN, chunk?.hash ?? "");
		const altered = Uint8Array.from(stored);
		altered[20] = (altered[20] ?? 0) ^ 1;
		const put = (bytes: Uint8Array) => made.to.putSnapshotChunk(CHAIN, chunk?.hash ?? "", bytes);
		expect(await refusal(put(altered))).toMatchObject({
			code: "snapshot_damaged",
			problem: { chunk: chunk?.hash },
		});
		expect(await refusal(put(stored.subarray(0, -1)))).toMatchObject({ code: "snapshot_damaged" });
		expect(await refusal(put(new Uint8Array(4_194_305)))).toMatchObject({ code: "body_too_large" });
		expect(await made.to.hasSnapshotChunk(CHAIN, chunk?.hash ?? "")).toBe(false);
		await put(stored);
		expect(await made.to.hasSnapshotChunk(CHAIN, chunk?.hash ?? "")).toBe(true);
	});

	test("when its records do not give its roots, its counts or its state root", async () => {
		await carryChunks(made, manifest);
		const imported = async (body: unknown) => {
			const { id } = await made.to.importSnapshot(CHAIN, { manifest: body });
			return settled(made.to, CHAIN, id);
		};
		const roots = { ...manifest.roots, semantic: ONES };
		expect(await imported({ ...manifest, roots })).toMatchObject({
			state: "damaged",
			error: { code: "snapshot_root_differs" },
		});
		expect(await imported({ ...manifest, stateRoot: ONES })).toMatchObject({
			state: "damaged",
			error: { code: "snapshot_root_differs" },
		});
		const counts = { ...manifest.counts, memories: 1 };
		expect(await imported({ ...manifest, counts })).toMatchObject({
			state: "damaged",
			error: { code: "snapshot_damaged" },
		});
		expect(await imported({ ...manifest, chunks: manifest.chunks.slice(0, 1) })).toMatchObject({
			state: "damaged",
		});
		expect(await imported({ ...manifest, chunks: [...manifest.chunks].reverse() })).toMatchObject({
			state: "damaged",
			error: { code: "snapshot_damaged" },
		});
		// And as it is, it is taken.
		expect((await imported(manifest)).state).toBe("verified");
	});
});

test("a verification names what is damaged in the archive; a good chunk heals it", async () => {
	const { world, from, fullId, incrementId } = await pair();
	const folder = join(world.recant.home.dataDir, "snapshots");
	const manifest = await manifestOf(from, CHAIN, fullId);
	const verified = async (id: string) => {
		await from.verifySnapshot(CHAIN, id);
		return settled(from, CHAIN, id);
	};
	const hash = manifest.chunks.at(-1)?.hash ?? "";
	const good = await from.snapshotChunk(CHAIN, hash);
	flipBit(chunkFile(folder, hash));
	expect(await verified(fullId)).toMatchObject({ state: "damaged" });
	await from.putSnapshotChunk(CHAIN, hash, good);
	expect(await verified(fullId)).toMatchObject({ state: "verified" });
	flipBit(chunkFile(folder, hash));
	expect(await verified(fullId)).toMatchObject({
		state: "damaged",
		error: { code: "snapshot_damaged", message: expect.stringContaining(hash) },
	});
	expect(await refusal(from.snapshotChunk(CHAIN, hash))).toMatchObject({
		code: "snapshot_damaged",
	});
	// What rests on it is as bad, and nothing continues it.
	expect((await verified(incrementId)).state).toBe("damaged");
	await world.block();
	expect(await snapshotOf(from, CHAIN)).toMatchObject({ kind: "full", state: "verified" });

	rmSync(chunkFile(folder, hash));
	expect(await verified(fullId)).toMatchObject({
		state: "damaged",
		error: { code: "snapshot_incomplete", message: expect.stringContaining(hash) },
	});
	const { manifestId = "" } = await from.snapshot(CHAIN, fullId);
	writeFileSync(manifestFile(folder, manifestId), JSON.stringify(manifest).slice(0, 100));
	expect(await verified(fullId)).toMatchObject({
		state: "damaged",
		error: { code: "snapshot_damaged", message: expect.stringContaining(manifestId) },
	});
});
