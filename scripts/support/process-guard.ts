/**
 * Makes server processes end with the process that started them, however that one ends: test
 * runners kill their workers, and no handler runs then.
 *
 * A shell waits at the other end of a pipe. The system closes the pipe when this process is gone,
 * and the shell kills what is still listed. It leads a session of its own, so that a terminal's
 * Ctrl-C does not end it before its time.
 */
import { spawn } from "node:child_process";
import type { Writable } from "node:stream";

/** Reads `add <pid>` and `drop <pid>`; at the end of its input kills every pid that is left. */
const GUARD = `
pids=" "
while read -r what pid; do
	case "$what" in
		add) pids="$pids$pid " ;;
		drop) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
	esac
done
for pid in $pids; do kill -s KILL "$pid"; done
`;

let guard: Writable | undefined;

/** Lists the process. Call what it answers as soon as the process is gone: its pid may be given anew. */
export function endWithThisProcess(pid: number): () => void {
	guard ??= startGuard();
	const input = guard;
	input.write(`add ${pid}\n`);
	return () => void input.write(`drop ${pid}\n`);
}

function startGuard(): Writable {
	const shell = spawn("sh", ["-c", GUARD], {
		detached: true,
		stdio: ["pipe", "ignore", "ignore"],
	});
	shell.unref();
	// Neither the shell nor the pipe may keep this process alive.
	if ("unref" in shell.stdin && typeof shell.stdin.unref === "function") shell.stdin.unref();
	return shell.stdin;
}
