/** The roots that the chain's row records: those of the writer's tree, which the last commit left. */
import { differingLayers, sameRoots } from "../../commitment/state-root.ts";
import type { MemoryKey } from "../../domain/ids.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredVersion } from "../stored-state.ts";
import type { PlanContext } from "./plan-context.ts";
import { pendingRoots, placeName, rootsAt } from "./plan-roots.ts";
import { forPerson, planned, type RowRepair, sound, type Verdict } from "./repair-plan.ts";

/** Of roots and counts that no single record names. */
function isOfRoots({ class: kind, remedy, subject }: KeptFinding): boolean {
	if (kind === "count_differs") return true;
	if (kind === "root_differs") return subject.table !== "checkpoints";
	return kind === "watermark_wrong" && remedy.by === "repair";
}

export async function planRecordedRoots(
	context: PlanContext,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<{
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
}> {
	const findings = context.findings.filter(isOfRoots);
	const none = { verdicts: new Map<number, Verdict>(), rows: [] };
	if (findings.length === 0) return none;
	const made = await pendingRoots(context, repaired);
	const recorded = context.state.chain.roots;
	const verdictAll = (verdict: Verdict) => new Map(findings.map(({ seq }) => [seq, verdict]));
	if (recorded !== undefined && sameRoots(made, recorded)) {
		return { ...none, verdicts: verdictAll(sound("the repaired rows give the recorded roots")) };
	}
	if (!(await areProved(made, context, repaired))) {
		const layers = recorded === undefined ? [] : differingLayers(made, recorded);
		const what = `the rows give other roots than were recorded (${layers.join(", ")}), and nothing proves them`;
		const commands = [
			"recant check --level paranoid",
			"recant rollback --to <height> --strategy rebuild",
		];
		return { ...none, verdicts: verdictAll(forPerson(what, ...commands)) };
	}
	return {
		verdicts: verdictAll(planned("put", "state_tree", "the chain's roots are recorded again")),
		rows: [
			{
				change: { table: "chains", put: { roots: made } },
				class: "watermark_wrong",
				source: "state_tree",
			},
		],
	};
}

/** By the writer's tree; without one, by the checkpoint of the head. */
async function areProved(
	made: Awaited<ReturnType<typeof pendingRoots>>,
	context: PlanContext,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<boolean> {
	const { states, state } = context;
	if (states !== undefined) return sameRoots(states.tree.roots(), made);
	const { head: height, generation } = state.chain;
	if (height === undefined) return false;
	const sealed = await state.checkpoint(height);
	if (sealed?.intact !== true || sealed.roots === undefined) return false;
	const place = { height, generation };
	const roots = (await rootsAt([place], context, repaired)).get(placeName(place));
	return roots !== undefined && sameRoots(roots, sealed.roots);
}
