/** The one kind of task that a rollback is split into: texts to embed, by a model. Pure. */
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Embedder } from "../vectors/embedder.ts";

export interface TaskSizes {
	/** Texts below which they are left to the embedder of the process that needs them. */
	readonly leastTexts: number;
	/** Texts, and characters, of one task. */
	readonly texts: number;
	readonly characters: number;
}

/**
 * A task costs about 5 ms of Postgres and is 8 requests of a usual endpoint, 50 to 100 ms of one process. So
 * four processes have work enough from some thousand texts on; below that one process needs no tenth of a second.
 */
export const TASK_SIZES: TaskSizes = { leastTexts: 1_024, texts: 256, characters: 1_000_000 };

export interface EmbeddingTask {
	/** As `modelOf` names it. */
	readonly model: string;
	readonly texts: readonly string[];
}

/** One model may give several dimensions. */
export function modelOf({ model, dimensions }: Embedder): string {
	return `${model}@${dimensions}`;
}

/** At most LIMITS.rollbackTasks bodies: of very many texts each takes more. */
export function splitTexts(
	texts: readonly string[],
	model: string,
	sizes: TaskSizes,
): readonly string[] {
	const most = Math.max(sizes.texts, Math.ceil(texts.length / LIMITS.rollbackTasks));
	const total = texts.reduce((sum, text) => sum + text.length, 0);
	// Twice the even share: a task that is full of characters may leave room for texts, and the other way round.
	const room = Math.max(sizes.characters, Math.ceil((2 * total) / LIMITS.rollbackTasks));
	const tasks: string[][] = [];
	let characters = 0;
	for (const text of texts) {
		const last = tasks.at(-1);
		if (last === undefined || last.length >= most || characters + text.length > room) {
			tasks.push([text]);
			characters = text.length;
		} else {
			last.push(text);
			characters += text.length;
		}
	}
	return tasks.map((each) => JSON.stringify({ model, texts: each } satisfies EmbeddingTask));
}

/** Throws `FatalError("internal")` for what no version of ours wrote. */
export function readEmbeddingTask(body: string): EmbeddingTask {
	const task: unknown = JSON.parse(body);
	if (typeof task === "object" && task !== null && "model" in task && "texts" in task) {
		const { model, texts } = task;
		if (typeof model === "string" && Array.isArray(texts) && texts.every(isText)) {
			return { model, texts };
		}
	}
	throw new FatalError("internal", {
		message: "a rollback's task does not say what is to be embedded",
		hint: "processes of different versions may share the database; bring all to the same",
	});
}

function isText(value: unknown): value is string {
	return typeof value === "string";
}
