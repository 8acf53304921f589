import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { freePort } from "../../scripts/support/free-port.ts";
import { deployToken } from "../../scripts/support/token.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { NO_ANCHORS } from "../../src/domain/operation.ts";
import { NO_SOURCES } from "../../src/domain/provenance.ts";
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresInboxStore } from "../../src/store/writing/postgres-inbox-store.ts";
import { startAnvil } from "../support/anvil.ts";
import { startHeadGate } from "../support/head-gate.ts";
import {
	type Answer,
	CHAIN,
	CHAIN_ID,
	type Installation,
	makeInstallation,
	problemOf,
	type RunningService,
	type ServiceOptions,
	startService,
	tokenChain,
	until,
} from "../support/running-service.ts";
import { startSeverableProxy } from "../support/severable-proxy.ts";

const TOKEN = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const ALICE = devAccount(1).address;

let installation: Installation;
const running: RunningService[] = [];

beforeEach(async () => {
	installation = await makeInstallation("bad chain");
});

afterEach(async () => {
	await Promise.all(running.splice(0).map((service) => service.stop()));
	await installation.remove();
});

async function start(options: Omit<ServiceOptions, "installation">): Promise<RunningService> {
	const service = await startService({ installation, ...options });
	running.push(service);
	return service;
}

async function stop(service: RunningService): Promise<void> {
	running.splice(running.indexOf(service), 1);
	await service.stop();
}

async function ledgerNode(options: Parameters<typeof startAnvil>[0] = {}) {
	const anvil = await startAnvil(options);
	return { anvil, token: await deployToken(anvil.rpcUrl) };
}

function note(id: string, fields: object = {}): object {
	return { op: "put", id, layer: "semantic", content: { a: 1 }, ...fields };
}

async function state(service: RunningService, chain = CHAIN) {
	return (await service.get(`/v1/chains/${chain}`)).body;
}

async function reachesState(service: RunningService, wanted: string, chain = CHAIN): Promise<void> {
	await until(`chain ${chain} to be ${wanted}`, async () => {
		return (await state(service, chain)).state === wanted;
	});
}

