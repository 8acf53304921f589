/** `recant chains add` and `recant chains check` against an Anvil. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { poolFactoryAbi } from "../../contracts/out/pool-factory.ts";
import { runCli } from "../../src/cli/program.ts";
import { RecantClient } from "../../src/client/client.ts";
import type { CheckedChain } from "../../src/composition/check-chains.ts";
import { loadChains } from "../../src/config/chains.ts";
import { startHere } from "../support/ledger-chain.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { PoolChain } from "../support/pool-chain.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { testDir } from "../support/temp-dir.ts";

const TIMEOUT_MS = 120_000;
const SOURCE = resolve("src/follower/define-chain.ts");

/** A folder of chains beside a link to Recant's source, as a checkout has it. */
function chainsFolder(): string {
	const home = testDir("chains");
	mkdirSync(join(home, "src", "follower"), { recursive: true });
	const module = `export * from ${JSON.stringify(SOURCE)};\n`;
	writeFileSync(join(home, "src", "follower", "define-chain.ts"), module);
	return join(home, "chains");
}

async function recant(folder: string, ...args: readonly string[]) {
	const written = { stdout: "", stderr: "" };
	const stream = (name: "stdout" | "stderr") => ({
		write: (text: string) => {
			written[name] += text;
		},
	});
	const streams = { stdout: stream("stdout"), stderr: stream("stderr") };
	const code = await runCli(["chains", ...args], streams, { RECANT_CHAINS_DIR: folder });
	return { code, ...written };
}

function checked(stdout: string): CheckedChain | undefined {
	return (JSON.parse(stdout) as { readonly chains: readonly CheckedChain[] }).chains[0];
}

function wrong(stdout: string) {
	return checked(stdout)?.findings.filter(({ state }) => state !== "ok") ?? [];
}

async function addFactory(chain: PoolChain, folder: string, ...more: readonly string[]) {
	const abiFile = join(testDir("abi"), "PoolFactory.json");
	writeFileSync(abiFile, JSON.stringify({ contractName: "PoolFactory", abi: poolFactoryAbi }));
	const { rpcUrl } = chain.anvil;
	return recant(folder, "add", chain.factory, "--abi", abiFile, "--rpc", rpcUrl, ...more);
}

describe("recant chains add", () => {
	it(
		"writes a file that compiles, passes the check, and is followed",
		async () => {
			const chain = await PoolChain.start();
			await chain.anvil.mine(20);
			await chain.make(1, { value: 2n });
			await chain.anvil.mine();
			const folder = chainsFolder();
			expect(await addFactory(chain, folder, "--name", "pools")).toMatchObject({
				code: 0,
				stdout: expect.stringContaining("1 events from block 1 on"),
			});
			const text = readFileSync(join(folder, "pools.ts"), "utf8");
			expect(text).toContain('network: "anvil"');
			expect(text).toContain("startBlock: 1n");
			expect(compile(join(folder, "pools.ts"))).toBe("");

			const check = await recant(folder, "check", "pools", "--json");
			// The test's chain began long ago, and its clock goes on from there.
			expect(wrong(check.stdout)).toMatchObject([{ check: "answers", state: "warning" }]);
			expect(check.code).toBe(0);

			const { url: databaseUrl } = await createTestDatabase("chains-add");
			const service = await startHere({ chains: await loadChains(folder), databaseUrl });
			const client = new RecantClient({ url: service.url });
			await untilFollowed(client, "pools", chain.anvil.rpcUrl);
			const { items } = await client.memories("pools", { limit: 10 });
			const pool = items[0]?.content["pool"];
			expect(String(pool).toLowerCase()).toBe(chain.poolOf(1));
		},
		TIMEOUT_MS,
	);

	it("never overwrites a file without being told to", async () => {
		const chain = await PoolChain.start();
		const folder = chainsFolder();
		expect(await addFactory(chain, folder)).toMatchObject({ code: 0 });
		writeFileSync(join(folder, "poolfactory.ts"), "mine");
		expect(await addFactory(chain, folder)).toMatchObject({
			code: 1,
			stderr: expect.stringContaining("is there already"),
		});
		expect(readFileSync(join(folder, "poolfactory.ts"), "utf8")).toBe("mine");
		expect(await addFactory(chain, folder, "--force", "--start-block", "0")).toMatchObject({
			code: 0,
		});
		expect(readFileSync(join(folder, "poolfactory.ts"), "utf8")).toContain("startBlock: 0n");
	});

	it("refuses an address without a contract, and a network that is another", async () => {
		const chain = await PoolChain.start();
		const folder = chainsFolder();
		const elsewhere = await addFactory(chain, folder, "--network", "base");
		expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining("base is 8453") });
		const empty = await recant(
			...[folder, "add", `0x${"12".repeat(20)}`, "--rpc", chain.anvil.rpcUrl, "--abi"],
			join(testDir("abi"), "none.json"),
		);
		expect(empty).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be read") });
	});
});

describe("recant chains check", () => {
	it("says what a node lacks and what a file has wrong, and ends with 5", async () => {
		const chain = await PoolChain.start();
		const folder = chainsFolder();
		await addFactory(chain, folder, "--name", "pools");
		const path = join(folder, "pools.ts");
		const text = readFileSync(path, "utf8");
		const dead = "http://127.0.0.1:9";
		const files = [
			["urls: [", `urls: [${JSON.stringify(dead)}, `, "answers"],
			['network: "anvil"', "id: 5", "chain id"],
			[chain.factory, `0x${"12".repeat(20)}`, "PoolFactory"],
		] as const;
		for (const [index, [from, to, check]] of files.entries()) {
			// Another file each time: a module that was loaded is not read again.
			const changed = join(folder, `changed${index}.ts`);
			writeFileSync(changed, text.replaceAll(from, to));
			const answer = await recant(folder, "check", changed, "--json");
			expect(answer.code).toBe(5);
			const failed = wrong(answer.stdout).filter(({ state }) => state === "failed");
			expect(failed.map((finding) => finding.check)).toEqual([check]);
		}
		const socket = join(folder, "socket.ts");
		writeFileSync(socket, text.replace(chain.anvil.rpcUrl, chain.anvil.wsUrl));
		expect(await recant(folder, "check", socket)).toMatchObject({ code: 0 });
		const table = await recant(folder, "check", path);
		expect(table.stdout).toContain("can be followed");
		expect(table.stdout).toContain("none of PoolFactory:PoolMade");
	});
});

/** What the compiler says; nothing where it has no objection. */
function compile(path: string): string {
	const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"];
	const rest = [
		"--ignoreConfig",
		"--types",
		"node",
		"--allowImportingTsExtensions",
		"--skipLibCheck",
		"--noUncheckedIndexedAccess",
	];
	const { stdout } = spawnSync("node_modules/.bin/tsc", [...options, ...rest, path], {
		encoding: "utf8",
	});
	return stdout;
}
