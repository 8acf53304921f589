/** What the reference model says of the recorded history. */
import type { Generation, Height } from "../../src/domain/ids.ts";
import type { Random } from "../support/random.ts";
import {
	allVisibleIn,
	type Happening,
	type History,
	hashOf,
	nameOf,
} from "../support/reference-history.ts";
import type { ModelReport } from "../support/reference-model.ts";
import { visible } from "./held-rows.ts";
import { require, requireEqual, requireSameMap } from "./oracle-failure.ts";
import type { HeldRun } from "./run-reads.ts";
import type { SimHistory } from "./sim-history.ts";

/** Heights of generations that have ended at which the model is asked. */
const ENDED_LOOKS = 3;

export function requireModel(
	held: HeldRun,
	{ history, random }: { readonly history: SimHistory; readonly random: Random },
): void {
	const { model } = history;
	require("model", held.head.hash === model.head.hash, () => `the head is ${held.head.hash}`);
	const isGeneration = held.generation === BigInt(model.ended.length);
	require("model", isGeneration, () => `generation ${held.generation} of ${model.ended.length}`);
	requireFates(held, history);
	requireBelief(held, model.history, { height: model.pending, generation: held.generation });
	for (let look = 0; look < ENDED_LOOKS && model.ended.length > 0; look += 1) {
		const index = random.between(0, model.ended.length - 1);
		const ended = model.ended[index];
		if (ended === undefined) continue;
		const height = BigInt(random.between(0, Number(ended.head.number)));
		requireBelief(held, ended.history, { height, generation: BigInt(index) });
	}
	const { reports } = model;
	const isCount = reports.length === held.reports.length;
	require("model", isCount, () => `${held.reports.length} reports of ${reports.length} rollbacks`);
	for (const [index, expected] of reports.entries()) {
		requireReport(held.reports[index] ?? "{}", expected, index);
	}
}

function requireFates({ operations }: HeldRun, { model }: SimHistory): void {
	const { fates } = model;
	for (const { operationId, status, effectiveSlot, suspect } of operations) {
		if (status === "refused" || status === "queued") {
			const isUnborn = !fates.has(operationId);
			require("model", isUnborn, () => `operation ${operationId} is ${status}, and was admitted`);
			continue;
		}
		const fate = fates.get(operationId);
		const now = { status, slot: effectiveSlot, suspect };
		requireEqual("model", now, fate, `fate of operation ${operationId}`);
	}
}

interface Seen {
	readonly hash: string;
	readonly since: bigint;
	readonly suspect: boolean;
	readonly grounds: Happening["grounds"];
}

function requireBelief(
	held: HeldRun,
	history: History,
	at: { readonly height: Height; readonly generation: Generation },
): void {
	const expected = new Map(
		allVisibleIn(history, at.height).map((each): [string, Seen] => {
			const { slot: since, suspect, grounds } = each;
			return [nameOf(each), { hash: hashOf(each, each.owner, each.says), since, suspect, grounds }];
		}),
	);
	const rows = visible(held.versions, at);
	const actual = new Map(
		rows.map((version): [string, Seen] => {
			const { contentHash: hash, fromBlock: since, suspect } = version;
			const name = nameOf(version);
			const isLost = expected.get(name)?.grounds === "lost";
			const grounds = isLost ? "lost" : (version.grounds ?? "none");
			return [name, { hash, since, suspect, grounds }];
		}),
	);
	const isOnce = actual.size === rows.length;
	require("model", isOnce, () => `a memory is there twice at ${at.height} in ${at.generation}`);
	requireSameMap("model", actual, expected, `height ${at.height}, generation ${at.generation}`);
}

const LISTS = [
	"suspended",
	"reinstated",
	"replayed",
	"withdrawn",
	"flagged",
	"cleared",
	"actions",
] as const;

type StoredReport = {
	readonly [List in (typeof LISTS)[number]]?: readonly { readonly operationId: string }[];
} & { readonly recanted?: readonly { readonly namespace: string; readonly id: string }[] };

function requireReport(json: string, expected: ModelReport, index: number): void {
	const said = JSON.parse(json) as StoredReport;
	for (const list of LISTS) {
		const names = (said[list] ?? []).map(({ operationId }) => operationId).sort();
		requireEqual("model", names, [...expected[list]].sort(), `${list} of report ${index}`);
	}
	const recanted = (said.recanted ?? [])
		.map(nameOf)
		.filter((name) => !expected.over.includes(name));
	requireEqual("model", recanted.sort(), [...expected.recanted].sort(), `recanted, ${index}`);
}
