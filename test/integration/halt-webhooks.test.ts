/** Receivers are told that a chain halted, and that it goes on: in the transaction that makes it so. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { verifyWebhook } from "../../src/client/webhook.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresDeliveryStore } from "../../src/store/records/postgres-delivery-store.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { recordHalt } from "../../src/store/writing/record-halt.ts";
import { startAnsweringServer } from "../support/answering-server.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const CHAIN = 31_337;
const HASH: Hex = `0x${"11".repeat(32)}`;
const HALT = { code: "fork_below_finality", message: "it forked", hint: "recover" } as const;
const RECEIVERS = ["https://one.example/a", "https://two.example/b"];
const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const TIMEOUT_MS = 180_000;
async function underLease() {
	const { url } = await createTestDatabase("halt_webhooks");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: HASH };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const writer = new PostgresWriterStore(database, () => true, RECEIVERS);
	const lease = await writer.acquireLease(CHAIN, "here", 60_000);
	if ("heldBy" in lease) throw new Error("the lease is free");
	const store = new PostgresDeliveryStore(database);
	const told = async () => {
		const found = await store.page(CHAIN, { after: undefined, limit: 50 });
		return found.map((each) => ({ kind: each.told.kind, url: each.url, state: each.state }));
	};
	return { database, writer, fence: lease.fence, store, told };
}

const ofBoth = (kind: string) =>
	expect.arrayContaining(RECEIVERS.map((url) => ({ kind, url, state: "waiting" })));

test("a halt and its end are one delivery each for every receiver, with their outbox entries", async () => {
	const { writer, fence, store, told } = await underLease();
	await writer.halt(CHAIN, fence, HALT);
	expect(await told()).toEqual(ofBoth("chain.halted"));
	expect(await store.outbox()).toHaveLength(2);
	const [first] = await store.page(CHAIN, { after: undefined, limit: 1 });
	expect(first?.told).toEqual({
		kind: "chain.halted",
		data: { generation: "0", height: "0", problem: HALT },
	});
	// Said again, in the same words, it is the same halt.
	await writer.halt(CHAIN, fence, HALT);
	expect(await told()).toHaveLength(2);
	await writer.halt(CHAIN, fence, { ...HALT, message: "it is another" });
	expect(await told()).toHaveLength(4);
	await writer.halt(CHAIN, fence, undefined);
	const all = await told();
	expect(all).toHaveLength(6);
	expect(all).toEqual(ofBoth("chain.resumed"));
	await writer.halt(CHAIN, fence, undefined);
	expect(await told()).toHaveLength(6);
});

test("who has lost the lease halts nothing, and tells nobody", async () => {
	const { writer, fence, told } = await underLease();
	await writer.halt(CHAIN, fence - 1n, HALT);
	expect(await told()).toEqual([]);
});

test("what is not committed is told to nobody", async () => {
	const { database, fence, store, told } = await underLease();
	const failed = database.transaction(async (tx) => {
		await recordHalt(tx, { chainId: CHAIN, fence }, { problem: HALT, receivers: RECEIVERS });
		throw new Error("no");
	});
	await expect(failed).rejects.toThrow();
	expect(await told()).toEqual([]);
	expect(await store.outbox()).toEqual([]);
});

test(
	"a fork below finality and its recovery reach a receiver, signed, and stand in the log",
	async () => {
		const receiver = await startAnsweringServer(() => ({}));
		const world = await World.create({
			name: "halt_webhooks",
			slotsInAnEpoch: 2,
			environment: {
				WEBHOOK_URL: `${receiver.url}/hook`,
				WEBHOOK_SECRET: SECRET,
				RECANT_PUBLIC_URL: "https://recant.example",
			},
		});
		for (let value = 1n; value <= 12n; value += 1n) await world.block({ from: 1, to: 2, value });
		await world.hold(async (chain) => {
			await chain.drop(8);
			for (let value = 1n; value <= 8n; value += 1n) await chain.block({ from: 3, to: 2, value });
		});
		const messages = () =>
			receiver.asked.map((one) => verifyWebhook({ ...one, secret: SECRET }).payload);
		const of = (type: string) => messages().find((each) => each["type"] === type);
		const halted = await until("the halt is told", () => of("chain.halted"));
		expect(halted).toMatchObject({
			timestamp: expect.stringMatching(/^\d{4}-/),
			data: {
				chainId: CHAIN,
				status: `https://recant.example/v1/chains/${CHAIN}`,
				generation: "0",
				problem: { code: "fork_below_finality", hint: expect.any(String) },
			},
		});
		expect(of("chain.resumed")).toBeUndefined();

		const client = new RecantClient({ url: world.recant.url });
		await client.recover(`${CHAIN}`, { kind: "accept", singleProvider: true });
		const resumed = await until("its end is told", () => of("chain.resumed"));
		expect(resumed).toMatchObject({
			data: { generation: "1", problem: { code: "fork_below_finality" } },
		});
		await until("the report is told", () => of("rollback.committed"));
		expect(messages()).toHaveLength(3);
		const listed = await fetch(`${world.recant.url}/v1/chains/${CHAIN}/deliveries`);
		const { items } = (await listed.json()) as { readonly items: readonly { kind: string }[] };
		expect(items.map(({ kind }) => kind).sort()).toEqual([
			"chain.halted",
			"chain.resumed",
			"rollback.committed",
		]);

		const ending = new AbortController();
		const seen: unknown[] = [];
		const query = { after: new Map([[CHAIN, 0n]]), chains: undefined, types: ["halt"] };
		for await (const { data } of world.service.events(query, ending.signal)) {
			seen.push(data);
			if (seen.length === 2) ending.abort();
		}
		expect(seen).toMatchObject([{ code: "fork_below_finality" }, { isOver: true }]);
	},
	TIMEOUT_MS,
);
