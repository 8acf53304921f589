/**
 * Mallory, who may do everything in one namespace, tries to see or to disturb Alice's by every route that the
 * API's own document names. A route without an expectation here fails the suite.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { ROLLBACK_ORDERS } from "../../src/service/rollback-view.ts";
import { type Answer, problemOf, until } from "../support/running-service.ts";
import { C, SECRET, startTenants, type Tenant, type Tenants } from "../support/two-tenants.ts";

const ANCESTOR = 4;
const HEAD = 8;
const NOWHERE = "0197a000-0000-7000-8000-00000000abcd";
const VECTOR = [0.6, 0.8, 0];
/** Collections that the operator made: one for both, and one that Alice alone writes into. */
const SHARED = "vectors";
const HERS = `${SECRET}-vectors`;

let world: Tenants;
let mallory: Tenant;
let alice: Tenant;
/** Of Alice's: an operation, a rollback that touched hers, a block that was orphaned. */
const hers: Record<string, string> = {};
/** Mallory's own memories, whose ids begin so. */
const OWN = "own";

beforeAll(async () => {
	world = await startTenants();
	({ mallory, alice } = world);
	const { anvil } = world;
	for (const collection of [SHARED, HERS]) {
		await world.operator.post(
			`${C}/operations`,
			put(collection, "operators", vectorIn(collection)),
		);
	}
	await anvil.mine(ANCESTOR - 2);
	await world.reaches(ANCESTOR);
	await writesOf(alice, "alice", SECRET);
	await alice.post(`${C}/operations`, put(`${SECRET}-own`, "alice", vectorIn(HERS)));
	await writesOf(mallory, "mallory", OWN);
	const snapshot = await anvil.snapshot();
	await anvil.mine(2);
	await world.reaches(ANCESTOR + 2);
	const orphan = (await world.operator.ask(`${C}/blocks?limit=1`)).body.items[0].hash;
	hers["orphan"] = orphan;
	for (const [tenant, namespace, name] of [
		[alice, "alice", SECRET],
		[mallory, "mallory", OWN],
	] as const) {
		const anchored = { ...put(`${name}-anchored`, namespace), anchor: { block: orphan } };
		expect((await tenant.post(`${C}/operations`, anchored)).status).toBe(201);
	}
	await anvil.revert(snapshot);
	await anvil.mineAt(4_000_000_000);
	await anvil.mine(HEAD - ANCESTOR - 1);
	await world.reaches(HEAD);
	await until("the fork", async () => (await world.operator.ask(C)).body.generation === "1");
	hers["rollback"] = (await world.operator.ask(`${C}/rollbacks`)).body.items[0].id;
	world.leaks.length = 0;
});

afterAll(async () => {
	await world?.stop();
});

function put(id: string, namespace: string, fields: object = {}): object {
	return {
		...{ op: "put", id, namespace, layer: "semantic" },
		...{ content: { said: id }, text: `${id} sings in the deep`, ...fields },
	};
}

function vectorIn(collection: string): object {
	return { text: undefined, vector: VECTOR, collection };
}

async function writesOf(tenant: Tenant, namespace: string, name: string): Promise<void> {
	const layers = ["short_term", "long_term", "episodic", "semantic"];
	const operations = [
		...layers.map((layer, n) => put(`${name}-${n}`, namespace, { layer })),
		put(`${name}-vector`, namespace, vectorIn(SHARED)),
	];
	const key = { "idempotency-key": "once" };
	const written = await tenant.post(`${C}/operations`, { operations }, key);
	expect(written.status, written.text).toBe(201);
	if (tenant === alice) hers["operation"] = written.body.operations[0].operationId;
}

function refused(answer: Answer, code: string): void {
	expect(problemOf(answer).code, answer.text).toBe(code);
}

