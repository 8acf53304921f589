import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../src/config/data-directory.ts";
import { claimDirectory } from "../../src/config/data-directory-lock.ts";

const MODULE = new URL("../../src/config/data-directory.ts", import.meta.url).href;
const ID = "6f0fbd5c-8f2a-4a51-9c1e-7f4c8f8b2f11";

let base: string;
let root: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
	base = await mkdtemp(join(tmpdir(), "recant-data-"));
	root = join(base, ".recant");
});

afterEach(async () => {
	for (const child of children.splice(0)) {
		if (child.exitCode === null && child.signalCode === null) {
			child.kill("SIGKILL");
			await once(child, "exit");
		}
	}
	await rm(base, { recursive: true, force: true });
});

/** Another process that opens the directory at a time, says how it went, and holds on. */
function contender(startAtMs: number): Promise<{ child: ChildProcess; answer: string }> {
	const script = `
		import { openDataDirectory } from ${JSON.stringify(MODULE)};
		while (Date.now() < ${startAtMs});
		await openDataDirectory(${JSON.stringify(root)}).then(
			() => { console.log("won"); setInterval(() => undefined, 1000); },
			(error) => console.log(error.code + " " + error.fields?.pid),
		);`;
	const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	children.push(child);
	const lines = createInterface({ input: child.stdout });
	return once(lines, "line").then(([answer]) => ({ child, answer: String(answer) }));
}

async function kill(child: ChildProcess): Promise<void> {
	child.kill("SIGKILL");
	await once(child, "exit");
}

async function claims(): Promise<string[]> {
	return (await readdir(root)).filter((name) => name.startsWith("lock."));
}

describe("a data directory", () => {
	it("is made, closed to others, and keeps its installation id", async () => {
		root = join(base, "deep", "er", ".recant");
		const first = await openDataDirectory(root);
		expect(first).toMatchObject({
			root,
			postgres: join(root, "postgres"),
			lancedb: join(root, "lancedb"),
			logs: join(root, "logs"),
			created: true,
		});
		const mode = (await stat(root)).mode & 0o777;
		expect(mode).toBe(process.getuid?.() === 0 ? 0o711 : 0o700);
		expect((await stat(first.lancedb)).mode & 0o777).toBe(0o700);
		await first.release();
		await first.release();
		expect(await claims()).toEqual([]);

		const second = await openDataDirectory(root);
		expect(second).toMatchObject({ installationId: first.installationId, created: false });
		expect(second.createdAt).toEqual(first.createdAt);
		await second.release();
	});

	it("is made in an empty folder", async () => {
		await mkdir(root);
		expect((await openDataDirectory(root)).created).toBe(true);
	});

	it("recovers from a crash while it was first made", async () => {
		await mkdir(root);
		await writeFile(join(root, `recant.json.${ID}.draft`), '{"format": 1, "inst');
		await writeFile(join(root, `lock.999999999.0-1.${ID}`), "held\n");
		const directory = await openDataDirectory(root);
		expect(directory.created).toBe(true);
		expect((await readdir(root)).filter((name) => name.includes(ID))).toEqual([]);
	});

	it("leaves a folder with other content alone", async () => {
		await mkdir(root);
		await writeFile(join(root, "thesis.txt"), "mine");
		await expect(openDataDirectory(root)).rejects.toMatchObject({
			code: "data_directory_foreign",
			fields: { path: root, first: "thesis.txt" },
		});
		expect(await readdir(root)).toEqual(["thesis.txt"]);
	});

	it.each([
		["garbage", "\u0000\u0001not json"],
		["nothing", ""],
		["another shape", "[1, 2]"],
		["no id", JSON.stringify({ format: 1, createdAt: new Date() })],
		["a bad id", JSON.stringify({ format: 1, installationId: "x", createdAt: new Date() })],
		["a newer format", JSON.stringify({ format: 2, whatever: true })],
	])("is corrupt when recant.json holds %s", async (_what, content) => {
		await mkdir(root);
		await writeFile(join(root, "recant.json"), content);
		await expect(openDataDirectory(root)).rejects.toMatchObject({ code: "data_directory_corrupt" });
		// Neither changed nor left locked.
		expect(await readFile(join(root, "recant.json"), "utf8")).toBe(content);
		expect(await claims()).toEqual([]);
	});

	it("is corrupt when recant.json cannot be read", async () => {
		await mkdir(join(root, "recant.json"), { recursive: true });
		await expect(openDataDirectory(root)).rejects.toMatchObject({ code: "data_directory_corrupt" });
	});

	it.each([
		["is a file", ""],
		["lies under a file", "/below"],
	])("is unwritable when it %s", async (_what, below) => {
		await writeFile(root, "");
		await expect(openDataDirectory(root + below)).rejects.toMatchObject({
			code: "data_directory_unwritable",
		});
	});

	it.runIf(process.platform === "linux")(
		"is unwritable on a file system that refuses",
		async () => {
			await expect(openDataDirectory("/proc/recant")).rejects.toMatchObject({
				code: "data_directory_unwritable",
			});
		},
	);
});

