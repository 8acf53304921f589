/** Reports of rollbacks on their way to receivers that are slow, away, wrong, or told twice. */
import { describe, expect, test } from "vitest";
import { verifyWebhook } from "../../src/client/webhook.ts";
import {
	type AnsweringServer,
	type Reply,
	startAnsweringServer,
} from "../support/answering-server.ts";
import { CHAIN } from "../support/recant.ts";
import { redisUrl } from "../support/redis.ts";
import { startService } from "../support/service-process.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const TIMEOUT_MS = 120_000;

interface Told {
	readonly world: World;
	readonly receiver: AnsweringServer;
	/** Makes a fork of one block, in which a memory is lost, and waits for its rollback. */
	fork(): Promise<void>;
	deliveries(): Promise<readonly Delivered[]>;
	retry(id: string): Promise<Response>;
}

interface Delivered {
	readonly id: string;
	readonly rollbackId: string;
	readonly state: string;
	readonly attempts: number;
	readonly error?: string;
	readonly receiver: string;
}

async function told(reply: (count: number) => Reply, redis?: string): Promise<Told> {
	let count = 0;
	const receiver = await startAnsweringServer(() => {
		count += 1;
		return reply(count);
	});
	const environment = {
		WEBHOOK_URL: `${receiver.url}/secret-path`,
		WEBHOOK_SECRET: SECRET,
		RECANT_PUBLIC_URL: "https://recant.example",
	};
	const world = await World.create({ name: "webhooks", environment, redisUrl: redis });
	const at = (path: string) => `${world.recant.url}/v1/chains/${CHAIN}/deliveries${path}`;
	return {
		world,
		receiver,
		async fork() {
			await world.block({ from: 1, to: 2, value: 5n });
			await world.fork(async (chain) => {
				await chain.drop(1);
				await chain.empty(2);
			});
		},
		async deliveries() {
			const answer = (await (await fetch(at(""))).json()) as { readonly items: Delivered[] };
			return answer.items;
		},
		retry: (id) => fetch(at(`/${id}/retry`), { method: "POST" }),
	};
}

function verified({ asked }: AnsweringServer) {
	return asked.map((one) => verifyWebhook({ ...one, secret: SECRET }));
}

function untilState(hook: Told, state: string): Promise<Delivered> {
	return until(
		`a delivery is ${state}`,
		async () => (await hook.deliveries()).find((each) => each.state === state),
		() => hook.deliveries(),
	);
}

describe.each([
	{ on: "Postgres", redis: () => undefined },
	{ on: "Redis", redis: redisUrl },
])("a webhook with the queue on $on", ({ redis }) => {
	test(
		"tells of a rollback, signed, and again with the same id when it answers 500",
		async () => {
			const fails = (count: number) => ({ status: count < 3 ? 500 : 200, body: "oops" });
			const hook = await told(fails, redis());
			await hook.fork();
			const waiting = await until("the second try failed", async () =>
				(await hook.deliveries()).find((each) => each.attempts === 2),
			);
			expect(waiting).toMatchObject({
				state: "waiting",
				error: "it answered 500: oops",
				receiver: hook.receiver.url,
			});
			// At once, instead of after 5 to 10 s.
			const retriedMs = performance.now();
			expect((await hook.retry(waiting.id)).status).toBe(202);
			const delivery = await untilState(hook, "delivered");
			expect(performance.now() - retriedMs).toBeLessThan(4_000);
			expect(delivery.attempts).toBe(3);
			const [rollback] = await hook.world.rollbacks();
			const [first, second] = verified(hook.receiver);
			expect(first?.id).toBe(delivery.id);
			expect(second?.id).toBe(delivery.id);
			expect(second?.payload).toEqual(first?.payload);
			expect(first?.payload).toMatchObject({
				type: "rollback.committed",
				data: {
					rollback: { id: rollback?.id, state: "committed" },
					report: `https://recant.example/v1/chains/31337/rollbacks/${rollback?.id}/report`,
					recanted: expect.arrayContaining([expect.objectContaining({ namespace: "ledger" })]),
					truncated: false,
				},
			});
		},
		TIMEOUT_MS,
	);
});

describe("a webhook", () => {
	test(
		"whose receiver is down reaches it when it is back, without anybody's doing",
		async () => {
			const hook = await told(() => ({}));
			await hook.receiver.close();
			await hook.fork();
			await until(
				"a try failed",
				async () => (await hook.deliveries())[0]?.error === "ECONNREFUSED",
			);
			await hook.receiver.open();
			expect((await untilState(hook, "delivered")).attempts).toBeGreaterThan(1);
			expect(verified(hook.receiver)).toHaveLength(1);
		},
		TIMEOUT_MS,
	);

	test(
		"that wants no more is not told again, until somebody asks for it",
		async () => {
			const hook = await told((count) => (count === 1 ? { status: 410 } : {}));
			await hook.fork();
			const failed = await untilState(hook, "failed");
			expect(failed).toMatchObject({ attempts: 1, error: "it wants no more (410)" });
			expect((await hook.retry(failed.id)).status).toBe(202);
			expect((await untilState(hook, "delivered")).id).toBe(failed.id);
			expect((await hook.retry("00000000-0000-4000-8000-000000000000")).status).toBe(404);
		},
		TIMEOUT_MS,
	);

	test(
		"comes after a kill between the commit and the sending",
		async () => {
			const hook = await told(() => ({}));
			const { world, receiver } = hook;
			await world.block({ from: 1, to: 2, value: 5n });
			const { home } = world.recant;
			await world.stop();
			const service = await startService({
				hangAfterCommit: true,
				environment: {
					RECANT_RPC_URL: world.gate.url,
					RECANT_TOKEN: world.chain.token.address,
					RECANT_POLL_INTERVAL_MS: "25",
					RECANT_DATA_DIR: home.dataDir,
					DATABASE_URL: home.databaseUrl,
					WEBHOOK_URL: `${receiver.url}/secret-path`,
					WEBHOOK_SECRET: SECRET,
				},
			});
			await until("the chain is followed", async () => {
				const { head } = await service.client.chain(CHAIN);
				return head?.hash === (await world.chain.head()).hash;
			});
			await world.gate.hold(async () => {
				await world.chain.drop(1);
				await world.chain.empty(2);
			});
			await service.said((event) => event.event === "committed");
			await service.kill();
			expect(receiver.asked).toHaveLength(0);
			await world.start();
			await untilState(hook, "delivered");
			const [rollback] = await world.rollbacks();
			const [message, ...others] = verified(receiver);
			expect(others).toEqual([]);
			expect(message?.payload).toMatchObject({ data: { rollback: { id: rollback?.id } } });
		},
		TIMEOUT_MS,
	);
});