describe("a node that is down", () => {
	it("at the first start is waited for, and followed as soon as it comes", async () => {
		const port = await freePort();
		const service = await start({
			chains: [tokenChain({ rpcUrl: `http://127.0.0.1:${port}`, token: TOKEN })],
		});
		await reachesState(service, "waiting");
		const waiting = await state(service);
		expect(waiting.problem).toMatchObject({ code: "rpc_unavailable" });
		expect(waiting.problem.message).toContain(`127.0.0.1:${port}`);
		expect(waiting.problem.hint).not.toBe("");
		expect(waiting.providers[0]).toMatchObject({ state: "failing" });
		const ready = await service.get("/readyz");
		expect(ready.status).toBe(503);
		expect(ready.body.checks["chain:anvil"]).toMatchObject({ ok: false });
		expect((await service.get("/healthz")).status).toBe(200);
		for (const answer of [
			await service.chain("/memories"),
			await service.search({ text: "a" }),
			await service.write(note("a")),
			await service.post(`/v1/chains/${CHAIN}/rollbacks`, { toBlock: 0 }),
		]) {
			expect(problemOf(answer)).toMatchObject({ status: 503, code: "not_ready" });
			expect(answer.headers.get("retry-after")).not.toBeNull();
		}
		const { anvil } = await ledgerNode({ port });
		await anvil.mine(2);
		await service.reaches(3);
		expect((await service.get("/readyz")).status).toBe(200);
	});

	it("later leaves reads and writes as they are, and is followed again by itself", async () => {
		const { anvil, token } = await ledgerNode();
		const { hash } = await token.mint({ to: ALICE, value: 5n });
		await anvil.mine(3);
		const proxy = await startSeverableProxy(anvil.rpcUrl);
		const service = await start({ chains: [tokenChain({ rpcUrl: proxy.url, token: TOKEN })] });
		await service.reaches(4);
		const key = { "idempotency-key": "before-the-cut" };
		const anchored = note("anchored", { anchor: { transaction: hash } });
		const first = await service.write(anchored, key);
		expect(first.status).toBe(201);

		await proxy.cut();
		await reachesState(service, "waiting");
		expect((await state(service)).problem.code).toBe("rpc_unavailable");
		expect((await service.get("/readyz")).status).toBe(503);
		expect((await service.chain("/memories?namespace=ledger")).body.items).toHaveLength(2);
		expect((await service.chain("/memories?at=2")).status).toBe(200);
		expect((await service.search({ text: "transferred" })).body.results).not.toEqual([]);
		expect((await service.write(note("plain"))).status).toBe(201);
		const refused = await service.write(note("other", { anchor: { transaction: hash } }));
		expect(problemOf(refused)).toMatchObject({ status: 503, code: "rpc_unavailable" });
		const again = await service.write(anchored, key);
		expect(again).toMatchObject({ status: 200, body: { repeated: true, committed: true } });
		expect(again.body.operations[0].operationId).toBe(first.body.operations[0].operationId);

		await token.mint({ to: ALICE, value: 6n });
		await anvil.mine(4);
		await proxy.restore();
		await service.reaches(8);
		const { memory } = (
			await service.chain(`/memories/holder:${ALICE.toLowerCase()}?namespace=ledger`)
		).body;
		expect(memory.content).toEqual({ transfers: 2 });
		expect((await service.chain("/memories/plain")).status).toBe(200);
	});

	it("that takes connections and says nothing is told from one that answers", async () => {
		const { anvil } = await ledgerNode();
		const proxy = await startSeverableProxy(anvil.rpcUrl);
		const chain = tokenChain({ rpcUrl: proxy.url, token: TOKEN, timeoutMs: 1_500 });
		const service = await start({ chains: [chain] });
		await service.reaches(1);
		proxy.freeze();
		await reachesState(service, "waiting");
		expect((await state(service)).problem.message).toMatch(/1500 ms/);
		expect((await service.chain("/memories")).status).toBe(200);
		await proxy.restore();
		await anvil.mine(2);
		await service.reaches(3);
	});

	it("at a later start leaves what is stored readable and writable", async () => {
		const { anvil, token } = await ledgerNode();
		await token.mint({ to: ALICE, value: 5n });
		await anvil.mine(3);
		const chains = [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })];
		const before = await start({ chains });
		await before.reaches(4);
		await stop(before);
		await anvil.stop();
		await leaveInInbox("left over");
		const service = await start({ chains });
		await reachesState(service, "waiting");
		expect((await service.chain("/memories?namespace=ledger")).body.items).toHaveLength(2);
		await until("the left over entry to be admitted", async () => {
			return (await service.chain("/memories/left%20over")).status === 200;
		});
		expect((await service.write(note("plain"))).status).toBe(201);
	});
});

/** What a process leaves that ends between taking an operation in and committing it. */
async function leaveInInbox(id: string): Promise<OperationId> {
	const database = await Database.open(installation.database.url);
	const left = operation(id);
	try {
		const inbox = new PostgresInboxStore(database);
		await inbox.submit({ chainId: CHAIN_ID, idempotency: undefined, entries: [[left]] });
	} finally {
		await database.close();
	}
	return left.operationId;
}

function operation(id: string): StoredOperation {
	return {
		operationId: randomUUID() as string as OperationId,
		anchors: NO_ANCHORS,
		sources: NO_SOURCES,
		policy: "recant",
		operation: {
			...{ kind: "put", id, namespace: "default", ifVersion: undefined },
			body: {
				...{ layer: "semantic", content: { left: true } },
				...{ text: undefined, vector: undefined, collection: undefined },
				...{ importance: undefined, confidence: undefined },
				...{ expiresAtBlock: undefined, expiresAtTime: undefined },
			},
		},
	};
}

describe("an operation that was taken in and not committed", () => {
	it("is admitted by the next process, without another write", async () => {
		const { anvil } = await ledgerNode();
		const chains = [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })];
		const before = await start({ chains });
		await before.reaches(1);
		await stop(before);
		const operationId = await leaveInInbox("left over");
		const service = await start({ chains });
		await until("the operation to be applied", async () => {
			const { body } = await service.chain(`/operations/${operationId}`);
			return body.status === "applied";
		});
		expect((await state(service)).inbox).toBe(0);
	});
});

