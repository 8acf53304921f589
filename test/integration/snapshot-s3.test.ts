/** Snapshots in an object store, as S3 is spoken by a server of another's making. */
import { expect, test } from "vitest";
import { openS3Archive } from "../../src/archive/s3-archive.ts";
import { RecantClient } from "../../src/client/client.ts";
import { CHAIN } from "../support/recant.ts";
import { S3_BUCKET, S3_KEY, startS3 } from "../support/s3-server.ts";
import { manifestOf, settled, snapshotOf } from "../support/snapshots.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

function credentials() {
	return { accessKeyId: S3_KEY, secretAccessKey: S3_KEY, sessionToken: undefined };
}

interface Readiness {
	readonly ready: boolean;
	readonly degraded: readonly string[];
	readonly stores: readonly { readonly name: string; readonly state: string }[];
}

test("files are kept, replaced, taken away, and told apart from what is missing", async () => {
	const { endpoint, close } = await startS3(testDir("s3"));
	const settings = { bucket: S3_BUCKET, prefix: "some/where", region: "us-east-1", endpoint };
	const archive = openS3Archive({ ...settings, credentials: credentials() });
	atTestEnd(() => archive.close());
	expect(archive.place).toBe("s3://snapshots/some/where");
	expect(await archive.read("chunks/a", 100)).toBeUndefined();
	expect(await archive.has("chunks/a")).toBe(false);
	await archive.write("chunks/a", Buffer.from("one"));
	expect(await archive.has("chunks/a")).toBe(true);
	await archive.write("chunks/a", Buffer.from("another"));
	expect(Buffer.from((await archive.read("chunks/a", 100)) ?? []).toString()).toBe("another");
	await expect(archive.read("chunks/a", 3)).rejects.toMatchObject({ code: "snapshot_damaged" });
	await archive.remove("chunks/a");
	await archive.remove("chunks/a");
	expect(await archive.read("chunks/a", 100)).toBeUndefined();

	const elsewhere = openS3Archive({ ...settings, bucket: "nowhere", credentials: credentials() });
	atTestEnd(() => elsewhere.close());
	await expect(elsewhere.read("a", 100)).rejects.toMatchObject({ code: "configuration_invalid" });
	await expect(elsewhere.has("a")).rejects.toMatchObject({ code: "configuration_invalid" });
	await close();
	await expect(archive.has("a")).rejects.toMatchObject({ code: "archive_unavailable" });
	await expect(archive.read("a", 100)).rejects.toMatchObject({ code: "archive_unavailable" });
});

test("a chain's snapshots are made there, and go on after the store was away", async () => {
	const directory = testDir("s3");
	const store = await startS3(directory);
	const world = await World.create({
		name: "snapshot-s3",
		environment: {
			RECANT_SNAPSHOTS: `s3://${S3_BUCKET}/recant`,
			AWS_ENDPOINT_URL: store.endpoint,
			AWS_ACCESS_KEY_ID: S3_KEY,
			AWS_SECRET_ACCESS_KEY: S3_KEY,
		},
	});
	const client = new RecantClient({ url: world.recant.url });
	await world.write({ op: "put", id: "kept", content: { said: "first" }, text: "a fact" });
	await world.block();
	const full = await snapshotOf(client, CHAIN);
	expect(full).toMatchObject({ state: "verified", kind: "full" });
	const [chunk] = (await manifestOf(client, CHAIN, full.id)).chunks;
	expect(await client.hasSnapshotChunk(CHAIN, chunk?.hash ?? "")).toBe(true);

	await store.close();
	await world.block();
	const { id } = await client.createSnapshot(CHAIN);
	const heldUp = await until("the archive is missed", async () => {
		const seen = await client.snapshot(CHAIN, id);
		return seen.error !== undefined && seen;
	});
	expect(heldUp).toMatchObject({ state: "creating", error: { code: "archive_unavailable" } });
	const archiveNow = async () => {
		const answer = await fetch(`${world.recant.url}/readyz`);
		const { ready, degraded, stores } = (await answer.json()) as Readiness;
		return { ready, degraded, state: stores.find(({ name }) => name === "archive")?.state };
	};
	expect(await archiveNow()).toMatchObject({
		ready: true,
		degraded: ["archive"],
		state: expect.stringMatching(/failing|down/),
	});
	await startS3(directory, store.port);
	expect(await settled(client, CHAIN, id)).toMatchObject({
		state: "verified",
		kind: "incremental",
	});
	expect(await archiveNow()).toEqual({ ready: true, degraded: [], state: "up" });
});
