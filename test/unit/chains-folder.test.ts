import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadChains } from "../../src/config/chains.ts";

test("every broken file of a folder is named, whichever comes first", async () => {
	const folder = await mkdtemp(join(tmpdir(), "recant-chains-"));
	onTestFinished(() => rm(folder, { recursive: true }));
	await writeFile(join(folder, "a.mjs"), `throw new RangeError("of a");`);
	await writeFile(join(folder, "b.mjs"), `export const nothing = 1;`);
	await writeFile(join(folder, "c.mjs"), `export default { name: "c", id: "one" };`);
	await expect(loadChains(folder)).rejects.toMatchObject({
		code: "chains_file_invalid",
		message: expect.stringMatching(/a\.mjs.*of a[\s\S]*b\.mjs.*no default[\s\S]*c\.mjs: .*id: /),
		fields: { files: expect.stringMatching(/a\.mjs, .*b\.mjs, c\.mjs/) },
	});
	await rm(join(folder, "a.mjs"));
	await rm(join(folder, "c.mjs"));
	await expect(loadChains(folder)).rejects.toThrow(
		/^[^\n]*b\.mjs: it has no default export[^\n]*$/,
	);
});
