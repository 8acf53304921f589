/** Samples as they are reported: median, least, most and how many; nothing is left out. */

export type Unit = "ms" | "µs" | "/s" | "%" | "×" | "bytes" | "MiB" | "count";

export interface Figure {
	readonly unit: Unit;
	readonly median: number;
	readonly min: number;
	readonly max: number;
	readonly repetitions: number;
}

/** A row by its columns' titles. */
export type Row = Readonly<Record<string, string | number | Figure>>;

export interface Table {
	readonly title: string;
	/** Rows of equal columns; the first row's order is the table's. */
	readonly rows: readonly Row[];
	/** What a reader must know to read it right. */
	readonly notes: readonly string[];
}

export function figure(unit: Unit, samples: readonly number[]): Figure {
	const sorted = samples.toSorted((a, b) => a - b);
	return {
		unit,
		median: percentile(sorted, 0.5),
		min: sorted[0] ?? Number.NaN,
		max: sorted.at(-1) ?? Number.NaN,
		repetitions: sorted.length,
	};
}

/** Of samples in rising order, between the two nearest; `share` in [0, 1]. */
export function percentile(sorted: readonly number[], share: number): number {
	const place = (sorted.length - 1) * share;
	const below = sorted[Math.floor(place)] ?? Number.NaN;
	const above = sorted[Math.ceil(place)] ?? Number.NaN;
	return below + (above - below) * (place - Math.floor(place));
}

export function median(samples: readonly number[]): number {
	return percentile(
		samples.toSorted((a, b) => a - b),
		0.5,
	);
}

/** Ratios of samples that were taken side by side, pair by pair. */
export function ratios(over: readonly number[], under: readonly number[]): readonly number[] {
	return over.flatMap((sample, index) => {
		const other = under[index];
		return other === undefined || other === 0 ? [] : [sample / other];
	});
}
