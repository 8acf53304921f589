/** Where the CLI writes, and how it looks there. */
import { styleText } from "node:util";
import Table from "cli-table3";

/** A stream to write to; process.stdout is one. */
export interface TerminalStream {
	readonly isTTY?: boolean | undefined;
	readonly columns?: number | undefined;
	write(text: string): unknown;
}

export interface Terminal {
	readonly stdout: TerminalStream;
	readonly stderr: TerminalStream;
	readonly noColor: boolean;
}

/** Narrower than this, a column of contents says nothing. */
const MIN_LAST_COLUMN = 16;
const FALLBACK_WIDTH = 100;

type Colour = "red" | "green" | "yellow" | "bold" | "dim";

/** Coloured on a terminal, plain in a pipe and with NO_COLOR. */
export function paint({ stdout, noColor }: Terminal, colour: Colour, text: string): string {
	if (stdout.isTTY !== true || noColor) return text;
	return styleText(colour, text, { validateStream: false });
}

export function printLine({ stdout }: Terminal, text: string): void {
	stdout.write(`${text}\n`);
}

/** One JSON document. */
export function printJson({ stdout }: Terminal, value: unknown): void {
	stdout.write(`${JSON.stringify(value, undefined, "\t")}\n`);
}

/**
 * What memories hold is written by others: control characters would move the cursor or recolour the
 * terminal, so they are shown escaped.
 */
export function printable(text: string): string {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
	return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
		return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
	});
}

/**
 * A table for people. On a terminal the last column is cut to the width, and where that leaves it too
 * little, hashes and addresses in the others are shortened; in a pipe everything is whole. Cells must be `printable` where others wrote them; colours are kept.
 */
export function printTable(
	terminal: Terminal,
	head: readonly string[],
	rows: readonly (readonly string[])[],
): void {
	const left = roomForLast(terminal, head, rows);
	const fitting = left < MIN_LAST_COLUMN ? rows.map(shortenedBeforeLast) : rows;
	const table = new Table({
		head: head.map((title) => paint(terminal, "bold", title)),
		// The library colours heads and borders by itself, on pipes as well.
		style: { head: [], border: [], compact: true },
		colWidths: columnWidths(terminal, head, fitting),
	});
	table.push(...fitting.map((row) => [...row]));
	printLine(terminal, table.toString());
}

/** Widths of all columns if the last one must be cut; none: as wide as the contents. */
function columnWidths(
	terminal: Terminal,
	head: readonly string[],
	rows: readonly (readonly string[])[],
): (number | null)[] {
	const widths = contentWidths(head, rows);
	const left = roomForLast(terminal, head, rows);
	const last = widths.at(-1) ?? 0;
	return last <= left ? [] : [...widths.slice(0, -1), Math.max(MIN_LAST_COLUMN, left)];
}

/** Characters that the other columns leave to the last one, its padding included. */
function roomForLast(
	{ stdout }: Terminal,
	head: readonly string[],
	rows: readonly (readonly string[])[],
): number {
	if (stdout.isTTY !== true) return Number.POSITIVE_INFINITY;
	const borders = head.length + 1;
	const before = contentWidths(head, rows).slice(0, -1);
	return widthOf(stdout) - borders - before.reduce((sum, width) => sum + width, 0);
}

function contentWidths(
	head: readonly string[],
	rows: readonly (readonly string[])[],
): readonly number[] {
	const padding = 2;
	return head.map(
		(title, column) =>
			padding + Math.max(...[title, ...rows.map((row) => row[column] ?? "")].map(visibleLength)),
	);
}

/** `0x` and six digits tell a handful of hashes apart. */
function shortenedBeforeLast(row: readonly string[]): readonly string[] {
	return row.map((cell, column) =>
		column === row.length - 1 ? cell : cell.replaceAll(/\b(0x[0-9a-f]{6})[0-9a-f]{34,}/g, "$1…"),
	);
}

/** Characters of a line; a terminal that does not know its width says 0. */
export function widthOf({ columns }: TerminalStream): number {
	return columns !== undefined && columns > 0 ? columns : FALLBACK_WIDTH;
}

function visibleLength(text: string): number {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no room
	return text.replaceAll(/\u001b\[[0-9;]*m/g, "").length;
}
