#!/usr/bin/env node
/** The executable. */
import { EXIT } from "./exit-code.ts";
import { runCli } from "./program.ts";

/** A stopped service has nothing left to do; what still holds the process open is not waited for. */
const LINGER_MS = 1_000;

// `recant state | head` closes the pipe early, which is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed);
});

process.exitCode = await runCli(process.argv.slice(2), process);
setTimeout(() => process.exit(), LINGER_MS).unref();
