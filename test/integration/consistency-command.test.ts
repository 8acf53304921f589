/** `recant check` on a running service, and working memory in Redis that was changed by hand. */
import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, test } from "vitest";
import { encodeEntry } from "../../src/cache/entry-codec.ts";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { RecantClient } from "../../src/client/client.ts";
import type { Version } from "../../src/domain/memory.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { checked } from "../support/consistency.ts";
import { CHAIN } from "../support/recant.ts";
import { redisUrl } from "../support/redis.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

async function recant(url: string, args: string) {
	const out: string[] = [];
	const stream = { write: (text: string) => void out.push(text) };
	const code = await runCli([...args.split(" "), "--url", url], { stdout: stream, stderr: stream });
	return { code, text: out.join("") };
}

test("recant check says what it found, and by its exit code whether it found anything", async () => {
	const world = await World.create({
		name: "consistency-command",
		chainFile: { consistency: { basicEveryMs: 0 } },
	});
	await world.write({ op: "put", id: "a", content: { n: 1 } });
	await world.block();
	const { url, home } = world.recant;
	const clean = await recant(url, "check --level full");
	expect(clean.code).toBe(EXIT.ok);
	expect(clean.text).toContain("score 1.0000");
	expect(clean.text).toContain("state-roots");

	const sql = postgres(home.databaseUrl, { max: 1, connection: { search_path: "recant" } });
	atTestEnd(() => sql.end());
	await sql`update versions set content = '{"n":2}' where id = 'a'`;
	const found = await recant(url, "check --level full");
	expect(found.code).toBe(EXIT.findings);
	expect(found.text).toMatch(/critical: version \d+ of "a" is damaged/);
	expect(found.text).toContain("mend it with: recant repair");
	const sampled = await recant(url, "check --level full --sample x --json");
	expect(sampled.code).toBe(EXIT.findings);
	const json = JSON.parse(sampled.text);
	expect(json.run.sample).toMatchObject({ seed: "x", confidence: 0.99, tolerance: 0.001 });
	expect(json.findings[0]).toMatchObject({ class: "version_corrupt", subject: { id: "a" } });
	expect((await recant(url, "check --level deep")).code).toBe(EXIT.usage);

	const listed = await recant(url, "checks --level full");
	expect(listed.code).toBe(EXIT.ok);
	const rows = listed.text.split("\n").filter((line) => line.includes("operator"));
	expect(rows).toHaveLength(3);
	expect(rows[2]).toMatch(/1\.0000 │ - +│ 0 /);
	expect(rows[1]).toMatch(/0\.\d{4} │ -0\.\d{4} │ 1 critical/);
	expect((await recant(url, "checks --level comprehensive")).text).not.toContain("operator");
	const first = JSON.parse((await recant(url, "checks --limit 1 --json")).text);
	expect(first.items).toHaveLength(1);
	expect(first.cursor).toBeDefined();
	const shown = await recant(url, `checks ${json.run.id}`);
	expect(shown.code).toBe(EXIT.findings);
	expect(shown.text).toMatch(/critical: version \d+ of "a" is damaged/);
});

test("what a check found is repaired also when many have found nothing since", async () => {
	const world = await World.create({
		name: "consistency-many",
		chainFile: { consistency: { basicEveryMs: 0 } },
	});
	await world.write({ op: "put", id: "a", content: { n: 1 } });
	await world.block();
	const { url, home } = world.recant;
	const sql = postgres(home.databaseUrl, { max: 1, connection: { search_path: "recant" } });
	atTestEnd(() => sql.end());
	await sql`update versions set content = '{"n":2}' where id = 'a'`;
	expect((await recant(url, "check --level full")).code).toBe(EXIT.findings);
	expect((await recant(url, "check --level basic")).code).toBe(EXIT.ok);
	await sql`
		insert into consistency_runs
		select (jsonb_populate_record(r, jsonb_build_object('run_id', gen_random_uuid(),
			'started_at', now() + n * interval '1 ms'))).*
		from consistency_runs r, generate_series(1, 150) n where r.level = 'basic'`;
	expect((await recant(url, "repair")).text).toContain("version_corrupt");
	expect((await recant(url, "repair --apply")).code).toBe(EXIT.ok);
	expect((await recant(url, "check --level full")).code).toBe(EXIT.ok);
});

test("an entry of working memory that says something else than the row is stale", async () => {
	const world = await World.create({ name: "consistency-hot", redisUrl: redisUrl() });
	const client = new RecantClient({ url: world.recant.url });
	await world.write({ op: "put", id: "hot", layer: "short_term", content: { n: 1 } });
	await world.write({ op: "put", id: "cold", layer: "short_term", content: { n: 1 } });
	expect((await checked(client, { level: "full" })).findings).toEqual([]);
	const redis = new Redis(redisUrl());
	atTestEnd(() => redis.quit().then(() => undefined));
	const key = memoryKey("default", "hot");
	const name = await until("the entry is in Redis", async () => {
		for (const each of await redis.keys("*")) {
			if ((await redis.type(each)) === "hash" && (await redis.hexists(each, key)) === 1)
				return each;
		}
		return undefined;
	});
	const entry = (await redis.hget(name, key)) ?? "";
	const version = JSON.parse(entry.slice(entry.indexOf(":") + 1)) as Version;
	await redis.hset(name, key, encodeEntry({ ...version, content: { n: 666 } }));
	const { findings } = await checked(client, { level: "full" });
	expect(findings).toMatchObject([
		{ rule: "working-memory", class: "working_memory_stale", subject: { id: "hot" } },
	]);
	expect(await client.memory(CHAIN, "hot")).toBeDefined();
});