describe("a node of another chain", () => {
	it("is refused with both ids, and another chain is followed all the same", async () => {
		const right = await ledgerNode();
		const wrong = await ledgerNode({ chainId: 777 });
		await wrong.anvil.mine(3);
		await right.anvil.mine(3);
		const service = await start({
			chains: [
				tokenChain({ rpcUrl: right.anvil.rpcUrl, token: TOKEN }),
				tokenChain({ rpcUrl: wrong.anvil.rpcUrl, token: TOKEN, id: 4_242, name: "mixed-up" }),
			],
		});
		await service.reaches(4);
		await reachesState(service, "halted", "mixed-up");
		const halted = await state(service, "mixed-up");
		expect(halted.problem).toMatchObject({
			code: "chain_id_mismatch",
			message: expect.stringMatching(/777.*4242/),
		});
		expect(halted).toMatchObject({ logPosition: "0" });
		expect(halted.head).toBeUndefined();
		const ready = await service.get("/readyz");
		expect(ready.status).toBe(503);
		expect(ready.body.checks).toMatchObject({
			"chain:anvil": { ok: true },
			"chain:mixed-up": { ok: false, detail: expect.stringContaining("777") },
		});
		await right.anvil.mine(2);
		await service.reaches(6);
		expect((await service.write(note("a"))).status).toBe(201);
		expect(problemOf(await service.get("/v1/chains/mixed-up/memories")).status).toBe(503);
	});

	it("among the providers of the right one is never believed, and named", async () => {
		const right = await ledgerNode();
		const wrong = await startAnvil({ chainId: 777 });
		await wrong.mine(30);
		await right.anvil.mine(3);
		const proxy = await startSeverableProxy(right.anvil.rpcUrl);
		const service = await start({
			chains: [tokenChain({ rpcUrl: [wrong.rpcUrl, proxy.url], token: TOKEN })],
		});
		await service.reaches(4);
		expect((await state(service)).providers).toMatchObject([
			{ state: "wrong_chain", lastError: expect.stringMatching(/777.*31337/) },
			{ state: "ok" },
		]);
		await proxy.cut();
		await reachesState(service, "waiting");
		expect((await state(service)).head.height).toBe("4");
		await proxy.restore();
		await right.anvil.mine(2);
		await service.reaches(6);
		expect((await state(service)).generation).toBe("0");
	});

	it("that takes the right one's place is not followed, and the right one goes on", async () => {
		const port = await freePort();
		const statePath = join(installation.dataDir, "..", `${randomUUID()}.json`);
		const first = await ledgerNode({ port, statePath });
		await first.anvil.mine(3);
		const service = await start({
			chains: [tokenChain({ rpcUrl: first.anvil.rpcUrl, token: TOKEN })],
		});
		await service.reaches(4);
		await first.anvil.stop();
		const impostor = await startAnvil({ port, chainId: 777 });
		await impostor.mine(30);
		await until("the impostor to be named", async () => {
			const { state: now, problem } = await state(service);
			return now === "waiting" && /777.*31337/.test(problem.message);
		});
		expect((await state(service)).head.height).toBe("4");
		await impostor.stop();
		const back = await startAnvil({ port, statePath });
		await back.mine(1);
		await service.reaches(5);
		await rm(statePath);
	});

	it("that stands in for the right one at a restart changes nothing, and the right one goes on", async () => {
		const right = await ledgerNode();
		const wrong = await ledgerNode({ chainId: 777 });
		await wrong.anvil.mine(30);
		await right.anvil.mine(3);
		const before = await start({
			chains: [tokenChain({ rpcUrl: right.anvil.rpcUrl, token: TOKEN })],
		});
		await before.reaches(4);
		const { head } = await state(before);
		await stop(before);
		const misled = await start({
			chains: [tokenChain({ rpcUrl: wrong.anvil.rpcUrl, token: TOKEN })],
		});
		await reachesState(misled, "halted");
		expect((await state(misled)).head).toEqual(head);
		expect((await misled.chain("/memories")).status).toBe(200);
		await stop(misled);
		await right.anvil.mine(1);
		const service = await start({
			chains: [tokenChain({ rpcUrl: right.anvil.rpcUrl, token: TOKEN })],
		});
		await service.reaches(5);
	});
});

