/** A rollback's progress: one line that is redrawn on a terminal, a line for each stage in a pipe. */
import type { RollbackAnswer } from "../client/answers.ts";
import { printLine, type Terminal, widthOf } from "./terminal.ts";

const BAR_WIDTH = 24;

/** What a rollback is at, in one line. */
function progressLine(rollback: RollbackAnswer): string {
	const { stage, state, progress, attempt } = rollback;
	const { done, total, etaMs } = progress;
	const share = total === 0 ? 0 : Math.min(1, done / total);
	const filled = Math.round(share * BAR_WIDTH);
	const bar = `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
	const eta = etaMs === undefined ? "" : `, ${durationOf(etaMs)} left`;
	const again = attempt > 1 ? `, attempt ${attempt}` : "";
	return `${(stage ?? state).padEnd(8)} ${bar} ${done}/${total}${eta}${again}`;
}

/** Milliseconds for people. */
export function durationOf(ms: number): string {
	if (ms < 1_000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
	return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

export interface ProgressView {
	show(rollback: RollbackAnswer): void;
	/** Takes the line away. */
	clear(): void;
}

export function progressView(terminal: Terminal): ProgressView {
	return terminal.stdout.isTTY === true ? redrawn(terminal) : appended(terminal);
}

function redrawn({ stdout }: Terminal): ProgressView {
	// To the line's begin, and clear it.
	const clear = () => void stdout.write("\r\u001b[K");
	return {
		show(rollback) {
			clear();
			stdout.write(progressLine(rollback).slice(0, widthOf(stdout) - 1));
		},
		clear,
	};
}

function appended(terminal: Terminal): ProgressView {
	let shown: string | undefined;
	return {
		show(rollback) {
			const step = `${rollback.id} ${rollback.stage ?? rollback.state} ${rollback.attempt}`;
			if (step === shown) return;
			shown = step;
			printLine(terminal, progressLine(rollback));
		},
		clear: () => undefined,
	};
}
