/** Progress of work that takes a while: one line that is redrawn on a terminal, a line a step in a pipe. */
import { printLine, type Terminal, widthOf } from "./terminal.ts";

const BAR_WIDTH = 24;

export function bar(done: number, total: number): string {
	const share = total === 0 ? 0 : Math.min(1, done / total);
	const filled = Math.round(share * BAR_WIDTH);
	return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
}

/** Milliseconds for people. */
export function durationOf(ms: number): string {
	if (ms < 1_000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
	return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

/** Bytes for people. */
export function sizeOf(bytes: number): string {
	if (bytes < 1_024) return `${bytes} B`;
	if (bytes < 1_048_576) return `${(bytes / 1_024).toFixed(1)} KiB`;
	return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

export interface ProgressLine {
	/** `step`: what the line is about; in a pipe the next line comes with the next step. */
	show(step: string, text: string): void;
	/** Takes the line away. */
	clear(): void;
}

export function progressLine(terminal: Terminal): ProgressLine {
	return terminal.stdout.isTTY === true ? redrawn(terminal) : appended(terminal);
}

function redrawn({ stdout }: Terminal): ProgressLine {
	// To the line's begin, and clear it.
	const clear = () => void stdout.write("\r\u001b[K");
	return {
		show(_step, text) {
			clear();
			stdout.write(text.slice(0, widthOf(stdout) - 1));
		},
		clear,
	};
}

function appended(terminal: Terminal): ProgressLine {
	let shown: string | undefined;
	return {
		show(step, text) {
			if (step === shown) return;
			shown = step;
			printLine(terminal, text);
		},
		clear: () => undefined,
	};
}
