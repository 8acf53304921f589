import { describe, expect, it } from "vitest";
import { readJson, testHttp } from "./http-fixture.ts";

const PATH = "/v1/chains/anvil/consistency";

describe("POST …/consistency", () => {
	it("is basic if nothing else is said, and answers where the run is", async () => {
		const http = testHttp();
		const response = await http.post(PATH, {});
		expect(response.status).toBe(202);
		const run = await readJson<{ id: string; score: number }>(response);
		expect(response.headers.get("location")).toBe(`/v1/chains/31337/consistency/${run.id}`);
		expect(run.score).toBe(0.95);
		const call = http.calls.find(({ method }) => method === "check");
		expect(call?.args).toEqual(["anvil", { level: "basic", sample: undefined }]);
	});

	it.each([
		[{ level: "deep" }, "body.level"],
		[{ sample: { seed: "s", confidence: 1, tolerance: 0.1 } }, "body.sample.confidence"],
		[{ sample: { seed: "s", confidence: 0.9, tolerance: 0 } }, "body.sample.tolerance"],
		[{ sample: { seed: "", confidence: 0.9, tolerance: 0.1 } }, "body.sample.seed"],
		[{ repair: true }, "body"],
	])("refuses %j", async (body, path) => {
		const response = await testHttp().post(PATH, body);
		expect(response.status).toBe(400);
		expect(JSON.stringify(await response.json())).toContain(`"${path}`);
	});
});

describe("GET …/consistency", () => {
	it("takes a level, a page's size and cursor", async () => {
		const http = testHttp();
		await http.get(`${PATH}?level=full&limit=7&cursor=abc`);
		const call = http.calls.find(({ method }) => method === "runs");
		expect(call?.args).toEqual(["anvil", { level: "full", limit: 7, cursor: "abc" }]);
		expect((await http.get(`${PATH}?level=deep`)).status).toBe(400);
		expect((await http.get(`${PATH}?limit=201`)).status).toBe(422);
	});

	it("shows findings without what does not apply", async () => {
		const id = "0197a000-0000-7000-8000-00000000c0de";
		const answer = await readJson<{ findings: [{ subject: object; since: string }] }>(
			await testHttp().get(`${PATH}/${id}`),
		);
		expect(answer.findings[0].since).toBe("4");
		expect(answer.findings[0].subject).not.toHaveProperty("position");
		expect((await testHttp().get(`${PATH}/no-uuid`)).status).toBe(400);
	});
});
