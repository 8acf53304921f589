import { onTestFinished, TestRunner } from "vitest";

/**
 * Runs `end` when the running test is over, and tells it whether the test passed. Outside of a test,
 * as in `beforeAll`, nothing is registered: whoever started the thing there ends it in `afterAll`.
 */
export function atTestEnd(end: (passed: boolean) => void | Promise<void>): void {
	// Typed as if there always were one.
	const running: unknown = TestRunner.getCurrentTest();
	if (running === undefined) return;
	onTestFinished(({ task }) => end(task.result?.state === "pass"));
}