describe("its lock", () => {
	it("keeps a second opening out, also through a symbolic link, and names the pid", async () => {
		const held = await openDataDirectory(root);
		const link = join(base, "link");
		await symlink(root, link);
		for (const path of [root, link]) {
			await expect(openDataDirectory(path)).rejects.toMatchObject({
				code: "data_directory_in_use",
				fields: { pid: process.pid },
			});
		}
		await held.release();
		await (await openDataDirectory(link)).release();
	});

	it("is shared by those who ask for that, and by nobody else", async () => {
		const [first, second] = await Promise.all([
			openDataDirectory(root, "shared"),
			openDataDirectory(root, "shared"),
		]);
		// Made by both at once, it has one id.
		expect(second.installationId).toBe(first.installationId);
		await expect(openDataDirectory(root)).rejects.toMatchObject({
			code: "data_directory_in_use",
			hint: expect.stringContaining("DATABASE_URL"),
		});
		await first.release();
		await expect(openDataDirectory(root)).rejects.toMatchObject({ code: "data_directory_in_use" });
		await second.release();
		const alone = await openDataDirectory(root);
		expect(alone.installationId).toBe(first.installationId);
		await expect(openDataDirectory(root, "shared")).rejects.toMatchObject({
			code: "data_directory_in_use",
			hint: expect.stringContaining("its own Postgres"),
		});
		await alone.release();
		const names = await readdir(root);
		expect(names.filter((name) => /^(lock|shared)\.|\.draft$/.test(name))).toEqual([]);
	});

	it("is taken over after a SIGKILL of its holder", async () => {
		const { child, answer } = await contender(0);
		expect(answer).toBe("won");
		await expect(openDataDirectory(root)).rejects.toMatchObject({
			code: "data_directory_in_use",
			fields: { pid: child.pid },
		});
		await kill(child);
		const directory = await openDataDirectory(root);
		expect(await claims()).toHaveLength(1);
		await directory.release();
	});

	it.runIf(process.platform === "linux")(
		"is taken over when the pid is another program's by now",
		async () => {
			await (await openDataDirectory(root)).release();
			// Pid 1 lives, but did not start at tick 1 of a boot that never was.
			await writeFile(join(root, `lock.1.00000000-1.${ID}`), "held\n");
			await (await openDataDirectory(root)).release();
			expect(await claims()).toEqual([]);
		},
	);

	it("is respected where no start time is known", async () => {
		await (await openDataDirectory(root)).release();
		await writeFile(join(root, `lock.1.unknown.${ID}`), "held\n");
		await expect(openDataDirectory(root)).rejects.toMatchObject({ fields: { pid: 1 } });
	});

	it("has exactly one winner among many that start at once", async () => {
		for (let round = 0; round < 30; round += 1) {
			const folder = await mkdtemp(join(base, "round-"));
			const outcomes = await Promise.allSettled(
				Array.from({ length: 12 }, () => claimDirectory(folder)),
			);
			const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
			expect(won).toHaveLength(1);
			expect(await readdir(folder)).toHaveLength(1);
		}
	});

	it("has exactly one winner among racing processes, over a stale lock", async () => {
		await (await openDataDirectory(root)).release();
		for (let round = 0; round < 3; round += 1) {
			await writeFile(join(root, `lock.999999999.0-1.${ID}`), "held\n");
			const startAtMs = Date.now() + 1_000;
			const racers = await Promise.all(Array.from({ length: 4 }, () => contender(startAtMs)));
			const winners = racers.filter(({ answer }) => answer === "won");
			expect(winners).toHaveLength(1);
			const losers = racers.filter(({ answer }) => answer.startsWith("data_directory_in_use "));
			expect(losers).toHaveLength(3);
			await Promise.all(winners.map(({ child }) => kill(child)));
		}
	}, 30_000);
});
