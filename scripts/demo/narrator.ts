/** How the demo tells its story: live on a terminal, in plain lines in a pipe. */
import { stripVTControlCharacters, styleText } from "node:util";
import Table from "cli-table3";
import { Listr, PRESET_TIMER } from "listr2";

/** Where it is written; process.stdout is one. */
export interface Output {
	write(text: string): unknown;
	/** Spinners and redrawn lines; only process.stdout can have them. */
	readonly live: boolean;
	readonly colour: boolean;
}

/** Live on a terminal; coloured there too, unless NO_COLOR says otherwise. */
export function standardOutput(): Output {
	const { stdout, env } = process;
	const terminal = stdout.isTTY && env["TERM"] !== "dumb" && !isSet(env["CI"]);
	return {
		write: (text) => stdout.write(text),
		live: terminal,
		colour: terminal && !isSet(env["NO_COLOR"]),
	};
}

function isSet(value: string | undefined): boolean {
	return value !== undefined && value !== "";
}

export type Tone = "bold" | "dim" | "green" | "red" | "yellow" | "cyan";

/** Something that goes on by itself after the step's work was begun. */
export interface Part {
	readonly name: string;
	/** What to say when it has ended. */
	readonly ended: () => Promise<string>;
}

export interface Column {
	readonly head: string;
	readonly align?: "left" | "right";
}

const INDENT = "    ";
const SHOW_CURSOR = "\u001b[?25h";
const NO_BORDERS = Object.fromEntries(
	[
		...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"],
		...["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
	].map((name) => [name, ""]),
);

export class Narrator {
	readonly #output: Output;
	readonly #steps: number;
	#step = 0;

	/** `steps`: how many there will be. */
	constructor(output: Output, steps: number) {
		this.#output = output;
		this.#steps = steps;
	}

	/** Runs one step and says so; its parts are waited for in their order. */
	async step<Result>(
		title: string,
		work: () => Promise<Result>,
		parts: readonly Part[] = [],
	): Promise<Result> {
		this.#step += 1;
		const numbered = `${this.#step}/${this.#steps}  ${title}`;
		this.#write("");
		return this.#output.live
			? this.#liveStep(numbered, work, parts)
			: this.#plainStep(numbered, work, parts);
	}

	/** Under the step's title. */
	line(text: string): void {
		this.#write(`${INDENT}${text}`);
	}

	table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
		const table = new Table({
			head: columns.map(({ head }) => this.paint("dim", head)),
			colAligns: columns.map(({ align }) => align ?? "left"),
			chars: NO_BORDERS,
			style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
		});
		table.push(...rows.map((row) => [...row]));
		for (const line of table.toString().split("\n")) this.line(line);
	}

	/** A line over the whole width, at the margin. */
	headline(text: string, tone: Tone): void {
		this.#write("");
		this.#write(this.paint(tone, text));
	}

	/** Leaves the terminal as it was, also in the middle of a step. */
	end(): void {
		if (this.#output.live) this.#output.write(SHOW_CURSOR);
	}

	paint(tone: Tone, text: string): string {
		return this.#output.colour ? styleText(tone, text, { validateStream: false }) : text;
	}

	async #plainStep<Result>(
		title: string,
		work: () => Promise<Result>,
		parts: readonly Part[],
	): Promise<Result> {
		this.#write(title);
		const result = await work();
		for (const part of parts) this.line(partLine(part, await part.ended()));
		return result;
	}

	async #liveStep<Result>(
		title: string,
		work: () => Promise<Result>,
		parts: readonly Part[],
	): Promise<Result> {
		const done = Promise.withResolvers<Result>();
		const subtasks = parts.map((part) => ({
			title: part.name,
			task: async (_: unknown, task: { title: string }) => {
				task.title = partLine(part, await part.ended());
			},
		}));
		await new Listr(
			[
				{
					title: this.paint("bold", title),
					rendererOptions: { timer: PRESET_TIMER },
					task: async (_, task) => {
						done.resolve(await work());
						return task.newListr(subtasks);
					},
				},
			],
			{
				registerSignalListeners: false,
				rendererOptions: { collapseSubtasks: false, showErrorMessage: false },
			},
		).run();
		return done.promise;
	}

	#write(line: string): void {
		// Tables are padded on the right.
		this.#output.write(`${trimmedEnd(line)}\n`);
	}
}

function partLine({ name }: Part, said: string): string {
	return `${name.padEnd(8)}${said}`;
}

function trimmedEnd(line: string): string {
	return stripVTControlCharacters(line) === line ? line.trimEnd() : line;
}