describe("a handler that throws", () => {
	it("stops its chain at that block by name, and goes on after a correction", async () => {
		const { anvil, token } = await ledgerNode();
		const other = await ledgerNode({ chainId: 555 });
		await token.mint({ to: ALICE, value: 1n });
		await anvil.mine(2);
		await token.mint({ to: ALICE, value: 2n });
		await anvil.mine(3);
		const bystander = tokenChain({
			rpcUrl: other.anvil.rpcUrl,
			token: TOKEN,
			id: 555,
			name: "other",
		});
		const broken = await start({
			chains: [
				tokenChain({
					rpcUrl: anvil.rpcUrl,
					token: TOKEN,
					before: (_memory, block) => {
						if (block === 4n) throw new TypeError("the fourth is too much");
					},
				}),
				bystander,
			],
		});
		await reachesState(broken, "halted");
		const { problem, head } = await state(broken);
		expect(problem).toMatchObject({
			code: "handler_failed",
			message: expect.stringMatching(/Token:Transfer .* block 4 .*the fourth is too much/),
		});
		expect(problem.hint).not.toBe("");
		expect(Number(head.height)).toBeLessThan(4);
		expect(JSON.stringify(problem)).not.toMatch(/\n\s+at /);
		expect((await broken.get("/readyz")).status).toBe(503);
		expect((await broken.chain("/memories")).status).toBe(200);
		await reachesState(broken, "following", "other");
		await stop(broken);

		const service = await start({
			chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN }), bystander],
		});
		await service.reaches(6);
		const { memory } = (
			await service.chain(`/memories/holder:${ALICE.toLowerCase()}?namespace=ledger`)
		).body;
		expect(memory.content).toEqual({ transfers: 2 });
	});

	it("on the new branch of a fork leaves the old belief readable until it is corrected", async () => {
		const { anvil, token } = await ledgerNode();
		await token.mint({ to: ALICE, value: 1n });
		await anvil.mine(1);
		const snapshot = await anvil.snapshot();
		const gate = await startHeadGate(anvil.rpcUrl);
		await anvil.mine(2);
		let broken = true;
		const chain = () =>
			tokenChain({
				rpcUrl: gate.url,
				token: TOKEN,
				before: (_memory, block) => {
					if (broken && block === 3n) throw new TypeError("no third");
				},
			});
		const before = await start({ chains: [chain()] });
		await before.reaches(4);
		const { head } = await state(before);
		// In one step, so that no pause in between looks like a chain that only got shorter.
		await gate.hold(async () => {
			await anvil.revert(snapshot);
			await token.mint({ to: ALICE, value: 2n });
			await anvil.mine(4);
		});
		await reachesState(before, "halted");
		const halted = await state(before);
		expect(halted.problem.message).toMatch(/Token:Transfer .* block 3 .*no third/);
		expect(halted).toMatchObject({ generation: "0", head });
		expect((await before.chain(`/memories?namespace=ledger&at=${head.hash}`)).status).toBe(200);
		await stop(before);
		broken = false;
		const service = await start({ chains: [chain()] });
		await service.reaches(6);
		const { memory } = (
			await service.chain(`/memories/holder:${ALICE.toLowerCase()}?namespace=ledger`)
		).body;
		expect(memory.content).toEqual({ transfers: 2 });
		expect((await state(service)).generation).toBe("1");
	});

	it.each([
		["NUL in a text", { text: "a\u0000b" }, /U\+0000/],
		["half a surrogate pair in a text", { text: "a\ud800" }, /surrogate/],
		["NUL in an id", { id: "a\u0000b" }, /U\+0000/],
		["half a surrogate pair in content", { content: { a: "\udfff" } }, /surrogate/],
		["a number that is none", { content: { a: Number.NaN } }, /NaN/],
		["content of a bigint", { content: { a: 1n as unknown as number } }, /bigint/],
		["another namespace", { namespace: "default" }, /namespace/],
		["another layer", { layer: "working" as "semantic" }, /layer/],
		["a collection that is a path", { text: "a", collection: "../../x" }, /collection/],
		["an importance of NaN", { importance: Number.NaN }, /importance/],
		["an expiry that has come", { expiresAtBlock: 2n }, /expiresAtBlock/],
		["an expiry by time", { expiresAtTime: 2n ** 40n } as object, /expiresAtTime/],
	])("over %s is named as well", async (_what, fields, reason) => {
		const { anvil, token } = await ledgerNode();
		await token.mint({ to: ALICE, value: 1n });
		await anvil.mine(1);
		const service = await start({
			chains: [
				tokenChain({
					rpcUrl: anvil.rpcUrl,
					token: TOKEN,
					before: (memory) => memory.put({ layer: "semantic", id: "x", content: {}, ...fields }),
				}),
			],
		});
		await reachesState(service, "halted");
		const { problem } = await state(service);
		expect(problem.code).toBe("handler_failed");
		expect(problem.message).toMatch(/Token:Transfer .* block 2 /);
		expect(problem.message).toMatch(reason);
	});
});

