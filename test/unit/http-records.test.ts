import { describe, expect, it } from "vitest";
import { createHttpApp } from "../../src/http/app.ts";
import { deliveriesAnswer, deliveryAnswer } from "../../src/http/delivery-schema.ts";
import { resultAnswer } from "../../src/http/result-schema.ts";
import { inputHashOf } from "../../src/memory/input-hash.ts";
import type { DeliveryView } from "../../src/service/records/deliveries-service.ts";
import type { ResultsService } from "../../src/service/records/results-service.ts";
import { testHttp, UUID } from "./http-fixture.ts";
import { fakeProofs } from "./http-fixture-proofs.ts";

const DELIVERY: DeliveryView = {
	id: UUID,
	chainId: 31_337,
	kind: "rollback.committed",
	rollbackId: UUID as DeliveryView["rollbackId"],
	receiver: "https://hooks.example",
	state: "failed",
	attempts: 13,
	error: "it answered 500",
	createdAt: new Date(0),
	finishedAt: new Date(1),
};

function recordsHttp() {
	const asked: Parameters<ResultsService["recordResult"]>[1][] = [];
	const fake = testHttp();
	const app = createHttpApp({
		service: fake.service,
		proofs: fakeProofs(fake.calls),
		apiKeys: [],
		log: { error: () => undefined },
		records: {
			results: {
				result: async (_, name) => ({
					...name,
					chainId: 31_337,
					output: [1],
					createdAt: new Date(0),
				}),
				recordResult: async (_, request) => {
					asked.push(request);
					const { namespace, model, inputHash, output, replace } = request;
					const result = { namespace, model, inputHash, output, chainId: 31_337 };
					return { created: !replace, result: { ...result, createdAt: new Date(0) } };
				},
			},
			deliveries: {
				deliveries: async () => ({ items: [DELIVERY], cursor: undefined }),
				retryDelivery: async () => ({ ...DELIVERY, state: "waiting" }),
			},
		},
	});
	const send = async (method: string, path: string, body?: unknown) =>
		app.request(`http://localhost/v1/chains/anvil/${path}`, {
			method,
			...(body === undefined
				? {}
				: { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
		});
	return { send, asked };
}

describe("the routes of recorded results", () => {
	it("take an input, or its hash", async () => {
		const { send, asked } = recordsHttp();
		const input = { prompt: "what?", at: null };
		const made = await send("PUT", "results", { model: "m", input, output: null });
		expect(made.status).toBe(201);
		expect(resultAnswer.parse(await made.json())).toMatchObject({ namespace: "default" });
		const inputHash = inputHashOf(input);
		const again = { model: "m", inputHash, output: [1], replace: true, namespace: "n" };
		expect((await send("PUT", "results", again)).status).toBe(200);
		expect(asked).toEqual([
			{ namespace: "default", model: "m", inputHash, output: null, replace: false },
			again,
		]);
		const found = await send("GET", `results?model=m&inputHash=${inputHash}`);
		expect(resultAnswer.parse(await found.json())).toMatchObject({ inputHash, output: [1] });
	});

	it.each([
		["neither input nor hash", { model: "m", output: 1 }],
		["both", { model: "m", input: 1, inputHash: inputHashOf(1), output: 1 }],
		["no output", { model: "m", input: 1 }],
		["no model", { input: 1, output: 1 }],
		["an unknown field", { model: "m", input: 1, output: 1, outptu: 2 }],
		["half a hash", { model: "m", inputHash: "0xabc", output: 1 }],
	])("refuse %s", async (_, body) => {
		const answer = await recordsHttp().send("PUT", "results", body);
		expect(answer.status).toBe(400);
		expect(await answer.json()).toMatchObject({ code: "invalid_request" });
	});

	it("refuse the name of a model that is too long", async () => {
		const body = { model: "m".repeat(257), input: 1, output: 1 };
		const answer = await recordsHttp().send("PUT", "results", body);
		expect(await answer.json()).toMatchObject({ code: "limit_exceeded", limit: "modelLength" });
	});
});

describe("the routes of deliveries", () => {
	it("list them, and send one again", async () => {
		const { send } = recordsHttp();
		const page = await send("GET", "deliveries");
		expect(deliveriesAnswer.parse(await page.json()).items).toHaveLength(1);
		const again = await send("POST", `deliveries/${UUID}/retry`);
		expect(again.status).toBe(202);
		expect(deliveryAnswer.parse(await again.json()).state).toBe("waiting");
		expect((await send("POST", "deliveries/x/retry")).status).toBe(400);
	});
});
