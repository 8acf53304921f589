/**
 * The short form of `npm run soak`, which sets RECANT_SOAK_BLOCKS: blocks with random forks from providers that
 * fail in turns end as their chain says, and the service's memory does not grow with them.
 */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/postgres.ts";
import { type SoakCheckpoint, soak } from "../support/rpc-server/soak.ts";
import { announcedSeed } from "../support/seed.ts";

const SHORT_BLOCKS = 300;
const SHORT_CHECKPOINTS = 2;
/** The first is a tenth of the way. */
const CHECKPOINTS = 10;
/** Below that the heap is still filling its caches. */
const LEAST_FOR_MEMORY = 5_000;
const MOST_GROWTH = 1.2;
const MS_A_BLOCK = 1_000;

test(
	"thousands of blocks with forks and failing providers",
	async () => {
		const { RECANT_SOAK_BLOCKS: given, RECANT_SOAK_REPORT: file } = process.env;
		const blocks = given === undefined ? SHORT_BLOCKS : Number(given);
		const { url } = await createTestDatabase("soak");
		const report = await soak({
			blocks,
			seed: announcedSeed("test/integration/rpc-soak.test.ts"),
			databaseUrl: url,
			checkpoints: given === undefined ? SHORT_CHECKPOINTS : CHECKPOINTS,
			...(given === undefined ? {} : { onCheckpoint: print }),
		});
		if (file !== undefined) writeFileSync(file, JSON.stringify(report));
		for (const { height, differences } of report.checkpoints)
			expect(differences.slice(0, 6), `at block ${height}`).toEqual([]);
		expect(report.generation, "forks were followed").toBeGreaterThan(0);
		if (blocks < LEAST_FOR_MEMORY) return;
		const [first, last] = [report.checkpoints[0], report.checkpoints.at(-1)];
		const growth = (last?.heapUsedBytes ?? 0) / (first?.heapUsedBytes ?? 0);
		expect(growth, "heap used at the end by that at a tenth").toBeLessThanOrEqual(MOST_GROWTH);
	},
	180_000 + Number(process.env["RECANT_SOAK_BLOCKS"] ?? 0) * MS_A_BLOCK,
);

function print({ height, seconds, differences, rssBytes, heapUsedBytes }: SoakCheckpoint): void {
	const mebibytes = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`;
	console.info(
		`block ${height} after ${seconds} s: ${differences.length} differences, RSS ${mebibytes(rssBytes)}, ` +
			`heap ${mebibytes(heapUsedBytes)}`,
	);
	for (const difference of differences.slice(0, 6)) console.info(difference);
}
