/**
 * `npm run bench [-- section…] [--quick] [--json path]`: measures, prints tables and writes JSON.
 *
 * Where a ratio is stated both sides were measured in one run, by turns. A figure is a median with the
 * least and the most; nothing is thrown away but the first round, which warms up.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { reportToolError } from "../scripts/support/report-tool-error.ts";
import { ToolError } from "../scripts/support/tool-error.ts";
import { apiSection } from "./api.ts";
import { blockSection } from "./block.ts";
import { capacitySection } from "./capacity.ts";
import { checkSection } from "./check.ts";
import { consolidationSection } from "./consolidation.ts";
import { derivationsSection } from "./derivations.ts";
import { explainSection } from "./explain.ts";
import { fanOutSection } from "./fan-out.ts";
import { groupCommitSection } from "./group-commit.ts";
import { heapSection } from "./heap.ts";
import { describeMachine } from "./machine.ts";
import { peersParts, peersSection } from "./peers.ts";
import { proofSection } from "./proof.ts";
import { queryableSection } from "./queryable.ts";
import { replicasSection } from "./replicas.ts";
import { printMachine, printSection } from "./report.ts";
import { rollbackSection } from "./rollback.ts";
import { rootsSection } from "./roots.ts";
import { searchSection } from "./search.ts";
import type { Section, SectionResult } from "./section.ts";
import { shortTermSection } from "./short-term.ts";
import { smallSearchSection } from "./small-search.ts";
import { smallStateSection } from "./small-state.ts";
import { snapshotSection } from "./snapshot.ts";
import { startSection } from "./start.ts";
import { storesSection } from "./stores.ts";
import { takeoverSection } from "./takeover.ts";

const SECTIONS: readonly Section[] = [
	rollbackSection,
	fanOutSection,
	queryableSection,
	groupCommitSection,
	blockSection,
	apiSection,
	rootsSection,
	startSection,
	storesSection,
	checkSection,
	replicasSection,
	snapshotSection,
	smallStateSection,
	proofSection,
	heapSection,
	searchSection,
	smallSearchSection,
	explainSection,
	shortTermSection,
	derivationsSection,
	capacitySection,
	consolidationSection,
	takeoverSection,
	peersSection,
];
const RESULTS = fileURLToPath(new URL("results/", import.meta.url));

await reportToolError(async () => {
	const { positionals, values } = parseArgs({
		allowPositionals: true,
		options: { quick: { type: "boolean", default: false }, json: { type: "string" } },
	});
	const chosen = sectionsNamed(positionals);
	const startedAt = new Date().toISOString();
	const machine = await describeMachine();
	printMachine(machine);
	const results: SectionResult[] = [];
	for (const section of chosen) {
		const result = await run(section, values.quick);
		results.push(result);
		printSection(result);
	}
	const file = resolve(values.json ?? `${RESULTS}${startedAt.replaceAll(/[:.]/g, "-")}.json`);
	mkdirSync(dirname(file), { recursive: true });
	const { quick } = values;
	writeFileSync(
		file,
		`${JSON.stringify({ startedAt, quick, machine, results }, undefined, "\t")}\n`,
	);
	console.log(`\nwritten to ${file}`);
});

function sectionsNamed(names: readonly string[]): readonly Section[] {
	if (names.length === 0) return SECTIONS;
	const all = [...SECTIONS, ...peersParts];
	return names.map((name) => {
		const section = all.find((each) => each.name === name);
		if (section !== undefined) return section;
		throw new ToolError("arguments_invalid", {
			message: `there is no section "${name}"`,
			hint: `the sections are ${all.map((each) => each.name).join(", ")}`,
		});
	});
}

async function run({ name, title, run: measure }: Section, quick: boolean): Promise<SectionResult> {
	const say = (what: string) => console.error(`${name}: ${what}`);
	const before = loadavg()[0] ?? Number.NaN;
	const start = performance.now();
	const measured = await measure({ quick, say });
	const seconds = Math.round((performance.now() - start) / 100) / 10;
	return { section: name, title, ...measured, load: { before, after: loadavg()[0] ?? 0 }, seconds };
}
