import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeWhole } from "../../src/cli/snapshot-files.ts";
import { makeFolder } from "../../src/resilience/make-folder.ts";
import { testDir } from "../support/temp-dir.ts";

function modeOf(path: string): number {
	return statSync(path).mode & 0o777;
}

test("every missing folder is made with the mode, and those that are there keep theirs", async () => {
	const folder = testDir("folder");
	const before = modeOf(folder);
	await makeFolder(join(folder, "a", "b", "c"), 0o700);
	await makeFolder(join(folder, "a", "b"), 0o750);
	expect(["a", "a/b", "a/b/c"].map((name) => modeOf(join(folder, name)))).toEqual([
		0o700, 0o700, 0o700,
	]);
	expect(modeOf(folder)).toBe(before);
});

test("several may make the same folders at once", async () => {
	const path = join(testDir("folder"), "a", "b", "c");
	await Promise.all(Array.from({ length: 20 }, () => makeFolder(path)));
	expect(statSync(path).isDirectory()).toBe(true);
});

test("below a file there is no folder", async () => {
	const file = join(testDir("folder"), "file");
	writeFileSync(file, "");
	await expect(makeFolder(join(file, "below"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.runIf(process.platform === "linux")(
	"a file system that takes no folder says so, to an export too",
	async () => {
		await expect(makeFolder("/proc/nope")).rejects.toMatchObject({ code: "ENOENT" });
		await expect(makeFolder("/proc/nope/a/b")).rejects.toMatchObject({ code: "ENOENT" });
		await expect(writeWhole("/proc/nope/snapshot.json", Buffer.from("{}"))).rejects.toMatchObject({
			name: "UsageError",
			message: expect.stringMatching(/^\/proc\/nope\/snapshot\.json cannot be written: ENOENT/),
		});
	},
);
