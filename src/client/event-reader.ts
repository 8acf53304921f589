/** Reads server-sent events from a response. */
import type { EventAnswer } from "./answers.ts";
import { problemError } from "./api-error.ts";

export interface ReceivedEvent {
	/** Resumes after this event; undefined when the stream has not said one yet. */
	readonly id: string | undefined;
	readonly event: EventAnswer;
}

/** Characters of one event: far above a log entry's; a stream without line ends is not ours. */
const MAX_EVENT_CHARACTERS = 8 * 1_024 * 1_024;

/** Throws RecantApiError for the problem that a failing stream ends with. */
export async function* readEvents(response: Response): AsyncGenerator<ReceivedEvent, void, void> {
	let id: string | undefined;
	for await (const block of blocksOf(response)) {
		const fields = fieldsOf(block);
		id = fields.get("id") ?? id;
		const data = fields.get("data");
		if (data === undefined) continue;
		const value: unknown = JSON.parse(data);
		if (fields.get("event") === "problem") throw problemError(response.url, 200, value);
		// Made by the service's event-stream.ts.
		yield { id, event: value as EventAnswer };
	}
}

/** Blocks between blank lines. */
async function* blocksOf(response: Response): AsyncGenerator<string, void, void> {
	if (response.body === null) return;
	let buffered = "";
	for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
		const parts = (buffered + text).split("\n\n");
		buffered = parts.pop() ?? "";
		if (buffered.length > MAX_EVENT_CHARACTERS) throw problemError(response.url, 200, undefined);
		yield* parts;
	}
}

/** `field: value` lines; comments begin with a colon and are left out. */
function fieldsOf(block: string): Map<string, string> {
	const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
	return new Map(
		lines.map((line): [string, string] => {
			const colon = line.indexOf(":");
			if (colon < 0) return [line, ""];
			return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
		}),
	);
}