/** The same for what is there and for what is not, so that nothing is told. */
async function sameRefusal(ask: (id: string) => Promise<Answer>, code: string): Promise<void> {
	const [there, not] = [await ask(`${SECRET}-3`), await ask("no-such-memory")];
	refused(there, code);
	refused(not, code);
	const told = ({ body }: Answer) => ({ ...body, instance: undefined });
	expect(told(there)).toEqual(told(not));
}

function ids(items: readonly { readonly id: string; readonly namespace: string }[]): string[] {
	for (const { namespace } of items) expect(namespace).toBe("mallory");
	return items.map(({ id }) => id);
}

type Trial = () => Promise<void>;

/** Needs the scope operate on all namespaces, which Mallory's keys never have. */
function operators(path: string, body?: unknown): Trial {
	return async () => {
		const method = body === undefined ? "GET" : "POST";
		const init = body === undefined ? {} : { method, body: JSON.stringify(body) };
		refused(await mallory.ask(path, init), "forbidden_namespace");
	};
}

/** About the chain alone: answered, and what is answered is looked through at the end like all else. */
function aboutTheChain(path: string): Trial {
	return async () => expect((await mallory.ask(path)).status).toBe(200);
}

const memory = (suffix: string) => async () => {
	const get = (id: string, query: string) => mallory.ask(`${C}/memories/${id}${suffix}${query}`);
	await sameRefusal((id) => get(id, "?namespace=alice"), "forbidden_namespace");
	await sameRefusal((id) => get(id, ""), "forbidden_namespace");
	refused(await get("holder:0", "?namespace=ledger"), "forbidden_namespace");
	expect((await get(`${OWN}-3`, "?namespace=mallory")).status).toBe(200);
};

