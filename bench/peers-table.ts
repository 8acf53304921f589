/** The table of targets: what each side reached, their ratio, and whether the target is met. */
import { type Figure, figure, median, type Row, type Table, type Unit } from "./figures.ts";

/** One side's repetitions of one measurement. */
export interface Samples {
	readonly values: readonly number[];
	/** Why each repetition that did not come to the right state failed. */
	readonly failures: readonly string[];
}

export interface Comparison {
	readonly what: string;
	readonly unit: Unit;
	readonly recant: Samples;
	/** Undefined: the target is one of its own. */
	readonly peer: { readonly name: string; readonly samples: Samples } | undefined;
	/** Undefined: it is only stated. */
	readonly target: Target | undefined;
}

/** A bound of the ratio of medians, or of Recant's own median where there is no peer. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

export interface ComparedRow {
	readonly row: Row;
	/** Undefined: nothing is aimed at, or it was not measured. */
	readonly met: boolean | undefined;
}

/** What a part of the section measures. */
export interface Part {
	readonly comparisons: readonly Comparison[];
	/** What is seen beside: where the time goes. */
	readonly tables: readonly Table[];
}

export class SampleList implements Samples {
	readonly values: number[] = [];
	readonly failures: string[] = [];
}

export function compared(comparison: Comparison): ComparedRow {
	const { what, unit, recant, peer, target } = comparison;
	const reached =
		peer === undefined
			? median(recant.values)
			: median(recant.values) / median(peer.samples.values);
	const met = verdict(comparison, reached);
	return {
		met,
		row: {
			what,
			target: shownTarget(comparison),
			Recant: shownSamples(unit, recant),
			peer: peer === undefined ? "–" : shownSamples(unit, peer.samples),
			"its name": peer?.name ?? "–",
			ratio:
				peer === undefined || Number.isNaN(reached) ? "–" : Math.round(reached * 1_000) / 1_000,
			met:
				met === undefined
					? target === undefined
						? "stated"
						: "not measured"
					: met
						? "met"
						: "NOT MET",
			failed: shownFailures(recant, peer),
		},
	};
}

/** A figure of Recant's own, which was measured as a ratio. */
export function comparedAlone(what: string, reached: Figure, target: Target): ComparedRow {
	const met = holds(target, reached.median);
	const row = {
		what,
		target: shownBound(target, reached.unit),
		Recant: reached,
		peer: "–",
		"its name": "–",
		ratio: "–",
		met: shownVerdict(met, target),
		failed: "",
	};
	return { met, row };
}

/** On one line, as soon as it is known. */
export function inShort(row: Row): string {
	const shown = (cell: Row[string] | undefined) =>
		typeof cell === "object" ? `${Math.round(cell.median * 100) / 100} ${cell.unit}` : `${cell}`;
	const { what, target, Recant, peer, ratio, met, failed } = row;
	return `${what}: ${shown(Recant)} beside ${shown(peer)}, ratio ${ratio}, target ${target}, ${met} ${failed}`;
}

function shownVerdict(met: boolean | undefined, target: Target | undefined): string {
	if (met === undefined) return target === undefined ? "stated" : "not measured";
	return met ? "met" : "NOT MET";
}

function holds(target: Target, reached: number): boolean {
	return "atLeast" in target ? reached >= target.atLeast : reached <= target.atMost;
}

/** A side that never came to the right state has no figure: Recant fails then, and a peer is passed. */
function verdict({ recant, peer, target }: Comparison, reached: number): boolean | undefined {
	if (target === undefined) return undefined;
	if (recant.failures.length > 0) return false;
	if (recant.values.length === 0) return undefined;
	if (peer !== undefined && peer.samples.values.length === 0) {
		return peer.samples.failures.length > 0 ? true : undefined;
	}
	return holds(target, reached);
}

function shownTarget({ target, peer, unit }: Comparison): string {
	if (target === undefined) return "stated";
	return shownBound(target, peer === undefined ? unit : "×");
}

function shownBound(target: Target, unit: string): string {
	return "atLeast" in target ? `≥ ${target.atLeast} ${unit}` : `≤ ${target.atMost} ${unit}`;
}

function shownSamples(unit: Unit, { values, failures }: Samples): string | Figure {
	if (values.length > 0) return figure(unit, values);
	return failures.length > 0 ? "never right" : "not measured";
}

function shownFailures(recant: Samples, peer: Comparison["peer"]): string {
	const of = (name: string, { values, failures }: Samples) =>
		failures.length === 0
			? []
			: [`${name} ${failures.length} of ${values.length + failures.length}`];
	return [...of("Recant", recant), ...(peer === undefined ? [] : of(peer.name, peer.samples))].join(
		", ",
	);
}

/** Why repetitions failed, each reason once, with its measurement. */
export function failureNotes(comparisons: readonly Comparison[]): readonly string[] {
	return comparisons.flatMap(({ what, recant, peer }) => [
		...[...new Set(recant.failures)].map((why) => `Recant failed in "${what}": ${why}`),
		...[...new Set(peer?.samples.failures)].map(
			(why) => `${peer?.name} failed in "${what}": ${why}`,
		),
	]);
}