describe("an anchor", () => {
	it("to what a fork took away is refused, and a repeated key is still answered", async () => {
		const { anvil, token } = await ledgerNode();
		await anvil.mine(2);
		const snapshot = await anvil.snapshot();
		const { hash } = await token.mint({ to: ALICE, value: 1n });
		await anvil.mine(1);
		const block = await anvil.request<{ hash: string }>("eth_getBlockByNumber", ["latest", false]);
		const service = await start({ chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })] });
		await service.reaches(4);
		const key = { "idempotency-key": "anchored" };
		const anchored = note("anchored", { anchor: { transaction: hash } });
		const first = await service.write(anchored, key);
		expect(first.status).toBe(201);
		await anvil.revert(snapshot);
		await anvil.mine(3);
		await service.reaches(5);
		for (const anchor of [{ block: block.hash }, { transaction: hash }]) {
			const { status, code } = problemOf(await service.write(note("late", { anchor })));
			expect([
				[422, "anchor_unknown"],
				[409, "anchor_not_canonical"],
			]).toContainEqual([status, code]);
		}
		const again = await service.write(anchored, key);
		expect(again).toMatchObject({
			status: 200,
			body: { repeated: true, operations: [{ status: "suspended" }] },
		});
		expect(again.body.operations[0].operationId).toBe(first.body.operations[0].operationId);
	});

	it("to a block that is not committed yet may be tried again", async () => {
		const held = Promise.withResolvers<void>();
		const { anvil } = await ledgerNode();
		await anvil.mine(4);
		const service = await start({
			chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })],
			beforeStage: () => held.promise,
		});
		await service.reaches(5);
		await anvil.reorg(2);
		await anvil.mine(1);
		const tip = await anvil.request<{ hash: string; number: string }>("eth_getBlockByNumber", [
			"latest",
			false,
		]);
		await reachesState(service, "rolling_back");
		const put = note("early", { anchor: { block: tip.hash } });
		const path = `/v1/chains/${CHAIN}/operations?wait=100`;
		try {
			const early = problemOf(await service.post(path, put));
			expect(early).toMatchObject({ status: 409, code: "anchor_not_committed", retryable: true });
		} finally {
			held.resolve();
		}
		await service.reaches(BigInt(tip.number));
		expect((await service.write(put)).status).toBe(201);
	});
});

describe("an inbox that is full", () => {
	it("takes no more than its limit, however many come at once, and loses none of it", async () => {
		const held = Promise.withResolvers<void>();
		const { anvil } = await ledgerNode();
		await anvil.mine(4);
		const service = await start({
			chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })],
			beforeStage: () => held.promise,
		});
		await service.reaches(5);
		await anvil.reorg(2);
		await reachesState(service, "rolling_back");
		const batch = (request: number) => ({
			operations: Array.from({ length: LIMITS.batchOperations }, (_, n) =>
				note(`r${request}-${n}`, { namespace: `r${request}` }),
			),
		});
		let answers: Answer[] = [];
		try {
			answers = await Promise.all(
				Array.from({ length: 14 }, (_, request) =>
					service.post(`/v1/chains/${CHAIN}/operations?wait=0`, batch(request)),
				),
			);
			const taken = answers.filter(({ status }) => status === 202);
			expect(taken).toHaveLength(LIMITS.inboxOperations / LIMITS.batchOperations);
			const refused = answers.filter(({ status }) => status !== 202);
			for (const answer of refused) {
				expect(problemOf(answer)).toMatchObject({
					...{ status: 429, code: "inbox_full", retryable: true },
					...{ limit: "inboxOperations", max: LIMITS.inboxOperations },
				});
				expect(answer.headers.get("retry-after")).not.toBeNull();
			}
			expect((await state(service)).inbox).toBe(LIMITS.inboxOperations);
			expect((await service.chain("/memories")).status).toBe(200);
			const key = { "idempotency-key": "full" };
			const full = await service.write(note("one more"), key);
			expect(problemOf(full)).toMatchObject({ status: 429, value: LIMITS.inboxOperations + 1 });
		} finally {
			held.resolve();
		}
		await until("the inbox to be empty", async () => (await state(service)).inbox === 0);
		for (const [request, answer] of answers.entries()) {
			const last = await service.chain(`/memories/r${request}-999?namespace=r${request}`);
			expect(last.status).toBe(answer.status === 202 ? 200 : 404);
		}
		// The key of a request that was refused is free.
		const later = await service.write(note("one more"), { "idempotency-key": "full" });
		expect(later.status).toBe(201);
	});
});