/** By `METHOD path` of the OpenAPI document. */
const TRIALS: Readonly<Record<string, Trial>> = {
	"GET /healthz": aboutTheChain("/healthz"),
	"GET /readyz": aboutTheChain("/readyz"),
	"GET /v1/status": async () => {
		const { body } = await mallory.ask("/v1/status");
		expect(body.chains[0]).toMatchObject({ collections: [], inbox: 0 });
	},
	"GET /v1/chains": aboutTheChain("/v1/chains"),
	"GET /v1/chains/{chain}": aboutTheChain(C),
	"GET /v1/chains/{chain}/blocks": aboutTheChain(`${C}/blocks?fork=all`),
	"GET /v1/chains/{chain}/checkpoints": aboutTheChain(`${C}/checkpoints`),
	"GET /v1/chains/{chain}/checkpoints/{height}": aboutTheChain(`${C}/checkpoints/${ANCESTOR}`),
	"GET /v1/chains/{chain}/memories": async () => {
		for (const at of ["pending", "latest", `${ANCESTOR + 1}`, `${hers["orphan"]}`]) {
			const { body } = await mallory.ask(`${C}/memories?limit=200&at=${at}`);
			expect(ids(body.items)).toContain(`${OWN}-3`);
		}
		const both = await world.neighbour.ask(`${C}/memories?limit=200`);
		const seen = both.body.items.map(({ namespace }: { namespace: string }) => namespace);
		expect([...new Set(seen)].sort()).toEqual(["ledger", "mallory"]);
		for (const namespace of ["alice", "ledger", "nobody"]) {
			refused(await mallory.ask(`${C}/memories?namespace=${namespace}`), "forbidden_namespace");
		}
		await othersCursors(`${C}/memories?limit=1`);
	},
	"GET /v1/chains/{chain}/memories/{id}": memory(""),
	"GET /v1/chains/{chain}/memories/{id}/history": async () => {
		await memory("/history")();
		const rewritten = [1, 2, 3].map((n) => put(`${SECRET}-3`, "alice", { content: { n } }));
		for (const each of rewritten) await alice.post(`${C}/operations`, each);
		const first = await alice.ask(`${C}/memories/${SECRET}-3/history?namespace=alice&limit=1`);
		const next = `namespace=mallory&cursor=${first.body.cursor}`;
		refused(await mallory.ask(`${C}/memories/${SECRET}-3/history?${next}`), "cursor_invalid");
	},
	"GET /v1/chains/{chain}/memories/{id}/proof": memory("/proof"),
	"POST /v1/chains/{chain}/search": async () => {
		const theirs = await mallory.post(`${C}/search`, { vector: VECTOR, collection: HERS });
		expect(theirs.body.results).toEqual([]);
		const collection = SHARED;
		for (const what of [
			{ text: `${SECRET}-3 sings in the deep` },
			{ text: SECRET, at: ANCESTOR + 1 },
			{ text: SECRET, at: hers["orphan"] },
			{ vector: VECTOR, collection },
			{ vector: VECTOR, collection, layers: ["semantic"] },
		]) {
			const { body, text } = await mallory.post(`${C}/search`, { ...what, k: 200 });
			const found = body.results.map((each: { memory: never }) => each.memory);
			expect(ids(found).length, text).toBeGreaterThan(0);
			for (const named of [{ namespace: "alice" }, { namespace: ["mallory", "alice"] }]) {
				const asked = await mallory.post(`${C}/search`, { ...what, ...named });
				refused(asked, "forbidden_namespace");
			}
		}
		refused(
			await mallory.post(`${C}/search`, { text: "a", namespace: "ledger" }),
			"forbidden_namespace",
		);
	},
	"GET /v1/chains/{chain}/diff": async () => {
		const { body } = await mallory.ask(`${C}/diff?from=1&limit=500`);
		expect(ids(body.items)).toContain(`${OWN}-3`);
		refused(await mallory.ask(`${C}/diff?from=1&namespace=alice`), "forbidden_namespace");
		await othersCursors(`${C}/diff?from=1&limit=1`);
	},
	"POST /v1/chains/{chain}/operations": async () => {
		const write = (body: unknown, headers = {}) => mallory.post(`${C}/operations`, body, headers);
		const target = { id: `${SECRET}-3`, namespace: "alice" };
		refused(await write(put(target.id, "alice")), "forbidden_namespace");
		refused(await write({ op: "patch", ...target, content: {} }), "forbidden_namespace");
		refused(await write({ op: "delete", ...target }), "forbidden_namespace");
		refused(await write(put("a", "default")), "forbidden_namespace");
		const both = [put(`${OWN}-both`, "mallory"), put("b", "alice")];
		refused(await write({ operations: both }), "forbidden_namespace");
		const none = await mallory.ask(`${C}/memories/${OWN}-both?namespace=mallory`);
		refused(none, "memory_not_found");
		const hash = (await alice.ask(`${C}/memories/${target.id}?namespace=alice`)).body.memory
			.contentHash;
		for (const contentHash of [hash, `0x${"ab".repeat(32)}`]) {
			const derivedFrom = [[{ ...target, contentHash }]];
			const derived = await write({ ...put("derived", "mallory"), derivedFrom });
			refused(derived, "forbidden_namespace");
		}
		for (const id of [target.id, "no-such-memory"]) {
			const to = { namespace: "alice", id };
			const link = { op: "link", namespace: "mallory", from: `${OWN}-3`, type: "isA", to };
			refused(await write(link), "forbidden_namespace");
			const cause = { ...put("caused", "mallory", { layer: "episodic" }), causedBy: [to] };
			refused(await write(cause), "forbidden_namespace");
		}
	},
	"GET /v1/chains/{chain}/operations/{id}": async () => {
		const answers = [hers["operation"], NOWHERE].map(async (id) => {
			const answer = await mallory.ask(`${C}/operations/${id}`);
			refused(answer, "unknown_operation");
			return answer.text.replaceAll(`${id}`, "").replace(/urn:uuid:[^"]*/, "");
		});
		const [there, not] = await Promise.all(answers);
		expect(there).toBe(not);
	},
	"GET /v1/chains/{chain}/rollbacks": async () => {
		const { body } = await mallory.ask(`${C}/rollbacks`);
		expect(sum(body.items[0].counts)).toBe(0);
	},
	"GET /v1/chains/{chain}/rollbacks/{id}": async () => {
		const { body } = await mallory.ask(`${C}/rollbacks/${hers["rollback"]}`);
		expect(sum(body.counts)).toBe(0);
		expect(body.progress).toEqual({ done: 0, total: 0 });
	},
	"GET /v1/chains/{chain}/rollbacks/{id}/report": async () => {
		const own = await mallory.ask(`${C}/rollbacks/${hers["rollback"]}/report`);
		expect(own.body.suspended).toMatchObject([{ namespace: "mallory", id: `${OWN}-anchored` }]);
		expect(own.body.rollback.counts).toMatchObject({ suspended: 1, recanted: 1 });
		const whole = await world.operator.ask(`${C}/rollbacks/${hers["rollback"]}/report`);
		expect(whole.body.suspended).toHaveLength(2);
	},
	"POST /v1/chains/{chain}/rollbacks": operators(`${C}/rollbacks`, { toBlock: ANCESTOR }),
	...Object.fromEntries(
		ROLLBACK_ORDERS.map((order) => [
			`POST /v1/chains/{chain}/rollbacks/{id}/${order}`,
			() => operators(`${C}/rollbacks/${hers["rollback"]}/${order}`, {})(),
		]),
	),
	"POST /v1/chains/{chain}/restores": operators(`${C}/restores`, {
		...{ to: ANCESTOR, namespaces: ["mallory"], dryRun: true },
	}),
	"POST /v1/chains/{chain}/merges": operators(`${C}/merges`, {
		...{ theirs: ANCESTOR, rule: { kind: "latest" }, dryRun: true },
	}),
	"GET /v1/chains/{chain}/tree": operators(`${C}/tree?layer=semantic`),
	"GET /v1/chains/{chain}/tree/memories": operators(`${C}/tree/memories?keys=${NOWHERE}`),
	"GET /v1/chains/{chain}/consistency": operators(`${C}/consistency`),
	"GET /v1/chains/{chain}/consistency/{id}": operators(`${C}/consistency/${NOWHERE}`),
	"POST /v1/chains/{chain}/consistency": operators(`${C}/consistency`, { level: "basic" }),
	"GET /v1/chains/{chain}/recoveries": operators(`${C}/recoveries`),
	"GET /v1/chains/{chain}/recoveries/{id}": operators(`${C}/recoveries/${NOWHERE}`),
	"POST /v1/chains/{chain}/recoveries": operators(`${C}/recoveries`, { kind: "accept" }),
	"GET /v1/chains/{chain}/repairs": operators(`${C}/repairs`),
	"GET /v1/chains/{chain}/repairs/{id}": operators(`${C}/repairs/${NOWHERE}`),
	"POST /v1/chains/{chain}/repairs": operators(`${C}/repairs`, {}),
	"GET /v1/chains/{chain}/snapshots": operators(`${C}/snapshots`),
	"GET /v1/chains/{chain}/snapshots/{id}": operators(`${C}/snapshots/${NOWHERE}`),
	"GET /v1/chains/{chain}/snapshots/{id}/manifest": operators(`${C}/snapshots/${NOWHERE}/manifest`),
	"POST /v1/chains/{chain}/snapshots": operators(`${C}/snapshots`, {}),
	"POST /v1/chains/{chain}/snapshots/imports": operators(`${C}/snapshots/imports`, {
		manifest: {},
	}),
	"POST /v1/chains/{chain}/snapshots/{id}/verifications": operators(
		`${C}/snapshots/${NOWHERE}/verifications`,
		{},
	),
	"GET /v1/chains/{chain}/snapshot-chunks/{hash}": operators(
		`${C}/snapshot-chunks/0x${"ab".repeat(32)}`,
	),
	"PUT /v1/chains/{chain}/snapshot-chunks/{hash}": async () => {
		const path = `${C}/snapshot-chunks/0x${"ab".repeat(32)}`;
		const headers = { "content-type": "application/octet-stream" };
		const put = await mallory.ask(path, { method: "PUT", body: "x", headers });
		refused(put, "forbidden_namespace");
	},
	"GET /v1/chains/{chain}/memories/{id}/explain": async () => {
		await memory("/explain")();
		const holders = await alice.ask(`${C}/memories?namespace=ledger&layer=semantic`);
		const { namespace, id, contentHash } = holders.body.items[0];
		for (const [tenant, own, name] of [
			[alice, "alice", SECRET],
			[world.neighbour, "mallory", OWN],
		] as const) {
			const derivedFrom = [[{ namespace, id, contentHash }]];
			const concluded = { ...put(`${name}-concluded`, own), derivedFrom };
			const written = await tenant.post(`${C}/operations`, concluded);
			expect(written.status, written.text).toBe(201);
		}
		const { body } = await world.neighbour.ask(`${C}/memories/${id}/explain?namespace=ledger`);
		expect(ids(body.dependents)).toEqual([`${OWN}-concluded`]);
	},
	"GET /v1/chains/{chain}/memories/{id}/links": async () => {
		await memory("/links")();
		const holders = await alice.ask(`${C}/memories?namespace=ledger&layer=semantic`);
		const to = { namespace: "ledger", id: holders.body.items[0].id };
		for (const [tenant, namespace, id] of [
			[alice, "alice", `${SECRET}-3`],
			[world.neighbour, "mallory", `${OWN}-3`],
		] as const) {
			const link = { op: "link", namespace, from: id, type: "about", to };
			const linked = await tenant.post(`${C}/operations`, link);
			expect(linked.status, linked.text).toBe(201);
		}
		const around = await world.neighbour.ask(`${C}/memories/${to.id}/links?namespace=ledger`);
		expect(around.body.items).toHaveLength(1);
		expect(around.body.items[0].link.from.namespace).toBe("mallory");
	},
	"GET /v1/chains/{chain}/memories/{id}/ancestors": memory("/ancestors"),
	"GET /v1/chains/{chain}/memories/{id}/descendants": memory("/descendants"),
	"GET /v1/chains/{chain}/memories/{id}/causes": memory("/causes"),
	"GET /v1/chains/{chain}/memories/{id}/consequences": memory("/consequences"),
	"GET /v1/chains/{chain}/episodes": async () => {
		const { body } = await mallory.ask(`${C}/episodes`);
		expect(ids(body.items.map((each: { memory: never }) => each.memory))).toContain(`${OWN}-2`);
		for (const namespace of ["alice", "ledger"]) {
			refused(await mallory.ask(`${C}/episodes?namespace=${namespace}`), "forbidden_namespace");
		}
		await alice.post(`${C}/operations`, put(`${SECRET}-then`, "alice", { layer: "episodic" }));
		await mallory.post(`${C}/operations`, put(`${OWN}-then`, "mallory", { layer: "episodic" }));
		await othersCursors(`${C}/episodes?limit=1`);
	},
	"GET /v1/chains/{chain}/results": async () => {
		const input = { asked: SECRET };
		const result = { namespace: "alice", model: "m", input, output: { told: SECRET } };
		const recorded = await alice.send("PUT", `${C}/results`, result);
		expect(recorded.status, recorded.text).toBe(201);
		const { inputHash } = recorded.body;
		for (const hash of [inputHash, `0x${"ab".repeat(32)}`]) {
			const path = `${C}/results?model=m&inputHash=${hash}`;
			refused(await mallory.ask(`${path}&namespace=alice`), "forbidden_namespace");
			refused(await mallory.ask(`${path}&namespace=mallory`), "result_not_found");
		}
	},
	"PUT /v1/chains/{chain}/results": async () => {
		const result = { namespace: "alice", model: "m", input: 1, output: "forged", replace: true };
		refused(await mallory.send("PUT", `${C}/results`, result), "forbidden_namespace");
	},
	"GET /v1/chains/{chain}/deliveries": operators(`${C}/deliveries`),
	"POST /v1/chains/{chain}/deliveries/{id}/retry": operators(
		`${C}/deliveries/${NOWHERE}/retry`,
		{},
	),
	"GET /v1/chains/{chain}/namespaces": async () => {
		const { body } = await mallory.ask(`${C}/namespaces?counts=true`);
		expect(body.items.map((each: { namespace: string }) => each.namespace)).toEqual(["mallory"]);
	},
	"GET /v1/chains/{chain}/namespaces/{namespace}": async () => {
		for (const namespace of ["alice", "nobody", "ledger"]) {
			refused(await mallory.ask(`${C}/namespaces/${namespace}`), "forbidden_namespace");
		}
	},
	"PUT /v1/chains/{chain}/namespaces/{namespace}": async () => {
		const set = await mallory.send("PUT", `${C}/namespaces/alice`, { shortTermCapacity: 1 });
		refused(set, "forbidden_namespace");
	},
	"POST /v1/chains/{chain}/optimisations": async () => {
		const drop = { belowConfidence: 1, unreachable: true };
		for (const dryRun of [true, false]) {
			const asked = await mallory.post(`${C}/optimisations`, { namespace: "alice", drop, dryRun });
			refused(asked, "forbidden_namespace");
		}
		const refresh = { namespace: "mallory", drop, dryRun: false, refresh: true };
		refused(await mallory.post(`${C}/optimisations`, refresh), "forbidden_namespace");
	},
	"POST /v1/chains/{chain}/consolidations": async () => {
		refused(
			await mallory.post(`${C}/consolidations`, { namespace: "alice" }),
			"forbidden_namespace",
		);
	},
	"GET /v1/keys": operators("/v1/keys"),
	"POST /v1/keys": operators("/v1/keys", { name: "all", scopes: ["read"] }),
	"DELETE /v1/keys/{id}": async () => {
		const gone = await mallory.ask(`/v1/keys/${alice.id}`, { method: "DELETE" });
		refused(gone, "forbidden_namespace");
		expect((await alice.ask("/v1/status")).status).toBe(200);
	},
	"GET /v1/events": async () => {
		const told = await eventsOf(mallory, `${OWN}-last`);
		expect(told).toContain(`${OWN}-3`);
		expect(told).toContain('"event":"rollback"'.replace('"event":"', '"type":"'));
		expect(told).not.toContain('"operations"');
	},
};

function sum(counts: Readonly<Record<string, number>>): number {
	return Object.values(counts).reduce((all, each) => all + each, 0);
}

/** A page's cursor opens nothing to another key, nor for another namespace. */
async function othersCursors(path: string): Promise<void> {
	const { cursor } = (await alice.ask(path)).body;
	expect(typeof cursor).toBe("string");
	refused(await mallory.ask(`${path}&cursor=${cursor}`), "cursor_invalid");
	refused(await mallory.ask(`${path}&namespace=mallory&cursor=${cursor}`), "cursor_invalid");
	const own = (await mallory.ask(path)).body.cursor;
	expect((await mallory.ask(`${path}&cursor=${own}`)).status).toBe(200);
	refused(await world.mallet.ask(`${path}&cursor=${own}`), "cursor_invalid");
}

/** The stream from the log's beginning up to an operation that is written meanwhile. */
async function eventsOf(tenant: Tenant, lastId: string): Promise<string> {
	const response = await fetch(`${world.service.url}/v1/events?after=31337:0`, {
		headers: { authorization: `Bearer ${tenant.secret}` },
		signal: AbortSignal.timeout(20_000),
	});
	const reader = response.body?.getReader();
	const decoder = new TextDecoder();
	await alice.post(`${C}/operations`, put(`${SECRET}-last`, "alice"));
	await tenant.post(`${C}/operations`, put(lastId, "mallory"));
	let told = "";
	while (!told.includes(lastId)) {
		const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
		if (done) throw new Error(`the stream ended: ${told}`);
		told += decoder.decode(value, { stream: true });
	}
	await reader?.cancel();
	world.leaks.push(told);
	return told;
}

describe("by every route", () => {
	it("something is expected of each that the API's document names", async () => {
		const { body } = await world.operator.ask("/openapi.json");
		const documented = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
			Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
		);
		expect(documented.length).toBeGreaterThan(40);
		expect(documented.sort()).toEqual(Object.keys(TRIALS).sort());
	});

	it.each(Object.keys(TRIALS))("nothing of Alice's is seen or disturbed: %s", async (route) => {
		world.leaks.length = 0;
		await TRIALS[route]?.();
		expect(world.leaks.filter((text) => leaks(text))).toEqual([]);
		const still = await alice.ask(`${C}/memories/${SECRET}-2?namespace=alice`);
		expect(still.body.memory.content).toEqual({ said: `${SECRET}-2` });
	});

	it("every route asks for a key", async () => {
		for (const route of Object.keys(TRIALS)) {
			const [method = "", path = ""] = route.split(" ");
			if (path === "/healthz" || path === "/readyz") continue;
			const address = path.replace("{chain}", "anvil").replaceAll(/\{\w+\}/g, NOWHERE);
			const answer = await world.service.get(address, { method });
			expect(answer.status, route).toBe(401);
		}
	});
});

/** Names that Mallory said are no secrets: errors repeat them. */
function leaks(text: string): boolean {
	const said = /"(?:detail|id|collection|namespace|instance)":"[^"]*"/g;
	return (text.includes('"code":') ? text.replaceAll(said, "") : text).includes(SECRET);
}

