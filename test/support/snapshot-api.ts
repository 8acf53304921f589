/** Snapshots over HTTP, for tests that only need one to be there. */
import { CHAIN, type TestRecant } from "./recant.ts";
import { until } from "./until.ts";

export interface MadeSnapshot {
	readonly id: string;
	readonly state: string;
	readonly height: string;
	readonly manifestId?: string;
	readonly error?: { readonly code: string };
}

interface SnapshotRequest {
	readonly at?: string;
	readonly kind?: "full" | "incremental";
}

/** Makes a snapshot and waits until it is verified. */
export async function takeSnapshot(
	recant: Pick<TestRecant, "url">,
	request: SnapshotRequest = {},
): Promise<MadeSnapshot> {
	const ended = await tryToTakeSnapshot(recant, request);
	if (ended.state !== "verified") throw new Error(`no snapshot: ${JSON.stringify(ended)}`);
	return ended;
}

/** Makes a snapshot and waits until it has come to an end, whichever: a fork may take its block. */
export async function tryToTakeSnapshot(
	{ url }: Pick<TestRecant, "url">,
	request: SnapshotRequest = {},
): Promise<MadeSnapshot> {
	const base = `${url}/v1/chains/${CHAIN}/snapshots`;
	const response = await fetch(base, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(request),
	});
	const made = (await response.json()) as MadeSnapshot;
	if (response.status !== 202) throw new Error(`no snapshot: ${JSON.stringify(made)}`);
	const look = async () => (await (await fetch(`${base}/${made.id}`)).json()) as MadeSnapshot;
	return until(
		"the snapshot has ended",
		async () => {
			const now = await look();
			return ENDED.includes(now.state) && now;
		},
		look,
	);
}

const ENDED: readonly string[] = ["verified", "damaged", "failed", "cancelled"];

/** Carries a snapshot, and those that it continues, to another service, and brings it in there. */
export async function carrySnapshot(
	from: Pick<TestRecant, "url">,
	to: Pick<TestRecant, "url">,
	snapshotId: string,
	goal: {
		readonly goal: "verify" | "apply";
		readonly replace?: boolean;
		readonly dryRun?: boolean;
	},
): Promise<MadeSnapshot> {
	const [source, target] = [from, to].map(({ url }) => `${url}/v1/chains/${CHAIN}`);
	const bytes = await whole(`${source}/snapshots/${snapshotId}/manifest`);
	const manifest = JSON.parse(bytes.toString("utf8"));
	for (const { hash } of manifest.chunks) {
		const chunk = await whole(`${source}/snapshot-chunks/${hash}`);
		await whole(`${target}/snapshot-chunks/${hash}`, {
			method: "PUT",
			headers: { "content-type": "application/octet-stream" },
			body: new Uint8Array(chunk),
		});
	}
	const answer = await whole(`${target}/snapshots/imports`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ manifest, ...goal }),
	});
	return JSON.parse(answer.toString("utf8"));
}

/** As it stands now. */
export async function snapshotOf(
	{ url }: Pick<TestRecant, "url">,
	id: string,
): Promise<MadeSnapshot & { readonly error?: { readonly code: string } }> {
	return JSON.parse((await whole(`${url}/v1/chains/${CHAIN}/snapshots/${id}`)).toString("utf8"));
}

async function whole(url: string, init: RequestInit = {}): Promise<Buffer> {
	const response = await fetch(url, init);
	const body = Buffer.from(await response.arrayBuffer());
	if (!response.ok) throw new Error(`${response.status} of ${url}: ${body.toString("utf8")}`);
	return body;
}