describe("an inbox of several processes", () => {
	it("takes no more than its limit, however many they bring at once", async () => {
		const databases = [
			await Database.open(installation.database.url),
			await Database.open(installation.database.url),
		];
		try {
			const operations = Array.from({ length: 1_000 }, (_, n) => operation(`m${n}`));
			const results = await Promise.allSettled(
				Array.from({ length: 30 }, (_, request) => {
					const database = databases[request % 2];
					if (database === undefined) return undefined;
					return new PostgresInboxStore(database).submit({
						chainId: CHAIN_ID,
						idempotency: undefined,
						entries: [
							operations.map((each) => ({
								...each,
								operationId: randomUUID() as string as OperationId,
							})),
						],
					});
				}),
			);
			const refused = results.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
			expect(refused).toHaveLength(20);
			for (const reason of refused) expect(reason).toMatchObject({ code: "inbox_full" });
			const [row] = await installation.database.query(
				(sql) => sql<{ waiting: string }[]>`
					select sum(operation_count) as waiting from recant.inbox`,
			);
			expect(Number(row?.waiting)).toBe(LIMITS.inboxOperations);
		} finally {
			await Promise.all(databases.map((database) => database.close()));
		}
	});
});

describe("vectors that cannot be stored", () => {
	it("push back when the tail is full, and go on when LanceDB is back", async () => {
		const { anvil } = await ledgerNode();
		await anvil.mine(1);
		const service = await start({
			chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })],
			flushRows: 10,
		});
		await service.reaches(2);
		const lancedb = join(installation.dataDir, "lancedb");
		await rename(lancedb, `${lancedb}.away`);
		await writeFile(lancedb, "");
		const batch = (name: string, length: number) => ({
			operations: Array.from({ length }, (_, n) => note(`${name}-${n}`, { text: `memory ${n}` })),
		});
		expect((await service.write(batch("a", 1_000))).status).toBe(201);
		expect((await service.write(batch("b", 24))).status).toBe(201);
		const full = problemOf(await service.write(batch("c", 1)));
		expect(full).toMatchObject({ status: 429, code: "tail_full", retryable: true });
		expect((await service.write(note("no text"))).status).toBe(201);
		expect((await service.search({ text: "memory 7", k: 1 })).body.results).toHaveLength(1);
		await rm(lancedb);
		await rename(`${lancedb}.away`, lancedb);
		await until(
			"room in the tail",
			async () => (await service.write(batch("c", 1))).status === 201,
		);
		const { body } = await service.search({ text: "memory 7", k: 200 });
		expect(body.results).toHaveLength(200);
	});
});

describe("a database that goes away", () => {
	it("is told from one that answers, and nothing that was acknowledged is lost", async () => {
		const { anvil } = await ledgerNode();
		await anvil.mine(1);
		const proxy = await startSeverableProxy(installation.database.url);
		const service = await start({
			chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: TOKEN })],
			variables: { DATABASE_URL: proxy.url },
		});
		await service.reaches(2);
		expect((await service.write(note("before"))).status).toBe(201);
		await proxy.cut();
		for (const answer of [
			await service.chain("/memories"),
			await service.write(note("during")),
			await service.get("/v1/status"),
			await service.search({ text: "a" }),
		]) {
			expect(problemOf(answer)).toMatchObject({ status: 503, code: "database_unavailable" });
		}
		const ready = await service.get("/readyz");
		expect(ready).toMatchObject({ status: 503, body: { checks: { postgres: { ok: false } } } });
		expect((await service.get("/healthz")).status).toBe(200);
		await proxy.restore();
		await anvil.mine(3);
		await until(
			"the database to be back",
			async () => (await service.get("/readyz")).status === 200,
		);
		await service.reaches(5);
		expect((await service.chain("/memories/before")).status).toBe(200);
		expect((await service.write(note("after"))).status).toBe(201);
	});
});