describe("what one key does", () => {
	it("an idempotency key repeated by another key is another request", async () => {
		const key = { "idempotency-key": "the-same" };
		const body = { op: "put", layer: "semantic", namespace: "mallory", content: { of: "both" } };
		const first = await mallory.post(`${C}/operations`, body, key);
		expect(first.status).toBe(201);
		const other = await world.mallet.post(`${C}/operations`, body, key);
		expect(other.status).toBe(201);
		expect(other.body.operations[0].id).not.toBe(first.body.operations[0].id);
		const again = await mallory.post(`${C}/operations`, body, key);
		expect(again.status).toBe(200);
		expect(again.body.operations[0]).toMatchObject({
			operationId: first.body.operations[0].operationId,
		});
		const changed = { ...body, content: { of: "one" } };
		refused(await mallory.post(`${C}/operations`, changed, key), "idempotency_conflict");
		const restore = { to: ANCESTOR, namespaces: ["mallory"] };
		expect((await world.operator.post(`${C}/restores`, restore, key)).body.repeated).toBe(false);
	});

	it("makes no collection, and so decides for nobody what vectors it takes", async () => {
		const write = (fields: object) =>
			mallory.post(`${C}/operations`, put("vectors", "mallory", fields));
		refused(await write({ collection: "new" }), "forbidden_scope");
		refused(await write(vectorIn("new")), "forbidden_scope");
		expect((await write(vectorIn(SHARED))).status).toBe(201);
	});

	it("its rate is its own", async () => {
		const slow = await world.newKey({
			...{ scopes: ["read"], namespaces: ["mallory"], requestsPerMinute: 2 },
		});
		for (let n = 0; n < 2; n += 1) expect((await slow.ask("/v1/status")).status).toBe(200);
		const refusal = await slow.ask("/v1/status");
		refused(refusal, "rate_limited");
		expect(Number(refusal.headers.get("retry-after"))).toBeGreaterThan(0);
		expect((await alice.ask("/v1/status")).status).toBe(200);
	});

	it("its event streams leave room for others', and end when it is revoked", async () => {
		const many = await world.newKey({ scopes: ["read"], namespaces: ["mallory"] });
		const open = (tenant: Tenant) =>
			fetch(`${world.service.url}/v1/events`, {
				headers: { authorization: `Bearer ${tenant.secret}` },
				signal: AbortSignal.timeout(20_000),
			});
		const streams: Response[] = [];
		for (let n = 0; n < LIMITS.eventClientsOfKey; n += 1) streams.push(await open(many));
		expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
		const oneMore = await open(many);
		expect(await oneMore.json()).toMatchObject({ code: "too_many_clients" });
		const others = await open(alice);
		expect(others.status).toBe(200);
		await others.body?.cancel();
		const revoked = performance.now();
		await world.operator.ask(`/v1/keys/${many.id}`, { method: "DELETE" });
		expect((await many.ask("/v1/status")).status).toBe(401);
		await Promise.all(streams.map((stream) => stream.text()));
		expect(performance.now() - revoked).toBeLessThan(10 * LIMITS.keyStalenessMs);
	});

	it("what it has waiting leaves room in the inbox for others", async () => {
		const hold = world.hold("replay");
		const before = (await world.operator.ask(C)).body.generation;
		await world.operator.post(`${C}/rollbacks`, { toBlock: HEAD });
		await hold.held;
		try {
			const batch = (tenant: string, size: number) => ({
				operations: Array.from({ length: size }, (_, n) =>
					put(`${OWN}-${n}`, tenant, { layer: "long_term", text: undefined }),
				),
			});
			const send = (tenant: Tenant, namespace: string, size: number) =>
				tenant.post(`${C}/operations?wait=0`, batch(namespace, size));
			const share = LIMITS.inboxOperationsOfKey;
			for (let waiting = 0; waiting < share; waiting += share / 5) {
				expect((await send(mallory, "mallory", share / 5)).status).toBe(202);
			}
			const full = problemOf(await send(mallory, "mallory", 1));
			expect(full).toMatchObject({
				...{ code: "inbox_full", limit: "inboxOperationsOfKey", value: share + 1, max: share },
			});
			expect((await send(alice, "alice", 1_000)).status).toBe(202);
		} finally {
			hold.release();
		}
		await until("the rollback", async () => {
			const { body } = await world.operator.ask(C);
			return body.generation !== before && body.inbox === 0;
		});
	});
});

