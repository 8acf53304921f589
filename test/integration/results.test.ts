/** Recorded results, and what is deleted of tables that only save work. */
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../src/domain/operation.ts";
import { inputHashOf } from "../../src/memory/input-hash.ts";
import { recordedOf } from "../../src/service/records/recorded-results.ts";
import { Results } from "../../src/service/records/results.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresEmbeddingStore } from "../../src/store/records/postgres-embedding-store.ts";
import { PostgresResultStore } from "../../src/store/records/postgres-result-store.ts";
import { sweepEmbeddings, sweepResults } from "../../src/store/records/sweeps.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN_ID = 31_337;
const NAME = { namespace: "trader", model: "m@1", inputHash: inputHashOf({ b: 1, a: [null] }) };

async function openStore() {
	const test = await createTestDatabase("results");
	const database = await Database.open(test.url);
	atTestEnd(() => database.close());
	const store = new PostgresResultStore(database);
	const chain = () => ({ id: CHAIN_ID, namespaces: ["ledger"] });
	return { test, database, store, service: new Results({ results: store, chain }) };
}

function put(output: JsonValue, replace = false) {
	return { ...NAME, output, replace };
}

describe("a recorded result", () => {
	test("is found by its input, however that was written, and not by another name", async () => {
		const { service } = await openStore();
		expect(NAME.inputHash).toBe(inputHashOf({ a: [null], b: 1 }));
		await expect(service.result("anvil", NAME)).rejects.toMatchObject({ code: "result_not_found" });
		const made = await service.recordResult("anvil", put({ z: 1, y: "☃" }));
		expect(made).toMatchObject({ created: true, result: { ...NAME, output: { z: 1, y: "☃" } } });
		expect(await service.result("anvil", NAME)).toEqual(made.result);
		for (const other of [{ namespace: "other" }, { model: "m@2" }, { inputHash: inputHashOf(0) }]) {
			const asked = service.result("anvil", { ...NAME, ...other });
			await expect(asked).rejects.toMatchObject({ code: "result_not_found" });
		}
	});

	test("stays what it is, unless it is replaced", async () => {
		const { service } = await openStore();
		await service.recordResult("anvil", put({ a: 1, b: 2 }));
		const same = await service.recordResult("anvil", put({ b: 2, a: 1 }));
		expect(same.created).toBe(false);
		const other = service.recordResult("anvil", put("another"));
		await expect(other).rejects.toMatchObject({ code: "result_conflict" });
		expect((await service.result("anvil", NAME)).output).toEqual({ a: 1, b: 2 });
		const replaced = await service.recordResult("anvil", put("another", true));
		expect(replaced).toMatchObject({ created: false, result: { output: "another" } });
		expect((await service.result("anvil", NAME)).output).toBe("another");
	});

	test("is refused past its size, and in the chain's own namespaces", async () => {
		const { service } = await openStore();
		const large = service.recordResult("anvil", put("x".repeat(262_143)));
		await expect(large).rejects.toMatchObject({ code: "limit_exceeded" });
		const owned = service.recordResult("anvil", { ...put(1), namespace: "ledger" });
		await expect(owned).rejects.toMatchObject({ code: "handler_owned" });
	});

	test("is computed once: a second time, and by those who compute it at once, it is read", async () => {
		const { store } = await openStore();
		const recorded = recordedOf(store, CHAIN_ID);
		const of = { namespace: "trader", model: "m@1", input: ["what now?"] };
		let calls = 0;
		const compute = async () => {
			calls += 1;
			return { answer: calls };
		};
		const [one, two] = await Promise.all([recorded(of, compute), recorded(of, compute)]);
		expect(one).toEqual(two);
		const before = calls;
		expect(await recorded(of, compute)).toEqual(one);
		expect(calls).toBe(before);
		await expect(
			recorded({ ...of, input: 1 }, async () => Promise.reject(new TypeError("the model is away"))),
		).rejects.toThrow("the model is away");
		expect(await recorded({ ...of, input: 1 }, compute)).toEqual({ answer: before + 1 });
	});
});

describe("the sweep", () => {
	test("deletes what was long not used, then the longest unused of too many", async () => {
		const { test: db, database, store } = await openStore();
		const embeddings = new PostgresEmbeddingStore(database);
		const hash = (at: number) => at.toString(16).padStart(64, "0");
		const vector = Float32Array.of(1, 0.5);
		await embeddings.keep(
			"m",
			Array.from({ length: 10 }, (_, at) => ({ hash: hash(at), vector })),
		);
		for (let at = 0; at < 10; at += 1) {
			await store.put(
				CHAIN_ID,
				{ ...NAME, inputHash: `0x${hash(at)}` },
				{ output: "1", replace: false },
			);
		}
		await db.query(async (sql) => {
			for (const table of ["embeddings", "results"]) {
				await sql.unsafe(`update recant.${table} set used_at = now()
					- get_byte(input_hash, 31) * interval '1 day'`);
			}
		});
		// Used again, and so as good as new.
		expect(await embeddings.find("m", [hash(9)])).toEqual(new Map([[hash(9), vector]]));
		await store.get(CHAIN_ID, { ...NAME, inputHash: `0x${hash(9)}` });
		const keeping = { rows: 4, retentionMs: 6.5 * 24 * 3_600_000 };
		expect(await sweepEmbeddings(database, keeping)).toBe(6);
		expect(await sweepResults(database, keeping)).toBe(6);
		const left = [hash(0), hash(1), hash(2), hash(9)];
		const all = Array.from({ length: 10 }, (_, at) => hash(at));
		expect([...(await embeddings.find("m", all)).keys()].toSorted()).toEqual(left);
		expect(await sweepEmbeddings(database, keeping)).toBe(0);
		expect(await sweepResults(database, keeping)).toBe(0);
	});
});
