/** Every rule of Recant's own, in the order in which a run takes them, and those of a level. */
import type { CheckContext } from "./check-context.ts";
import { LEVELS, type Level } from "./finding.ts";
import type { Rule, RuleContext } from "./rule.ts";
import { checkpoints } from "./rules/checkpoints.ts";
import { derivations } from "./rules/derivations.ts";
import { headCheckpoint } from "./rules/head-checkpoint.ts";
import { headers } from "./rules/headers.ts";
import { installation } from "./rules/installation.ts";
import { layerCounts } from "./rules/layer-counts.ts";
import { cycles, links, linksOfVersions } from "./rules/links.ts";
import { logEntries, loggedVersions } from "./rules/log-entries.ts";
import { names, namesOfVersions } from "./rules/names.ts";
import { nodeHeaders } from "./rules/node-headers.ts";
import { operations } from "./rules/operations.ts";
import { pointers } from "./rules/pointers.ts";
import { rootHistory } from "./rules/root-history.ts";
import { shadow } from "./rules/shadow.ts";
import { sizes } from "./rules/sizes.ts";
import { sources } from "./rules/sources.ts";
import { spans } from "./rules/spans.ts";
import { stateRoots } from "./rules/state-roots.ts";
import { tableHealth } from "./rules/table-health.ts";
import { vectorRows, vectorsOfVersions } from "./rules/vector-rows.ts";
import { vectorTables } from "./rules/vector-tables.ts";
import { versionRows } from "./rules/version-rows.ts";
import { watermarks } from "./rules/watermarks.ts";
import { workingMemory } from "./rules/working-memory.ts";

const RULES: readonly Rule<CheckContext>[] = [
	watermarks,
	headCheckpoint,
	layerCounts,
	pointers,
	installation,
	versionRows,
	spans,
	stateRoots,
	namesOfVersions,
	vectorsOfVersions,
	linksOfVersions,
	names,
	links,
	derivations,
	logEntries,
	loggedVersions,
	headers,
	checkpoints,
	vectorRows,
	vectorTables,
	workingMemory,
	rootHistory,
	operations,
	sources,
	cycles,
	tableHealth,
	sizes,
	shadow,
	nodeHeaders,
];

/** Rules that a chain's file adds must not take these names. */
export const RULE_NAMES: ReadonlySet<string> = new Set(RULES.map(({ name }) => name));

/** Rules of that level and those below it: ours, then the chain's own. */
export function rulesOf(
	level: Level,
	own: readonly Rule<RuleContext>[],
): readonly Rule<CheckContext>[] {
	const depth = LEVELS.indexOf(level);
	return [...RULES, ...own].filter((rule) => LEVELS.indexOf(rule.level) <= depth);
}
