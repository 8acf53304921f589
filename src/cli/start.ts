/**
 * `recant start`: runs the service until a signal. The first SIGINT or SIGTERM stops it within a
 * deadline, the second ends the process at once; both are safe, since what is acknowledged is
 * committed.
 */
import { constants } from "node:os";
import { readEnvironment } from "../config/environment.ts";
import { rolesText } from "../domain/role.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { printJson, printLine, type Terminal } from "./terminal.ts";

/** Longer than a flush of vectors and the last commit take together; supervisors wait 30 s. */
const STOP_DEADLINE_MS = 20_000;

export interface StartRequest {
	/** As they were named; empty: RECANT_ROLE says it. */
	readonly roles: readonly string[];
	readonly json: boolean;
}

export async function start(terminal: Terminal, { roles, json }: StartRequest): Promise<ExitCode> {
	const given = roles.length === 0 ? {} : { RECANT_ROLE: roles.join(",") };
	const environment = readEnvironment(undefined, given);
	// Loaded here, so that the other commands do not load the engines.
	const { startRecant } = await import("../main.ts");
	// Listened to before the start, which itself can take seconds.
	const stop = stopSignal(terminal);
	const service = await startRecant({ environment });
	const role = rolesText(environment.roles);
	if (json) printJson(terminal, { url: service.url, role });
	else if (environment.roles.includes("api"))
		printLine(terminal, `Recant answers at ${service.url}`);
	else printLine(terminal, `Recant runs as ${role}; its health is at ${service.url}/readyz`);
	await stop;
	await service.stop();
	return EXIT.ok;
}

/** Resolves at the first signal; from then on the deadline runs, and a second signal ends all. */
function stopSignal(terminal: Terminal): Promise<void> {
	return new Promise((resolve) => {
		let stopping = false;
		const onSignal = (signal: "SIGINT" | "SIGTERM") => {
			if (stopping) process.exit(128 + constants.signals[signal]);
			stopping = true;
			terminal.stderr.write(`${signal}: stopping; a second one ends the process at once\n`);
			setTimeout(() => giveUp(terminal), STOP_DEADLINE_MS).unref();
			resolve();
		};
		process.on("SIGINT", onSignal);
		process.on("SIGTERM", onSignal);
	});
}

function giveUp(terminal: Terminal): never {
	terminal.stderr.write(
		`error: the service did not stop within ${STOP_DEADLINE_MS} ms\nhint: nothing that was acknowledged is lost; start it again\n`,
	);
	process.exit(EXIT.failed);
}
