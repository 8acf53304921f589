/** How texts are split into tasks: nothing lost, and bounded in number and size. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { readEmbeddingTask, splitTexts } from "../../src/rollback/embedding-task.ts";

const SIZES = { leastTexts: 1, texts: 4, characters: 30 };

test("tasks hold all texts in their order, whatever their number and length", () => {
	const texts = fc.array(fc.string({ maxLength: 40, unit: "grapheme" }), { maxLength: 2_000 });
	fc.assert(
		fc.property(texts, (given) => {
			const tasks = splitTexts(given, "m@2", SIZES).map(readEmbeddingTask);
			expect(tasks.flatMap((task) => task.texts)).toEqual(given);
			expect(tasks.length).toBeLessThanOrEqual(2 * LIMITS.rollbackTasks);
			for (const task of tasks) expect(task.model).toBe("m@2");
		}),
	);
});

test("a task holds no more texts and characters than it may while there are few", () => {
	const tasks = splitTexts(
		Array.from({ length: 40 }, (_, index) => "x".repeat(index % 12)),
		"m@2",
		SIZES,
	).map(readEmbeddingTask);
	expect(tasks.length).toBeGreaterThan(9);
	for (const { texts } of tasks) {
		expect(texts.length).toBeLessThanOrEqual(SIZES.texts);
		expect(texts.join("").length).toBeLessThanOrEqual(SIZES.characters);
	}
});

test("very many texts make larger tasks, not more", () => {
	const texts = Array.from({ length: LIMITS.rollbackTasks * 10 }, (_, index) => `${index}`);
	expect(splitTexts(texts, "m@2", SIZES).length).toBeLessThanOrEqual(LIMITS.rollbackTasks);
});

test("a body of something else is refused", () => {
	expect(() => readEmbeddingTask('{"model":"m@2","texts":[1]}')).toThrow(/what is to be embedded/);
	expect(() => readEmbeddingTask('{"texts":["a"]}')).toThrow(/what is to be embedded/);
});
