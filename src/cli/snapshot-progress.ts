/** Progress of snapshots: of the service's work, and of files on their way. */
import type { SnapshotAnswer } from "../client/answers.ts";
import { bar, durationOf, type ProgressLine, sizeOf } from "./progress-bar.ts";

export function showSnapshot(line: ProgressLine, { id, state, progress }: SnapshotAnswer): void {
	if (progress === undefined) return;
	const { phase, done, total, storedBytes, ratePerS, etaMs } = progress;
	const count =
		phase === "write" ? `${done}/${total} memories` : `${sizeOf(done)}/${sizeOf(total)}`;
	const parts = [
		count,
		...(storedBytes > 0 ? [sizeOf(storedBytes)] : []),
		...(ratePerS === undefined ? [] : [rateOf(phase, ratePerS)]),
		...(etaMs === undefined ? [] : [`${durationOf(etaMs)} left`]),
	];
	line.show(
		`${id} ${state} ${phase}`,
		`${phase.padEnd(8)} ${bar(done, total)} ${parts.join(", ")}`,
	);
}

function rateOf(phase: "write" | "verify", ratePerS: number): string {
	return phase === "write" ? `${ratePerS}/s` : `${sizeOf(ratePerS)}/s`;
}

/** Bytes that were carried, of how many. */
export class TransferProgress {
	readonly #line: ProgressLine;
	readonly #step: string;
	readonly #total: number;
	readonly #beganMs = performance.now();
	#done = 0;
	#moved = 0;

	constructor(line: ProgressLine, step: string, total: number) {
		this.#line = line;
		this.#step = step;
		this.#total = total;
	}

	get moved(): number {
		return this.#moved;
	}

	/** `moved`: false for what was there already. */
	went(bytes: number, moved: boolean): void {
		this.#done += bytes;
		if (moved) this.#moved += bytes;
		const seconds = (performance.now() - this.#beganMs) / 1_000;
		const ratePerS = this.#moved / Math.max(seconds, 0.001);
		const leftMs = ratePerS === 0 ? 0 : ((this.#total - this.#done) / ratePerS) * 1_000;
		this.#line.show(
			this.#step,
			`${this.#step.padEnd(8)} ${bar(this.#done, this.#total)} ${sizeOf(this.#done)}/${sizeOf(this.#total)}, ${sizeOf(ratePerS)}/s, ${durationOf(leftMs)} left`,
		);
	}
}
