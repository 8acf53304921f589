/** The table of names, which follows from versions: a name for each layer in which a memory ever was. */
import type { MemoryKey } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredName, StoredVersion } from "../stored-state.ts";
import type { PlanContext } from "./plan-context.ts";
import type { LogTruth } from "./plan-versions.ts";
import { forPerson, planned, type RowRepair, sound, type Verdict } from "./repair-plan.ts";

interface Name {
	readonly namespace: string;
	readonly id: string;
}

export function isOfNames(finding: KeptFinding): boolean {
	return finding.class === "name_missing" || finding.class === "name_extra";
}

export async function planNames(
	context: PlanContext,
	truth: LogTruth,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<{
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
}> {
	const findings = context.findings.filter(isOfNames);
	const named = new Map(
		findings.flatMap((finding) => nameOf(finding).map((name) => [keyOf(name), name])),
	);
	const held = findings.length === 0 ? new Map() : await heldNames(context, named);
	const stored = await context.state.memoriesOf([...named.values()].map(memoryOf));
	const rowsOf = new Map(stored.map((memory) => [memory.memoryKey, memory.rows]));
	const plans = new Map(
		[...named].map(([key, name]) => {
			const rows = repaired.get(memoryOf(name)) ?? rowsOf.get(memoryOf(name)) ?? [];
			return [key, changesOf(name, { held: held.get(key) ?? [], rows, truth })];
		}),
	);
	const verdicts = findings.map((finding) => {
		const changes = nameOf(finding).flatMap((name) => plans.get(keyOf(name)) ?? []);
		return [finding.seq, verdictOf(finding, changes)] as const;
	});
	const rows = [...plans.values()].flat().map((change) => ({
		change,
		class: "put" in change ? ("name_missing" as const) : ("name_extra" as const),
		source: "versions" as const,
	}));
	return { verdicts: new Map(verdicts), rows };
}

function verdictOf(finding: KeptFinding, changes: readonly RowRepair["change"][]): Verdict {
	if (nameOf(finding).length === 0) return forPerson("the name cannot be read", "recant state");
	const [change] = changes;
	if (change === undefined) return sound("the name is as its versions say");
	const action = changes.some((each) => "put" in each) ? "put" : "remove";
	return planned(action, "versions", `${changes.length} names are set as the versions say`);
}

function changesOf(
	name: Name,
	known: {
		readonly held: readonly StoredName[];
		readonly rows: readonly StoredVersion[];
		readonly truth: LogTruth;
	},
): readonly RowRepair["change"][] {
	const key = memoryOf(name);
	const layers = new Set(known.rows.flatMap(({ layer }) => layer ?? []));
	const ever = layersEver(key, known.truth);
	const puts = [...layers].filter(
		(layer) => !known.held.some((each) => each.layer === layer && each.memoryKey === key),
	);
	const removes = known.held.filter(
		({ layer, memoryKey: heldKey }) =>
			layer === undefined ||
			(!layers.has(layer) && (heldKey !== key || ever === undefined || !ever.has(layer))),
	);
	return [
		...removes.map(({ layer }) => ({ table: "memories" as const, remove: { ...name, layer } })),
		...puts.map((layer) => ({
			table: "memories" as const,
			put: { ...name, layer, memoryKey: key },
		})),
	];
}

/** A name outlives its last version, so only the log knows that there never was one. */
function layersEver(key: MemoryKey, { index, history }: LogTruth): ReadonlySet<Layer> | undefined {
	if (typeof history === "string" || index.flawFor(key) !== undefined) return undefined;
	return history.layers(key);
}

async function heldNames(
	{ state }: PlanContext,
	wanted: ReadonlyMap<string, Name>,
): Promise<Map<string, StoredName[]>> {
	const held = new Map<string, StoredName[]>();
	for await (const page of state.names()) {
		for (const name of page) {
			const key = keyOf(name);
			if (wanted.has(key)) held.set(key, [...(held.get(key) ?? []), name]);
		}
	}
	return held;
}

function nameOf({ subject: { namespace, id } }: KeptFinding): readonly Name[] {
	const readable = namespace?.isWellFormed() === true && id?.isWellFormed() === true;
	return readable ? [{ namespace, id }] : [];
}

function memoryOf({ namespace, id }: Name): MemoryKey {
	return memoryKey(namespace, id);
}

function keyOf({ namespace, id }: Name): string {
	return JSON.stringify([namespace, id]);
}
