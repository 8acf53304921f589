/** Texts embedded by an endpoint of somebody else's, which costs something and may be away. */
import { describe, expect, test } from "vitest";
import { startEmbeddingEndpoint } from "../support/embedding-endpoint.ts";
import { CHAIN } from "../support/recant.ts";
import { until } from "../support/until.ts";
import { onlyOne, World } from "../support/world.ts";

const AWAY = { status: 503, body: "the model is loading" };

async function worldWithEndpoint() {
	const endpoint = await startEmbeddingEndpoint();
	const world = await World.create({ name: "embedder", environment: endpoint.variables });
	return { endpoint, world };
}

async function found(world: World, text: string): Promise<string | undefined> {
	const { results } = await world.service.search(CHAIN, {
		text,
		vector: undefined,
		collection: undefined,
		namespace: "default",
		layers: undefined,
		where: undefined,
		minImportance: undefined,
		minConfidence: undefined,
		at: { at: { kind: "tag", tag: "pending" }, generation: undefined },
		k: 1,
	} as Parameters<typeof world.service.search>[1]);
	return results[0]?.memory.id;
}

describe("an embedding endpoint", () => {
	test("is asked once a text, whatever forks and restarts write again", async () => {
		const { endpoint, world } = await worldWithEndpoint();
		const lost = onlyOne((await world.block({ from: 1, to: 2, value: 5n })).sent);
		const put = { op: "put", content: {} } as const;
		await world.write({ ...put, id: "stays", text: "the whale sleeps" });
		await world.write(
			{ ...put, id: "rests", text: "it sold everything", anchor: { transaction: lost.hash } },
			{ op: "patch", id: "stays", text: "the whale wakes" },
		);
		const [view] = (await world.service.chain(CHAIN)).collections;
		expect(view).toMatchObject({ model: "test-model", dimensions: 384 });
		// Dropped, then mined again: replayed, suspended, reinstated.
		await world.fork(async (chain) => {
			await chain.drop(1);
			await chain.empty(2);
		});
		await world.block(lost);
		await world.stop();
		await world.start();
		await world.followed();
		expect(await world.memory("rests")).toBeDefined();
		expect(await found(world, "the whale wakes")).toBe("stays");
		const again = [...endpoint.texts].filter(([, times]) => times !== 1);
		expect(again).toEqual([]);
		expect(endpoint.texts.get("it sold everything")).toBe(1);
	});

	test("that is away refuses the write that needs it, and nothing else", async () => {
		const { endpoint, world } = await worldWithEndpoint();
		await world.write({ op: "put", id: "known", content: {}, text: "known words" });
		endpoint.fail = () => AWAY;
		const refused = world.write({ op: "put", id: "new", content: {}, text: "unknown words" });
		await expect(refused).rejects.toMatchObject({ code: "embedder_unavailable", retryable: true });
		expect((await world.service.chain(CHAIN)).inbox).toBe(0);
		const [without] = await world.write({ op: "put", id: "without", content: { n: 1 } });
		const [same] = await world.write({ op: "put", id: "same", content: {}, text: "known words" });
		expect([without?.status, same?.status]).toEqual(["applied", "applied"]);
		const stores = (await world.service.status()).stores;
		expect(stores.find(({ name }) => name === "embedder")).toMatchObject({
			state: expect.stringMatching(/failing|down/),
			lastError: expect.stringMatching(/answered 503$/),
		});
		endpoint.fail = undefined;
		await until("the embedder is asked again", async () => {
			const written = await world
				.write({ op: "put", id: "new", content: {}, text: "unknown words" })
				.catch(() => undefined);
			return written?.[0]?.status === "applied";
		});
	});

	test("that is away lets a block with texts wait, and the chain's status says why", async () => {
		const { endpoint, world } = await worldWithEndpoint();
		endpoint.fail = () => AWAY;
		const { height: before } = (await world.service.chain(CHAIN)).head ?? { height: -1n };
		await world.chain.block({ from: 1, to: 3, value: 8n });
		await until("the chain waits for the embedder", async () => {
			const { state, problem } = await world.service.chain(CHAIN);
			return state === "waiting" && problem?.code === "embedder_unavailable";
		});
		expect((await world.service.chain(CHAIN)).head?.height).toBe(before);
		const [written] = await world.write({ op: "put", id: "meanwhile", content: { n: 1 } });
		expect(written?.status).toBe("applied");
		endpoint.fail = undefined;
		await world.followed();
		expect((await world.service.chain(CHAIN)).head?.height).toBe(before + 1n);
		expect((await world.memory("meanwhile"))?.content).toEqual({ n: 1 });
	});

	test("that hangs over a block's texts does not hold up what agents write meanwhile", async () => {
		const { endpoint, world } = await worldWithEndpoint();
		const asked = endpoint.asked.length;
		endpoint.fail = () => ({ ...AWAY, afterMs: 6_000 });
		await world.chain.block({ from: 1, to: 3, value: 8n });
		await until("the endpoint was asked", () => endpoint.asked.length > asked);
		const [written] = await world.write({ op: "put", id: "meanwhile", content: { n: 1 } });
		expect(written?.status).toBe("applied");
		endpoint.fail = undefined;
		await world.followed();
	});

	test("that does not take a text refuses that write for good", async () => {
		const { endpoint, world } = await worldWithEndpoint();
		endpoint.fail = (texts) =>
			texts.some((text) => text.length > 1_000)
				? { status: 400, body: '{"error":{"message":"too many tokens"}}' }
				: undefined;
		const long = { op: "put", id: "long", content: {}, text: "word ".repeat(400) } as const;
		await expect(world.write(long)).rejects.toMatchObject({
			code: "embedder_refused",
			retryable: false,
			message: expect.stringContaining("answered 400"),
		});
		const [short] = await world.write({ ...long, text: "a word" });
		expect(short?.status).toBe("applied");
	});
});
