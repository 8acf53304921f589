/**
 * Fails when drizzle/ lacks something that src/store/schema/ asks for: generates once more into a
 * copy, which must find nothing to do. The working tree is only read.
 */
import { spawnSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { reportToolError } from "./support/report-tool-error.ts";
import { makeTempDir } from "./support/temp-dir.ts";
import { ToolError } from "./support/tool-error.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** drizzle-kit exits with 0 after most failures, so only these words count as success. */
const NOTHING_TO_DO = "No schema changes";
/** Generating reads one file; it waits for ever only if it asks whether a column was renamed. */
const GENERATE_TIMEOUT_MS = 60_000;

function main(): void {
	const dir = makeTempDir("migrations");
	try {
		const copy = join(dir.path, "drizzle");
		cpSync(join(ROOT, "drizzle"), copy, { recursive: true });
		const said = generate({ workDir: dir.path, out: copy });
		if (!said.includes(NOTHING_TO_DO)) {
			throw new ToolError("output_outdated", {
				message: `drizzle/ is not what src/store/schema/ asks for: ${said.trim()}`,
				hint: "run npm run migrations:generate and commit what it writes",
			});
		}
	} finally {
		dir.remove();
	}
	console.log("migrations: drizzle/ is current");
}

/** Answers everything that drizzle-kit said. */
function generate(paths: { readonly workDir: string; readonly out: string }): string {
	const config = join(paths.workDir, "drizzle.config.ts");
	const base = JSON.stringify(join(ROOT, "drizzle.config.ts"));
	// It puts "./" in front of the folder, also of an absolute one.
	const out = JSON.stringify(relative(ROOT, paths.out));
	writeFileSync(config, `import base from ${base};\nexport default { ...base, out: ${out} };\n`);
	const drizzleKit = join(ROOT, "node_modules/drizzle-kit/bin.cjs");
	const result = spawnSync(process.execPath, [drizzleKit, "generate", `--config=${config}`], {
		cwd: ROOT,
		encoding: "utf8",
		timeout: GENERATE_TIMEOUT_MS,
		stdio: ["ignore", "pipe", "pipe"],
	});
	return `${result.stdout}${result.stderr}${result.error?.message ?? ""}`;
}

await reportToolError(main);
