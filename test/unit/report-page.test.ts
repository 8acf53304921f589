import { describe, expect, test } from "vitest";
import { toWire } from "../../src/domain/wire.ts";
import { reportPage } from "../../src/http/report-page.ts";
import { ROLLBACK, testHttp, UUID } from "./http-fixture.ts";

const EVIL = `"><script>alert(1)</script><img src=x onerror='a'>`;

const REPORT = {
	rollback: {
		...ROLLBACK,
		state: "committed",
		finishedAt: new Date(0),
		counts: { ...ROLLBACK.counts, actions: 1_204, replayed: 1 },
	},
	truncated: true,
	actions: [
		{
			operationId: UUID,
			namespace: "trader",
			id: EVIL,
			content: { kind: "action", sold: EVIL },
			position: "12",
			lost: [{ kind: "transaction", transactionHash: "0xabc", height: "7" }],
		},
	],
	recanted: [
		{ namespace: "n", id: "m", layer: "semantic", owner: "agent", before: { text: EVIL } },
	],
	suspended: [
		{
			operationId: UUID,
			namespace: "n",
			id: "s",
			originalSlot: "5",
			reason: `why ${EVIL}`,
			lost: [{ kind: "source", namespace: "n", id: "whale", contentHash: "0xdef" }],
		},
	],
	reinstated: [],
	replayed: [{ operationId: UUID, namespace: "n", id: "r", originalSlot: "5", effectiveSlot: "9" }],
	withdrawn: [],
	derivedAnew: [{ namespace: "ledger", id: "d", slot: "6" }],
} as unknown;

describe("a report's page", () => {
	test("says how much there is before any list, then the actions, and why, and takes everything for text", async () => {
		const page = await reportPage(toWire(REPORT) as Parameters<typeof reportPage>[0]).text();
		expect(page).not.toContain("<script");
		expect(page).not.toContain("<img");
		expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
		const places = [
			"<b>1204</b> actions",
			"only their first entries",
			"Actions taken on what no longer holds (1 of 1204)",
			"No longer believed (1)",
			"Conclusions suspended (1)",
			"Carried over (1)",
			"Derived anew (1)",
		].map((title) => page.indexOf(title));
		expect(places.every((place) => place > 0)).toBe(true);
		expect(places.toSorted((a, b) => a - b)).toEqual(places);
		expect(page).toContain("gone: source");
		expect(page).toContain("<code>whale</code>");
		expect(page).not.toContain("Withdrawn (");
		expect(page).not.toContain(" more</summary>");
	});

	test("folds the actions past the fiftieth", async () => {
		const lines = Array.from({ length: 53 }, (_, at) => ({ namespace: "n", id: `action ${at}` }));
		const report = toWire({ ...(REPORT as object), actions: lines });
		const page = await reportPage(report as Parameters<typeof reportPage>[0]).text();
		const fold = page.indexOf("<details><summary>3 more</summary>");
		expect(page.indexOf("action 49")).toBeLessThan(fold);
		expect(page.indexOf("action 50")).toBeGreaterThan(fold);
		expect(page.indexOf("action 52")).toBeLessThan(page.indexOf("</details>", fold));
	});

	test("has a policy that lets nothing run and nothing in", () => {
		const { headers } = reportPage(toWire(REPORT) as Parameters<typeof reportPage>[0]);
		const policy = headers.get("content-security-policy");
		expect(policy).toContain("default-src 'none'");
		expect(policy).not.toMatch(/unsafe|script-src|https?:/);
	});
});

describe("the route of a report", () => {
	const path = `/v1/chains/anvil/rollbacks/${UUID}/report`;

	test.each([
		["text/html,application/xhtml+xml,*/*;q=0.8", "text/html"],
		["application/json", "application/json"],
		["application/json, text/html", "application/json"],
		["*/*", "application/json"],
		["", "application/json"],
	])("answers who accepts %s with %s", async (accept, type) => {
		const answer = await testHttp().get(path, { headers: { accept } });
		expect(answer.status).toBe(200);
		expect(answer.headers.get("content-type")).toContain(type);
		expect(answer.headers.get("vary")).toBe("accept");
	});
});
