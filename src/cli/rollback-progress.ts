/** A rollback's progress, in one line. */
import type { RollbackAnswer } from "../client/answers.ts";
import { bar, durationOf, progressLine } from "./progress-bar.ts";
import type { Terminal } from "./terminal.ts";

/** What a rollback is at. */
function lineOf(rollback: RollbackAnswer): string {
	const { stage, state, progress, attempt } = rollback;
	const { done, total, etaMs } = progress;
	const eta = etaMs === undefined ? "" : `, ${durationOf(etaMs)} left`;
	const again = attempt > 1 ? `, attempt ${attempt}` : "";
	return `${(stage ?? state).padEnd(8)} ${bar(done, total)} ${done}/${total}${eta}${again}`;
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
			const step = `${rollback.id} ${rollback.stage ?? rollback.state} ${rollback.attempt}`;
			line.show(step, lineOf(rollback));
		},
		clear: () => line.clear(),
	};
}
