import { describe, expect, it } from "vitest";
import type { z } from "zod";
import * as answers from "../../src/http/answer-schema.ts";
import * as consistencyAnswers from "../../src/http/consistency-schema.ts";
import { documentedOperations } from "../../src/http/docs-page.ts";
import { explainAnswer } from "../../src/http/explain-schema.ts";
import * as graphAnswers from "../../src/http/graph-schema.ts";
import { ERROR_CODES, STATUS_OF } from "../../src/http/problem.ts";
import * as proofAnswers from "../../src/http/proof-schema.ts";
import { reportAnswer } from "../../src/http/report-schema.ts";
import { openApiDocument } from "../../src/http/routes/document-routes.ts";
import { HASH_A, testHttp, UUID } from "./http-fixture.ts";

const OWN_PAGES = ["GET /", "GET /docs", "GET /openapi.json"];

function documented(): string[] {
	const document = openApiDocument(testHttp().app, false);
	return documentedOperations(document).map(
		({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
	);
}

function registered(): string[] {
	return testHttp()
		.app.routes.filter(({ method }) => method !== "ALL")
		.map(({ method, path }) => `${method} ${path}`);
}

describe("the OpenAPI document", () => {
	it("describes every route that exists, and no other", () => {
		const routes = new Set(registered().filter((route) => !OWN_PAGES.includes(route)));
		expect(documented().sort()).toEqual([...routes].sort());
	});

	it("has the routes of the API", () => {
		expect(new Set(documented())).toEqual(
			new Set([
				"GET /healthz",
				"GET /readyz",
				"GET /v1/chains",
				"GET /v1/chains/:chain",
				"GET /v1/chains/:chain/blocks",
				"GET /v1/chains/:chain/checkpoints",
				"GET /v1/chains/:chain/checkpoints/:height",
				"GET /v1/chains/:chain/consistency",
				"GET /v1/chains/:chain/consistency/:id",
				"GET /v1/chains/:chain/diff",
				"GET /v1/chains/:chain/episodes",
				"GET /v1/chains/:chain/memories",
				"GET /v1/chains/:chain/memories/:id",
				"GET /v1/chains/:chain/memories/:id/ancestors",
				"GET /v1/chains/:chain/memories/:id/causes",
				"GET /v1/chains/:chain/memories/:id/consequences",
				"GET /v1/chains/:chain/memories/:id/descendants",
				"GET /v1/chains/:chain/memories/:id/explain",
				"GET /v1/chains/:chain/memories/:id/history",
				"GET /v1/chains/:chain/memories/:id/links",
				"GET /v1/chains/:chain/memories/:id/proof",
				"GET /v1/chains/:chain/operations/:id",
				"GET /v1/chains/:chain/recoveries",
				"GET /v1/chains/:chain/recoveries/:id",
				"GET /v1/chains/:chain/rollbacks",
				"GET /v1/chains/:chain/rollbacks/:id",
				"GET /v1/chains/:chain/rollbacks/:id/report",
				"GET /v1/chains/:chain/tree",
				"GET /v1/chains/:chain/tree/memories",
				"GET /v1/events",
				"GET /v1/keys",
				"GET /v1/status",
				"POST /v1/chains/:chain/consistency",
				"POST /v1/chains/:chain/merges",
				"POST /v1/chains/:chain/operations",
				"POST /v1/chains/:chain/recoveries",
				"POST /v1/chains/:chain/restores",
				"POST /v1/chains/:chain/rollbacks",
				"POST /v1/chains/:chain/rollbacks/:id/abandon",
				"POST /v1/chains/:chain/rollbacks/:id/cancel",
				"POST /v1/chains/:chain/rollbacks/:id/pause",
				"POST /v1/chains/:chain/rollbacks/:id/resume",
				"POST /v1/chains/:chain/rollbacks/:id/retry",
				"POST /v1/chains/:chain/search",
				"POST /v1/keys",
				"DELETE /v1/keys/:id",
			]),
		);
	});

	it("resolves every reference", async () => {
		const text = await (await testHttp().get("/openapi.json")).text();
		const document = JSON.parse(text);
		const names = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
		expect(names.length).toBeGreaterThan(50);
		for (const name of names) expect(document.components.schemas).toHaveProperty([name ?? ""]);
	});

	it("describes each parameter and each response", () => {
		const document = openApiDocument(testHttp().app, true);
		for (const { path, operation } of documentedOperations(document)) {
			expect(operation.summary, path).toBeTruthy();
			for (const parameter of operation.parameters ?? []) {
				expect(parameter.description ?? JSON.stringify(parameter), path).toBeTruthy();
			}
		}
	});

	it("asks for a key only where the service does", () => {
		expect(openApiDocument(testHttp().app, false).security).toBeUndefined();
		expect(openApiDocument(testHttp().app, true).security).toEqual([{ key: [] }]);
	});
});

describe("the error codes", () => {
	it("each have a client or server error status", () => {
		expect(ERROR_CODES.length).toBeGreaterThan(60);
		for (const code of ERROR_CODES) {
			expect(STATUS_OF[code], code).toBeGreaterThanOrEqual(400);
			expect(STATUS_OF[code], code).toBeLessThan(600);
		}
	});
});

const C = "/v1/chains/anvil";

/** Keys that a schema does not know are refused, so that a field nobody documented is found. */
const ANSWERS: readonly (readonly [path: string, schema: z.ZodObject])[] = [
	["/readyz", answers.readinessAnswer],
	["/v1/status", answers.statusAnswer],
	[C, answers.chainAnswer],
	[`${C}/blocks`, answers.blocksAnswer],
	[`${C}/operations/${UUID}`, answers.operationAnswer],
	[`${C}/memories`, answers.memoriesAnswer],
	[`${C}/memories/fact:1`, answers.oneMemoryAnswer],
	[`${C}/memories/fact:1/history`, answers.historyAnswer],
	[`${C}/memories/fact:1/proof`, proofAnswers.proofAnswer],
	[`${C}/memories/fact:1/explain`, explainAnswer],
	[`${C}/memories/fact:1/links`, graphAnswers.linksAnswer],
	[`${C}/memories/fact:1/ancestors`, graphAnswers.walkAnswer],
	[`${C}/memories/fact:1/descendants`, graphAnswers.walkAnswer],
	[`${C}/memories/fact:1/causes`, graphAnswers.walkAnswer],
	[`${C}/memories/fact:1/consequences`, graphAnswers.walkAnswer],
	[`${C}/episodes`, graphAnswers.episodesAnswer],
	[`${C}/tree?layer=semantic&paths=,0,12`, proofAnswers.treeAnswer],
	[`${C}/tree/memories?keys=${UUID}`, proofAnswers.namesAnswer],
	[`${C}/diff?from=${HASH_A}`, answers.diffAnswer],
	[`${C}/checkpoints`, answers.checkpointsAnswer],
	[`${C}/checkpoints/0`, answers.checkpointAnswer],
	[`${C}/consistency`, consistencyAnswers.runsAnswer],
	[`${C}/consistency/${UUID}`, consistencyAnswers.runWithFindingsAnswer],
	[`${C}/rollbacks`, answers.rollbacksAnswer],
	[`${C}/rollbacks/${UUID}`, answers.rollbackAnswer],
	[`${C}/rollbacks/${UUID}/report`, reportAnswer],
];

describe("what is answered fits what is documented", () => {
	it.each(ANSWERS)("GET %s", async (path, schema) => {
		const response = await testHttp().get(path);
		expect(response.status).toBe(200);
		expect(response.headers.get("content-type")).toBe("application/json");
		expect(schema.strict().safeParse(await response.json()).error).toBeUndefined();
	});
});

describe("/docs", () => {
	it("shows every operation, schema and code, and fetches nothing", async () => {
		const http = testHttp();
		const response = await http.get("/docs");
		const page = await response.text();
		expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
		for (const route of documented()) {
			const path = route.split(" ")[1]?.replaceAll(/:(\w+)/g, "{$1}");
			expect(page).toContain(`<code>${path}</code></h3>`);
		}
		for (const code of ERROR_CODES) expect(page).toContain(`id="error-${code}"`);
		expect(page).not.toMatch(/<script|<link|\bsrc=|url\(|https?:\/\//);
		expect(page).not.toMatch(/\bundefined\b|\[object/);
		const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target);
		for (const target of new Set(targets)) expect(page).toContain(`id="${target}"`);
	});

	it("is linked from the front page", async () => {
		const page = await (await testHttp().get("/")).text();
		expect(page).toContain('href="/docs"');
	});
});
