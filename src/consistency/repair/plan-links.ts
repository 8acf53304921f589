/** The table of links, which follows from the versions of the memories that the links are. */
import type { MemoryKey } from "../../domain/ids.ts";
import type { KeptFinding } from "../consistency-run.ts";
import { isSameLink, type LinkNameRow, linkNameOf } from "../link-names.ts";
import type { StoredVersion } from "../stored-state.ts";
import type { PlanContext } from "./plan-context.ts";
import { planned, type RowRepair, sound, type Verdict } from "./repair-plan.ts";

interface LinkPlan {
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
}

/** Those that a repair mends; which link of a circle goes is for a person to say. */
function isOfLinks({ class: kind, remedy }: KeptFinding): boolean {
	return kind === "link_orphaned" && remedy.by === "repair";
}

export async function planLinks(
	{ findings, state }: PlanContext,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<LinkPlan> {
	const own = findings.filter(isOfLinks);
	const keys = [...new Set(own.flatMap(({ subject }) => subject.memoryKey ?? []))];
	const memories = await state.memoriesOf(keys);
	const rowsOf = new Map([...memories.map((each) => [each.memoryKey, each.rows] as const)]);
	const stored = new Map((await state.linksOf(keys)).map((row) => [row.linkKey, row]));
	const changes = new Map<MemoryKey, RowRepair>();
	for (const key of keys) {
		const wanted = linkNameOf(repaired.get(key) ?? rowsOf.get(key) ?? []);
		const change = changeOf(key, stored.get(key), wanted);
		if (change !== undefined) {
			changes.set(key, { change, class: "link_orphaned", source: "versions" });
		}
	}
	const verdicts = own.map(({ seq, subject }) => {
		const repair = subject.memoryKey && changes.get(subject.memoryKey);
		return [seq, verdictOf(repair)] as const;
	});
	return { verdicts: new Map(verdicts), rows: [...changes.values()] };
}

function changeOf(
	linkKey: MemoryKey,
	stored: LinkNameRow | undefined,
	wanted: LinkNameRow | undefined,
): RowRepair["change"] | undefined {
	if (wanted === undefined) {
		return stored === undefined ? undefined : { table: "links", remove: { linkKey } };
	}
	return isSameLink(stored, wanted) ? undefined : { table: "links", put: wanted };
}

function verdictOf(repair: RowRepair | undefined): Verdict {
	if (repair === undefined) return sound("the table has the link as its versions say");
	const action = "put" in repair.change ? "put" : "remove";
	return planned(action, "versions", "the table of links is set as the link's versions say");
}
