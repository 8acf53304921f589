import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { Cleanup } from "../../scripts/demo/cleanup.ts";
import { CHAIN } from "../../scripts/demo/instance.ts";
import { Narrator } from "../../scripts/demo/narrator.ts";
import { STEPS, type StoryOptions, tellStory } from "../../scripts/demo/story.ts";

/** Two services, two nodes, two databases, on a machine that is busy with the other tests. */
const DEMO_MS = 180_000;
const WIDTH = 100;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is looked for
const ESCAPE = /\u001b/;

interface Ended {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs `npm run demo` as it is in a pipe, with a folder of its own for temporary files. */
function startDemo(temporary: string, args: readonly string[] = []) {
	const child = spawn(process.execPath, ["scripts/demo.ts", ...args], {
		stdio: ["ignore", "pipe", "pipe"],
		env: { ...process.env, TMPDIR: temporary, RECANT_TOKEN: "not for the demo" },
	});
	onTestFinished(() => void child.kill("SIGTERM"));
	const code = new Promise<number | null>((resolve) => child.once("close", resolve));
	const ended = Promise.all([code, text(child.stdout), text(child.stderr)]).then(
		([code, stdout, stderr]): Ended => ({ code, stdout, stderr }),
	);
	return { child, ended };
}

function temporaryFolder(): string {
	const path = mkdtempSync(join(tmpdir(), "recant-test-demo-"));
	onTestFinished(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
	return path;
}

/** LanceDB's own temporary folders, which are empty, go when the engine collects garbage or never. */
function leftIn(temporary: string): readonly string[] {
	return readdirSync(temporary).filter((name) => !name.startsWith(".tmp"));
}

/** What the outcome's table says: count and lines, by name. */
function outcome(stdout: string, name: string): { readonly count: number; readonly what: string } {
	const lines = stdout.split("\n");
	const first = lines.findIndex((line) => line.startsWith(`    ${name} `));
	const following = lines.slice(first + 1);
	const end = following.findIndex((line) => !line.startsWith(" ".repeat(20)));
	const [count = "", ...words] = (lines[first] ?? "").replace(name, "").trim().split(/\s+/);
	const rest = following.slice(0, end).map((line) => line.trim());
	return { count: Number(count), what: [words.join(" "), ...rest].join("; ") };
}

describe("npm run demo", () => {
	test("tells in a pipe what the fork did, and that the survivor equals a fresh instance", {
		timeout: DEMO_MS,
	}, async () => {
		const temporary = temporaryFolder();
		const { code, stdout, stderr } = await startDemo(temporary).ended;
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout).toMatch(/^EQUAL: /m);
		expect(stdout).toMatch(/1 to 14; then 27 memories, 75 roots and \d+ search results/);
		expect(stdout).not.toMatch(ESCAPE);
		const widest = Math.max(...stdout.split("\n").map((line) => line.length));
		expect(widest).toBeLessThanOrEqual(WIDTH);
		expect(leftIn(temporary)).toEqual([]);

		const stages = stdout.matchAll(/^ {4}(\w+) +[\d.]+ ms /gm);
		expect([...stages].map(([, name]) => name)).toEqual([
			"plan",
			"rewind",
			"replay",
			"verify",
			"commit",
		]);
		expect(outcome(stdout, "recanted").what).toContain("notes: loan, rent, audit");
		expect(outcome(stdout, "suspended")).toEqual({
			count: 3,
			what: "note loan: its transaction is gone; note rent: its transaction is gone; note audit: its block is gone",
		});
		expect(outcome(stdout, "reinstated")).toEqual({
			count: 1,
			what: "note loan, in block 14: 2 blocks after the fork",
		});
		expect(outcome(stdout, "replayed")).toEqual({
			count: 3,
			what: "note invoice, at block 9, was at 8; note plan, at block 9; note reminder, at block 12",
		});
		expect(outcome(stdout, "derived anew").count).toBe(15);
		// Before the fork, after it, now, and by the orphaned hash.
		expect(stdout).toMatch(/^ {4}Carol +160 +40 +190 +160$/m);
		expect(stdout).toMatch(/^ {4}Erin +- +25 +25 +-$/m);
	});

	test("leaves nothing behind when it is interrupted", { timeout: DEMO_MS }, async () => {
		const temporary = temporaryFolder();
		const { child, ended } = startDemo(temporary);
		child.stdout.on("data", (chunk: Buffer) => {
			if (chunk.includes("3/8")) child.kill("SIGINT");
		});
		const { code, stderr } = await ended;
		expect(code).toBe(130);
		expect(stderr).toMatch(/^\nSIGINT: ending what was started.*\n$/);
		expect(leftIn(temporary)).toEqual([]);
	});

	test("refuses an option that it does not know", async () => {
		const { code, stderr } = await startDemo(temporaryFolder(), ["--kepe"]).ended;
		expect(code).toBe(2);
		expect(stderr).toContain("--keep");
	});
});

describe("the demo's check", () => {
	/** Plays the story in this process and answers what was told. */
	async function told(options: Pick<StoryOptions, "beforeComparison">) {
		const lines: string[] = [];
		const write = (line: string) => void lines.push(line);
		const narrator = new Narrator({ write, live: false, colour: false }, STEPS);
		const cleanup = new Cleanup();
		try {
			const { exitCode, stage } = await tellStory({
				...options,
				narrator,
				cleanup,
				keepData: false,
			});
			return { exitCode, output: lines.join(""), dataDir: stage.dataDir };
		} finally {
			await cleanup.run();
		}
	}

	test("fails when the fresh instance holds one memory more, and names it", {
		timeout: DEMO_MS,
	}, async () => {
		const { exitCode, output, dataDir } = await told({
			beforeComparison: async ({ recant }) => {
				const put = { op: "put", id: "intruder", layer: "semantic", content: {} } as const;
				await recant.client.write(CHAIN, put);
			},
		});
		expect(exitCode).toBe(1);
		expect(output).toMatch(/^DIFFERENT in [1-9]\d* places:$/m);
		expect(output).toMatch(/^ {4}memory default\/intruder\n {6}here {3}nothing\n {6}fresh {2}\{/m);
		expect(output).not.toContain("EQUAL");
		expect(existsSync(dataDir)).toBe(false);
	});
});
