/** A rollback's progress, in one line. */
import type { RollbackAnswer } from "../client/answers.ts";
import { bar, durationOf, progressLine } from "./progress-bar.ts";
import type { Terminal } from "./terminal.ts";

/** Its stage, items, rate and time left. */
export function stepOf({ stage, state, progress }: RollbackAnswer): string {
	return `${stage ?? state} ${amountOf(progress)}`;
}

function amountOf({ done, total, ratePerSecond, etaMs }: RollbackAnswer["progress"]): string {
	const rate = ratePerSecond === undefined ? "" : `, ${rateOf(ratePerSecond)}/s`;
	const eta = etaMs === undefined ? "" : `, ${durationOf(etaMs)} left`;
	return `${done}/${total}${rate}${eta}`;
}

/** What a rollback is at. */
function lineOf(rollback: RollbackAnswer): string {
	const { stage, state, progress, attempt, paused } = rollback;
	const again = attempt > 1 ? `, attempt ${attempt}` : "";
	const held = paused ? ", paused" : "";
	const { done, total } = progress;
	return `${(stage ?? state).padEnd(8)} ${bar(done, total)} ${amountOf(progress)}${again}${held}`;
}

/** Three figures at least, and no more than are needed. */
export function rateOf(perSecond: number): string {
	return perSecond >= 100 ? Math.round(perSecond).toString() : perSecond.toPrecision(3);
}

export interface ProgressView {
	show(rollback: RollbackAnswer): void;
	/** Takes the line away. */
	clear(): void;
}

export function progressView(terminal: Terminal): ProgressView {
	const line = progressLine(terminal);
	return {
		show: (rollback) => {
			const step = `${rollback.id} ${rollback.stage ?? rollback.state} ${rollback.attempt} ${rollback.paused}`;
			line.show(step, lineOf(rollback));
		},
		clear: () => line.clear(),
	};
}
