/**
 * `npm run soak [-- --blocks 20000] [--seed N] [--json] [--out path]`: random forks and failing providers for hours of
 * a chain, through the real follower, writer and Postgres.
 *
 * Runs test/integration/rpc-soak.test.ts. At ten checkpoints everything is compared with what the blocks say, and
 * the service's memory is told. The seed is printed first, and repeats the chain and the faults.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { SoakReport } from "../test/support/rpc-server/soak.ts";
import { ensureRedis } from "./support/install-redis.ts";
import { reportToolError } from "./support/report-tool-error.ts";
import { anySeed, failuresIn, wholeNumber } from "./support/seeded-suite.ts";
import { makeTempDir } from "./support/temp-dir.ts";

const FILE = "test/integration/rpc-soak.test.ts";
const BLOCKS = 20_000;

await reportToolError(async () => {
	const { values } = parseArgs({
		options: {
			blocks: { type: "string", default: `${BLOCKS}` },
			seed: { type: "string" },
			json: { type: "boolean", default: false },
			out: { type: "string" },
		},
	});
	const blocks = wholeNumber("--blocks", values.blocks);
	const seed = wholeNumber("--seed", values.seed ?? anySeed());
	ensureRedis();
	const dir = makeTempDir("soak-report");
	const file = join(dir.path, "report.json");
	Object.assign(process.env, {
		RECANT_SOAK_BLOCKS: `${blocks}`,
		RECANT_SEED: `${seed}`,
		RECANT_SOAK_REPORT: file,
	});
	const again = `npm run soak -- --blocks ${blocks} --seed ${seed}`;
	console.error(`soak: ${blocks} blocks, seed ${seed}; again: ${again}`);
	const failed = await failuresIn(FILE);
	const report = existsSync(file)
		? (JSON.parse(readFileSync(file, "utf8")) as SoakReport)
		: undefined;
	dir.remove();
	const text = `${JSON.stringify({ failed, again, ...report }, undefined, "\t")}\n`;
	if (values.out !== undefined) writeFileSync(values.out, text);
	if (values.json) process.stdout.write(text);
	else if (report !== undefined) print(report);
	console.error(failed === 0 ? "it ended as its chain says" : `it failed; again: ${again}`);
	// A server that a failed soak left running must not keep the run from ending.
	process.exit(failed === 0 ? 0 : 1);
});

function print({ checkpoints, faults, ...report }: SoakReport): void {
	const { blocks, forks, deepestFork, generation, requests, seconds } = report;
	console.log(
		`${blocks} blocks and ${forks} forks, the deepest of ${deepestFork}, in ${seconds} s; ${generation} rollbacks; ` +
			`${requests} requests`,
	);
	const struck = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`);
	console.log(`faults that struck: ${struck.join(", ")}`);
	const [first, last] = [checkpoints[0], checkpoints.at(-1)];
	if (first === undefined || last === undefined) return;
	const growth = (last.heapUsedBytes / first.heapUsedBytes).toFixed(2);
	const differing = checkpoints.filter(({ differences }) => differences.length > 0).length;
	console.log(
		`${differing} of ${checkpoints.length} checkpoints differ; heap at the end by that at the first: ${growth}`,
	);
}
