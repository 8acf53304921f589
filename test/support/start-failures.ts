/**
 * `recant start` in one process again and again, for starts that fail before anything is begun: most
 * of their time is the loading of the program. The one argument is a list of variables for each;
 * prints how each ended, as JSON.
 */
import { runCli } from "../../src/cli/program.ts";

const starts = JSON.parse(process.argv[2] ?? "") as readonly Record<string, string>[];
// Each start listens for signals, and none of them ends before the process does.
process.setMaxListeners(2 * starts.length + 10);
const ended = [];
for (const variables of starts) {
	Object.assign(process.env, variables);
	const stdout: string[] = [];
	const stderr: string[] = [];
	const code = await runCli(["start"], {
		stdout: { write: (text) => stdout.push(text) },
		stderr: { write: (text) => stderr.push(text) },
	});
	ended.push({ code, signal: null, stdout: stdout.join(""), stderr: stderr.join("") });
}
process.stdout.write(JSON.stringify(ended));
