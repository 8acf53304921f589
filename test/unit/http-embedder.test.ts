import { describe, expect, test } from "vitest";
import { RecantError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { embedText } from "../../src/vectors/hashing-embedder.ts";
import { HttpEmbedder, type HttpEmbedderOptions } from "../../src/vectors/http-embedder.ts";
import { type Reply, startAnsweringServer } from "../support/answering-server.ts";
import { startEmbeddingEndpoint } from "../support/embedding-endpoint.ts";

function embedderAt(url: string, options: Partial<HttpEmbedderOptions> = {}): HttpEmbedder {
	return new HttpEmbedder({ url, model: "m", dimensions: 2, apiKey: undefined, ...options });
}

async function failureOf(work: Promise<unknown>): Promise<RecantError> {
	const error = await work.then(
		() => undefined,
		(thrown: unknown) => thrown,
	);
	if (error instanceof RecantError) return error;
	throw new Error(`not refused: ${error}`);
}

function data(...items: readonly unknown[]): Reply {
	return { body: JSON.stringify({ data: items }) };
}

describe("an OpenAI-compatible endpoint", () => {
	test("gives unit vectors in the order of the texts, whatever the order of its answer", async () => {
		const endpoint = await startEmbeddingEndpoint();
		const embedder = embedderAt(`${endpoint.base}/`, { dimensions: 384, apiKey: "k1" });
		const texts = Array.from({ length: 3 * LIMITS.embedderBatchTexts + 1 }, (_, at) => `word${at}`);
		const vectors = await embedder.embed(texts);
		expect(vectors).toHaveLength(texts.length);
		for (const [at, vector] of vectors.entries()) {
			const wanted = embedText(texts[at] ?? "");
			expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
			expect(vector.reduce((sum, value, axis) => sum + value * (wanted[axis] ?? 0), 0)).toBeCloseTo(
				1,
				5,
			);
		}
		expect(endpoint.asked).toHaveLength(4);
		expect(endpoint.asked[0]?.path).toBe("/v1/embeddings");
		expect(endpoint.asked[0]?.headers.authorization).toBe("Bearer k1");
		expect(JSON.parse(endpoint.asked[0]?.body ?? "")).toMatchObject({ model: "m" });
	});

	test.each<[string, Reply]>([
		["another count", data({ index: 0, embedding: [1, 0] }, { index: 1, embedding: [1, 0] })],
		["another dimension", data({ index: 0, embedding: [1, 0, 0] })],
		["a number that is none", data({ index: 0, embedding: [1, null] })],
		["nothing but zeros", data({ index: 0, embedding: [0, 0] })],
		["an index out of range", data({ index: 1, embedding: [1, 0] })],
		["an index that is no number", data({ index: "0", embedding: [1, 0] })],
		["no embedding", data({ index: 0 })],
		["no list", { body: '{"data":{}}' }],
		["no JSON", { body: "<html>" }],
	])("whose answer has %s is not believed", async (_, reply) => {
		const server = await startAnsweringServer(() => reply);
		const error = await failureOf(embedderAt(server.url).embed(["a"]));
		expect(error).toMatchObject({ code: "embedder_invalid", retryable: true });
		expect(server.asked).toHaveLength(1);
	});

	test("whose answer names an index twice is not believed", async () => {
		const twice = data({ index: 0, embedding: [1, 0] }, { index: 0, embedding: [0, 1] });
		const server = await startAnsweringServer(() => twice);
		const error = await failureOf(embedderAt(server.url).embed(["a", "b"]));
		expect(error.code).toBe("embedder_invalid");
	});

	test("whose answer is too long is left", async () => {
		const server = await startAnsweringServer(() => ({
			body: "x".repeat(LIMITS.embedderAnswerBytes + 1),
		}));
		expect((await failureOf(embedderAt(server.url).embed(["a"]))).code).toBe("embedder_invalid");
	});

	test("that fails twice is asked a third time", async () => {
		const replies: Reply[] = [{ status: 500 }, { status: 503 }];
		const server = await startAnsweringServer(
			() => replies.shift() ?? data({ index: 0, embedding: [0, 2] }),
		);
		const embedder = embedderAt(server.url);
		expect(await embedder.embed(["a"])).toEqual([Float32Array.of(0, 1)]);
		expect(server.asked).toHaveLength(3);
		expect(embedder.health()).toMatchObject({ state: "up", retries: 2 });
	});

	test("that says Retry-After is asked no sooner", async () => {
		const replies: Reply[] = [{ status: 429, headers: { "retry-after": "1" } }];
		const server = await startAnsweringServer(
			() => replies.shift() ?? data({ index: 0, embedding: [1, 0] }),
		);
		await embedderAt(server.url).embed(["a"]);
		const [first, second] = server.asked;
		expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(950);
	});

	test("that asks for a long wait is not waited for, and the caller hears how long", async () => {
		const server = await startAnsweringServer(() => ({
			status: 429,
			headers: { "retry-after": "60" },
			body: '{"error":{"message":"rate limit \\"reached\\""}}',
		}));
		const embedder = embedderAt(server.url);
		const error = await failureOf(embedder.embed(["a"]));
		expect(error).toMatchObject({ code: "embedder_unavailable", fields: { retryAfterMs: 60_000 } });
		expect(error.message).toContain("answered 429");
		expect(server.asked).toHaveLength(1);
		// It is there, and says so.
		expect(embedder.health().state).toBe("up");
	});

	test("that does not take one text says which kind of error that is, and takes the others", async () => {
		const server = await startAnsweringServer(({ body }) => {
			const { input } = JSON.parse(body) as { readonly input: readonly string[] };
			return input.length > 2
				? { status: 422, body: "batch size 3 > maximum allowed batch size 2" }
				: data(...input.map((_, index) => ({ index, embedding: [1, 0] })));
		});
		expect(await embedderAt(server.url).embed(["a", "b", "c"])).toHaveLength(3);
		const strict = await startAnsweringServer(() => ({
			status: 400,
			body: '{"error":{"message":"maximum context length is 8192 tokens"}}',
		}));
		const error = await failureOf(embedderAt(strict.url).embed(["a"]));
		expect(error).toMatchObject({ code: "embedder_refused", retryable: false });
		expect(error.message).toContain("answered 400");
		expect(error.hint).toContain("shorten the text");
		expect(strict.asked).toHaveLength(1);
	});

	test("that redirects is not followed: the key is for nobody else", async () => {
		const elsewhere = await startAnsweringServer(() => data({ index: 0, embedding: [1, 0] }));
		const server = await startAnsweringServer(() => ({
			status: 307,
			headers: { location: elsewhere.url },
		}));
		const error = await failureOf(embedderAt(server.url, { apiKey: "secret" }).embed(["a"]));
		expect(error.code).toBe("embedder_unavailable");
		expect(elsewhere.asked).toHaveLength(0);
	});

	test("that does not know the key says so without saying the key", async () => {
		const server = await startAnsweringServer(() => ({ status: 401, body: "no" }));
		const error = await failureOf(embedderAt(server.url, { apiKey: "sesame" }).embed(["a"]));
		expect(error.code).toBe("embedder_unavailable");
		expect(error.hint).toContain("check EMBEDDER_API_KEY");
		expect(JSON.stringify([error.message, error.hint, error.fields])).not.toContain("sesame");
	});

	test.each([200, 400, 401, 404, 429, 500])(
		"that answers %i with secrets gives them to no caller, and not to the log",
		async (status) => {
			const words = "Incorrect API key provided: sesame; authorization: Bearer b3ar3r-sent";
			const body = `${words} ${"and so on ".repeat(100)}`;
			const server = await startAnsweringServer(() => ({ status, body }));
			const logged: Record<string, unknown>[] = [];
			const log = {
				info: () => undefined,
				warn: (fields: object) => void logged.push({ ...fields }),
			};
			const embedder = embedderAt(server.url, { apiKey: "sesame", log });
			const error = await failureOf(embedder.embed(["a"]));
			await failureOf(embedder.embed(["a"]));
			const { lastError } = embedder.health();
			const told = JSON.stringify([error.message, error.hint, error.fields, lastError]);
			expect(told).not.toMatch(/sesame|b3ar3r|Incorrect|so on/);
			if (status !== 200) expect(error.message).toContain(`answered ${status}`);
			// The guard's own line has no word of the endpoint.
			const own = logged.filter(({ embedderStatus }) => embedderStatus !== undefined);
			expect(own).toHaveLength(1);
			expect(own[0]?.["said"]).toContain("Incorrect API key provided: [cut]");
			expect(String(own[0]?.["said"]).length).toBeLessThanOrEqual(200);
			expect(JSON.stringify(logged)).not.toMatch(/sesame|b3ar3r/);
		},
	);

	test("that hangs is given up, and soon not asked at all until it is back", async () => {
		let slow = true;
		const server = await startAnsweringServer(() => ({
			...data({ index: 0, embedding: [1, 0] }),
			afterMs: slow ? 60_000 : 0,
		}));
		const embedder = embedderAt(server.url, { timeoutMs: 30 });
		for (let call = 0; call < 3; call += 1) await failureOf(embedder.embed(["a"]));
		expect(embedder.health()).toMatchObject({ name: "embedder", state: "down", breaker: "open" });
		const asked = server.asked.length;
		const began = performance.now();
		const error = await failureOf(embedder.embed(["a"]));
		expect(error).toMatchObject({ code: "embedder_unavailable" });
		expect(error.message).toContain("did not answer in time");
		expect(performance.now() - began).toBeLessThan(30);
		expect(server.asked).toHaveLength(asked);
		slow = false;
		await expect
			.poll(
				() =>
					embedder.embed(["a"]).then(
						() => embedder.health().state,
						() => "down",
					),
				{
					timeout: 5_000,
				},
			)
			.toBe("up");
	});

	test("is asked by a few at once, and too many callers are refused", async () => {
		let running = 0;
		let most = 0;
		const server = await startAnsweringServer(async () => {
			running += 1;
			most = Math.max(most, running);
			await new Promise((resolve) => setTimeout(resolve, 20));
			running -= 1;
			return data({ index: 0, embedding: [1, 0] });
		});
		const embedder = embedderAt(server.url);
		const calls = LIMITS.embedderRequests + LIMITS.embedderRequestsWaiting + 3;
		const outcomes = await Promise.allSettled(
			Array.from({ length: calls }, () => embedder.embed(["a"])),
		);
		expect(most).toBe(LIMITS.embedderRequests);
		const refused = outcomes.filter((outcome) => outcome.status === "rejected");
		expect(refused).toHaveLength(3);
		expect(refused[0]?.reason).toMatchObject({ code: "embedder_unavailable" });
	});
});
