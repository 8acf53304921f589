/**
 * What the agent writes down, and what must become of it. The fates follow from the story alone: the
 * check holds Recant's answers against them.
 */
import type { RecantClient } from "../../src/client/client.ts";
import type { AnchorInput, PutInput } from "../../src/client/requests.ts";
import { ToolError } from "../support/tool-error.ts";
import { CHAIN } from "./instance.ts";

export interface Note {
	readonly id: string;
	readonly text: string;
	readonly anchoredTo: "nothing" | "transaction" | "block";
	/** Head at which it is written; it takes effect one higher. */
	readonly writtenAt: number;
	/** Height at which it holds in the end; undefined: it stays suspended. */
	readonly holdsFrom: number | undefined;
}

/** In the order in which they are written. */
export const NOTES = [
	{
		id: "house-rule",
		text: "House rule: report every payment above 100",
		anchoredTo: "nothing",
		writtenAt: 5,
		holdsFrom: 6,
	},
	{
		id: "invoice",
		text: "The invoice is settled: Alice paid Bob 200",
		anchoredTo: "transaction",
		writtenAt: 7,
		// Its payment is in block 9 of the other branch.
		holdsFrom: 9,
	},
	{
		id: "plan",
		text: "Plan: chase the open loans on Friday",
		anchoredTo: "nothing",
		writtenAt: 8,
		holdsFrom: 9,
	},
	{
		id: "loan",
		text: "The loan arrived: Bob lent Carol 150",
		anchoredTo: "transaction",
		writtenAt: 8,
		holdsFrom: 14,
	},
	{
		id: "rent",
		text: "Carol paid her rent of 90 to Dave",
		anchoredTo: "transaction",
		writtenAt: 9,
		holdsFrom: undefined,
	},
	{
		id: "audit",
		text: "Audit at block 10: Dave holds 170",
		anchoredTo: "block",
		writtenAt: 10,
		holdsFrom: undefined,
	},
	{
		id: "reminder",
		text: "Reminder: send Erin a welcome letter",
		anchoredTo: "nothing",
		writtenAt: 11,
		holdsFrom: 12,
	},
] as const satisfies readonly Note[];

/** Notes that are in effect at `height` and were not at the height before, in log order. */
export function notesFrom(height: number): readonly Note[] {
	return NOTES.filter((note) => note.holdsFrom === height);
}

/** Writes a note and waits for its commit; answers the operation's id. */
export async function writeNote(
	client: RecantClient,
	{ id, text }: Note,
	anchor: AnchorInput | undefined,
): Promise<string> {
	const put: PutInput = {
		op: "put",
		id,
		layer: "long_term",
		content: { note: text },
		text,
		anchor,
	};
	const { committed, operations } = await client.write(CHAIN, put);
	const [operation] = operations;
	if (committed && operation?.status === "applied") return operation.operationId;
	throw new ToolError("demo_failed", {
		message: `the note ${id} was not committed: ${JSON.stringify(operation)}`,
		hint: "the reason is in the message",
	});
}

/** What has become of the notes otherwise than the story says: one line each. */
export async function strayNotes(
	client: RecantClient,
	operations: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
	const strays = NOTES.map(async ({ id, holdsFrom }) => {
		const operation = await client.operation(CHAIN, operations.get(id) ?? "");
		const is = fateOf(operation.status, operation.effectiveSlot);
		const must = fateOf(holdsFrom === undefined ? "suspended" : "applied", holdsFrom?.toString());
		return is === must ? [] : [`note ${id}: it is ${is}, and must be ${must}`];
	});
	return (await Promise.all(strays)).flat();
}

function fateOf(status: string, slot: string | undefined): string {
	return slot === undefined ? status : `${status} from block ${slot}`;
}
