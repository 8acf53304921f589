import { describe, expect, test } from "vitest";
import type { Caller } from "../../src/domain/caller.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import { createHttpApp, type LayerServices } from "../../src/http/app.ts";
import { openApiDocument } from "../../src/http/routes/document-routes.ts";
import { scopedConsolidations } from "../../src/service/access/scoped-consolidations.ts";
import { scopedNamespaces } from "../../src/service/access/scoped-namespaces.ts";
import { scopedOptimise } from "../../src/service/access/scoped-optimise.ts";
import type { OptimiseAnswer } from "../../src/service/layers/optimise-service.ts";
import { testHttp } from "./http-fixture.ts";
import { fakeProofs } from "./http-fixture-proofs.ts";

const NONE: OptimiseAnswer = {
	dryRun: true,
	repeated: false,
	committed: false,
	idempotencyKey: undefined,
	plan: undefined,
	outcome: undefined,
	refreshed: undefined,
};

/** Services that write down what they are asked. */
function fakeLayers() {
	const calls: unknown[][] = [];
	const view = {
		namespace: "desk",
		source: "none",
		settings: NO_SETTINGS,
		updatedAt: undefined,
	} as const;
	const note = <Answer>(name: string, answer: Answer) => {
		return async (...args: readonly unknown[]) => {
			calls.push([name, ...args]);
			return answer;
		};
	};
	const services: LayerServices = {
		namespaces: {
			namespaces: note("namespaces", { items: [], cursor: undefined }),
			namespace: note("namespace", view),
			setNamespace: note("setNamespace", view),
		},
		optimise: { optimise: note("optimise", NONE) },
		consolidations: {
			consolidate: note("consolidate", {
				committed: true,
				repeated: false,
				operations: [],
				at: undefined,
			}),
		},
	};
	const app = createHttpApp({
		service: testHttp().service,
		proofs: fakeProofs([]),
		layers: services,
		apiKeys: [],
		log: { error: () => undefined },
	});
	const send = (method: string, path: string, body?: unknown) =>
		app.request(`http://localhost/v1/chains/1/${path}`, {
			method,
			headers: { "content-type": "application/json" },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
	return { app, calls, services, send };
}

describe("the routes of the layers", () => {
	test("ask the services for what the request says, with defaults", async () => {
		const { send, calls } = fakeLayers();
		const rule = { name: "a", take: { kind: "importance", atLeast: 0.5 } };
		await send("PUT", "namespaces/a%2Fb", { consolidation: [rule], shortTermCapacity: 5 });
		await send("POST", "optimisations", { drop: { unreachable: true }, dryRun: true });
		await send("POST", "consolidations", { rule: "a" });
		await send("GET", "namespaces?limit=2&counts=true");
		expect(calls).toEqual([
			[
				"setNamespace",
				"1",
				"a/b",
				{
					shortTermCapacity: 5,
					policy: undefined,
					schemas: undefined,
					consolidation: [
						{
							...rule,
							layers: ["short_term", "episodic"],
							groupBy: undefined,
							everyBlocks: undefined,
							halfLifeBlocks: undefined,
						},
					],
				},
			],
			[
				"optimise",
				"1",
				{
					namespace: "default",
					drop: { expired: false, belowConfidence: undefined, unreachable: true },
					refresh: false,
				},
				{ dryRun: true },
			],
			[
				"consolidate",
				"1",
				{ namespace: "default", rule: "a" },
				expect.objectContaining({ idempotencyKey: undefined, deadlineMs: 5_000 }),
			],
			["namespaces", "1", expect.objectContaining({ limit: 2, counts: true, of: undefined })],
		]);
	});

	test.each<[string, string, unknown, string]>([
		["PUT", "namespaces/desk", { policy: "maybe" }, "body.policy"],
		["PUT", "namespaces/desk", { schemas: { semantic: [] } }, "body.schemas.semantic"],
		["PUT", "namespaces/desk", { schemas: { dreams: {} } }, "body.schemas"],
		[
			"PUT",
			"namespaces/desk",
			{ consolidation: [{ name: "1", take: {} }] },
			"body.consolidation[0].name",
		],
		["POST", "optimisations", { drop: {} }, "body.drop"],
		["POST", "optimisations", { drop: { belowConfidence: 0 } }, "body.drop.belowConfidence"],
		["POST", "consolidations", { rule: "no such name" }, "body.rule"],
	])("refuse %s %s %j with its path", async (method, path, body, where) => {
		const { send, calls } = fakeLayers();
		const response = await send(method, path, body);
		expect(response.status).toBe(400);
		const { problems } = (await response.json()) as { problems: { path: string }[] };
		expect(problems.some((problem) => problem.path.startsWith(where))).toBe(true);
		expect(calls).toEqual([]);
	});

	test("are documented with the form of settings", () => {
		const document = openApiDocument(fakeLayers().app, false) as {
			components?: { schemas?: Record<string, { properties?: object }> };
		};
		const { NamespaceSettings } = document.components?.schemas ?? {};
		expect(Object.keys(NamespaceSettings?.properties ?? {}).toSorted()).toEqual([
			"consolidation",
			"policy",
			"schemas",
			"shortTermCapacity",
		]);
	});
});

describe("a key of one namespace", () => {
	const caller = (
		...scopes: Caller["scopes"] extends ReadonlySet<infer S> ? S[] : never
	): Caller => ({
		id: "key",
		scopes: new Set(scopes),
		namespaces: ["desk"],
	});
	const optimise = {
		namespace: "desk",
		drop: { expired: true, belowConfidence: undefined, unreachable: false },
	};
	const now = { idempotencyKey: undefined, deadlineMs: 1 };

	test("sees its own namespaces alone", async () => {
		const { services, calls } = fakeLayers();
		const scoped = scopedNamespaces(services.namespaces, caller("read"));
		await scoped.namespaces("1", { counts: false, limit: 5, cursor: undefined });
		expect(calls[0]).toMatchObject(["namespaces", "1", { of: ["desk"], reader: "key" }]);
		await expect(scoped.namespace("1", "other")).rejects.toMatchObject({
			code: "forbidden_namespace",
		});
		await expect(scoped.setNamespace("1", "desk", NO_SETTINGS)).rejects.toMatchObject({
			code: "forbidden_scope",
		});
	});

	test("optimises and consolidates its own namespaces alone, and no collections", async () => {
		const { services, calls } = fakeLayers();
		const scoped = scopedOptimise(services.optimise, caller("read", "write", "operate"));
		const other = { ...optimise, namespace: "other", refresh: false };
		await expect(scoped.optimise("1", other, { dryRun: true })).rejects.toMatchObject({
			code: "forbidden_namespace",
		});
		const refreshing = { ...optimise, refresh: true };
		await expect(scoped.optimise("1", refreshing, { dryRun: true })).rejects.toMatchObject({
			code: "forbidden_namespace",
		});
		const reader = scopedOptimise(services.optimise, caller("read"));
		const wanted = { ...optimise, refresh: false };
		const applied = reader.optimise("1", wanted, { dryRun: false, idempotencyKey: undefined });
		await expect(applied).rejects.toMatchObject({ code: "forbidden_scope" });
		const { consolidations } = services;
		if (consolidations === undefined) throw new TypeError("the fixture has them");
		const own = scopedConsolidations(consolidations, caller("write"));
		const elsewhere = own.consolidate("1", { namespace: "other", rule: undefined }, now);
		await expect(elsewhere).rejects.toMatchObject({ code: "forbidden_namespace" });
		expect(calls).toEqual([]);
	});
});
