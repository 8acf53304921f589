import { afterAll, beforeAll, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { type Ended, runCommand } from "../support/recant-command.ts";
import {
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
} from "../support/running-service.ts";

let anvil: Anvil;
let installation: Installation;
let service: RunningService;

beforeAll(async () => {
	installation = await makeInstallation("keys command");
	const node = await startTokenNode();
	anvil = node.anvil;
	const chains = [tokenChain({ rpcUrl: anvil.rpcUrl, token: node.token.address })];
	service = await startService({ installation, chains });
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await installation?.remove();
});

function keys(args: readonly string[], secret?: string): Promise<Ended> {
	const key = secret === undefined ? {} : { RECANT_API_KEY: secret };
	return runCommand(["keys", ...args], { RECANT_URL: service.url, ...key });
}

function statusWith(secret: string | undefined): Promise<number> {
	const headers: Record<string, string> =
		secret === undefined ? {} : { authorization: `Bearer ${secret}` };
	return service.get("/v1/status", { headers }).then(({ status }) => status);
}

it("keys are made, listed and revoked, from the first one on", async () => {
	const useless = await keys(["create", "reader", "--scope", "read"]);
	expect(useless).toMatchObject({ code: 1 });
	expect(useless.stderr).toContain("last_key");
	expect(await statusWith(undefined)).toBe(200);

	const first = await keys(["create", "the operator", "--scope", "read", "operate", "--json"]);
	expect(first.code, first.stderr).toBe(0);
	const operator: { id: string; secret: string } = JSON.parse(first.stdout);
	expect(operator.secret).toMatch(/^rk_/);
	expect(await statusWith(undefined)).toBe(401);
	expect((await keys(["list"])).code).toBe(1);

	const made = await keys(
		["create", "tenant", "--scope", "read", "--namespace", "mine", "--rate", "600"],
		operator.secret,
	);
	expect(made.code, made.stderr).toBe(0);
	const [secret = ""] = /rk_[\w-]{43}/.exec(made.stdout) ?? [];
	expect(await statusWith(secret)).toBe(200);

	const list = await keys(["list"], operator.secret);
	expect(list.code, list.stderr).toBe(0);
	expect(list.stdout).toMatch(/valid.*read.*mine.*600.*tenant/);
	expect(list.stdout).not.toContain(secret);
	expect((await keys(["list"], secret)).stderr).toContain("forbidden_scope");

	const [, id = ""] = /key ([0-9a-f-]{36})/.exec(made.stdout) ?? [];
	const revoked = await keys(["revoke", id], operator.secret);
	expect(revoked.code, revoked.stderr).toBe(0);
	expect(await statusWith(secret)).toBe(401);
	const after = JSON.parse((await keys(["list", "--json"], operator.secret)).stdout);
	expect(after.items.map((key: { revokedAt?: string }) => key.revokedAt === undefined)).toEqual([
		false,
		true,
	]);
});

it("a key that is revoked elsewhere opens nothing within the time that is stated", async () => {
	const { query } = installation.database;
	const rows = await query(
		(sql) => sql`select key_id from recant.api_keys where revoked_at is null`,
	);
	expect(rows).toHaveLength(1);
	expect(await statusWith(undefined)).toBe(401);
	await query((sql) => sql`update recant.api_keys set revoked_at = now()`);
	const revoked = performance.now();
	while ((await statusWith(undefined)) !== 200) {
		expect(performance.now() - revoked).toBeLessThan(LIMITS.keyStalenessMs + 500);
	}
});

it("nothing in the database is a key's secret", async () => {
	const secret = JSON.parse(
		(await keys(["create", "again", "--scope", "operate", "--json"])).stdout,
	).secret;
	const dump = await installation.database.query(
		(sql) => sql`select t::text as row, encode(hash, 'hex') as hash from recant.api_keys t`,
	);
	expect(JSON.stringify(dump)).not.toContain(secret.slice(3));
});
