import { ToolError } from "./tool-error.ts";

/**
 * Runs a script's work. A ToolError becomes two lines on stderr and exit code 1; anything else is a
 * defect of the script and keeps its stack.
 */
export async function reportToolError(work: () => void | Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		if (!(error instanceof ToolError)) throw error;
		console.error(`${error.code}: ${error.message}\nhint: ${error.hint}`);
		process.exitCode = 1;
	}
}
