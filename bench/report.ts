/** How results are shown to people; the JSON holds the same, unrounded. */
import CliTable from "cli-table3";
import type { Figure, Row, Table } from "./figures.ts";
import type { Machine } from "./machine.ts";
import type { SectionResult } from "./section.ts";

export function printMachine(machine: Machine): void {
	for (const [name, value] of Object.entries(machine)) {
		if (typeof value === "object") {
			const parts = Object.entries(value).map(([part, version]) => `${part} ${version}`);
			console.log(`${name}: ${parts.join(", ")}`);
		} else console.log(`${name}: ${value}`);
	}
}

export function printSection(result: SectionResult): void {
	console.log(`\n## ${result.section}: ${result.title}`);
	const settings = Object.entries(result.settings).map(([name, value]) => `${name} ${value}`);
	console.log(settings.join(", "));
	for (const table of result.tables) printTable(table);
}

function printTable({ title, rows, notes }: Table): void {
	const columns = Object.keys(rows[0] ?? {});
	console.log(`\n${title}`);
	const drawn = new CliTable({ head: columns, style: { head: [], border: [], compact: true } });
	for (const row of rows) drawn.push(columns.map((column) => shown(row[column])));
	console.log(drawn.toString());
	for (const note of notes) console.log(`  ${note}`);
}

function shown(cell: Row[string] | undefined): string {
	if (cell === undefined) return "";
	if (typeof cell === "string") return cell;
	if (typeof cell === "number") return rounded(cell);
	return withSpread(cell);
}

function withSpread({ unit, median, min, max, repetitions }: Figure): string {
	const spread = repetitions < 2 ? "" : ` (${rounded(min)}–${rounded(max)}, n ${repetitions})`;
	return `${rounded(median)} ${unit}${spread}`;
}

/** Three figures that mean something. */
function rounded(value: number): string {
	if (!Number.isFinite(value)) return "–";
	if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
	const digits = value.toPrecision(3);
	return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