describe("pages", () => {
	it("stay those of their first coordinate, and say so when it was rolled back", async () => {
		const path = `${C}/memories?namespace=alice&layer=semantic&limit=1`;
		const whole = await alice.ask(`${path.replace("limit=1", "limit=200")}&at=latest`);
		const first = await alice.ask(`${path}&at=latest`);
		expect(first.body.at.rolledBack).toBeUndefined();
		const { height, generation } = first.body.at;
		await alice.post(`${C}/operations`, put(`${SECRET}-between`, "alice"));
		await world.operator.post(`${C}/rollbacks`, { toBlock: Number(height) - 1 });
		await until("the rollback", async () => {
			const { body } = await world.operator.ask(C);
			return body.generation !== generation && body.state === "following";
		});
		const items = [...first.body.items];
		for (let { cursor } = first.body; cursor !== undefined; ) {
			const page = await alice.ask(`${path}&cursor=${cursor}`);
			expect(page.body.at, page.text).toMatchObject({ height, generation, rolledBack: true });
			items.push(...page.body.items);
			cursor = page.body.cursor;
		}
		expect(items).toEqual(whole.body.items);
		refused(
			await alice.ask(`${path.replace("semantic", "episodic")}&cursor=${first.body.cursor}`),
			"cursor_invalid",
		);
	});
});
