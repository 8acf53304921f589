/** The demo's tables of balances, notes and answers. */
import type { RecantClient } from "../../src/client/client.ts";
import type { Balances } from "./balances.ts";
import { PEOPLE } from "./cast.ts";
import { CHAIN } from "./instance.ts";
import type { Narrator, Tone } from "./narrator.ts";
import type { Note } from "./notes.ts";
import type { OutcomeRow } from "./outcome.ts";

const TONES = {
	recanted: "red",
	suspended: "yellow",
	reinstated: "green",
	replayed: "green",
	"derived anew": "cyan",
} as const satisfies Record<OutcomeRow[0], Tone>;

/** The best result of a search. */
export interface Answer {
	readonly id: string;
	readonly text: string;
	/** Of its vector with the question's. */
	readonly similarity: number;
}

/** Asks for the agent's own notes. */
export async function ask(client: RecantClient, question: string, at: string): Promise<Answer> {
	const search = { text: question, at, namespace: "default", k: 1 };
	const [best] = (await client.search(CHAIN, search)).results;
	const { memory, similarity = 0 } = best ?? {};
	return { id: memory?.id ?? "-", text: memory?.text ?? "-", similarity };
}

export function answerLine({ id, text, similarity }: Answer): string {
	return `best answer: ${id}, “${text}”, similarity ${similarity.toFixed(2)}`;
}

export function answerTable(
	narrator: Narrator,
	answers: readonly (readonly [when: string, answer: Answer])[],
): void {
	narrator.table(
		[{ head: "asked" }, { head: "best answer" }, { head: "similarity", align: "right" }],
		answers.map(([when, { id, text, similarity }]) => [
			when,
			`${id}: “${text}”`,
			similarity.toFixed(2),
		]),
	);
}

export function noteTable(narrator: Narrator, notes: readonly Note[]): void {
	narrator.table(
		[{ head: "note" }, { head: "says" }, { head: "holds from" }, { head: "anchored to" }],
		notes.map((note) => [note.id, note.text, `block ${note.writtenAt + 1}`, anchorOf(note)]),
	);
}

function anchorOf({ anchoredTo, writtenAt }: Note): string {
	switch (anchoredTo) {
		case "nothing":
			return "nothing";
		case "block":
			return `block ${writtenAt}`;
		case "transaction":
			return `transaction in block ${writtenAt}`;
	}
}

export function outcomeTable(narrator: Narrator, rows: readonly OutcomeRow[]): void {
	narrator.table(
		[{ head: "outcome" }, { head: "count", align: "right" }, { head: "what" }],
		rows.map(([outcome, count, what]) => [
			narrator.paint(TONES[outcome], outcome),
			narrator.paint("bold", count),
			what,
		]),
	);
}

/** A row for each person, a column for each moment. */
export function balanceTable(
	narrator: Narrator,
	moments: readonly (readonly [when: string, balances: Balances])[],
): void {
	narrator.table(
		[{ head: "balance of" }, ...moments.map(([when]) => ({ head: when, align: "right" }) as const)],
		PEOPLE.map((name) => [name, ...moments.map(([, balances]) => balances.get(name) ?? "-")]),
	);
}
