/** Programs of the embedded Postgres, run as somebody. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

export interface UserIds {
	readonly uid: number;
	readonly gid: number;
}

/** As whom Postgres runs, see identity.ts. */
export type PostgresIdentity =
	| { readonly kind: "self" }
	| ({ readonly kind: "user" } & UserIds)
	| ({ readonly kind: "namespace" } & UserIds);

/** How a program ended, and the end of what it wrote to both streams. */
interface ProgramResult {
	readonly exitCode: number | undefined;
	readonly output: string;
}

/** Nothing of the service's own environment: PG* variables would change what Postgres does. */
const PROGRAM_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TZ: "UTC" };
/** initdb takes a second; on a slow disk its final sync may take many. */
const PROGRAM_MS = 120_000;
/** Output that is kept for a message. */
const OUTPUT_BYTES = 1_048_576;

const runFile = promisify(execFile);

/** Starts a program in a process group of its own, so that Ctrl-C to the service does not reach it. */
export function spawnProgram(
	identity: PostgresIdentity,
	file: string,
	args: readonly string[],
	outputFile: number,
): ChildProcess {
	const command = commandAs(identity, file, args);
	return spawn(command.file, command.args, {
		...command.ids,
		cwd: "/",
		env: PROGRAM_ENV,
		detached: true,
		stdio: ["ignore", outputFile, outputFile],
	});
}

/** Runs a program to its end; `exitCode` is undefined when it could not be started or was killed. */
export async function runProgram(
	identity: PostgresIdentity,
	file: string,
	args: readonly string[],
): Promise<ProgramResult> {
	const command = commandAs(identity, file, args);
	try {
		const { stdout, stderr } = await runFile(command.file, command.args, {
			...command.ids,
			cwd: "/",
			env: PROGRAM_ENV,
			timeout: PROGRAM_MS,
			maxBuffer: OUTPUT_BYTES,
		});
		return { exitCode: 0, output: stdout + stderr };
	} catch (error) {
		return failedProgram(error);
	}
}

function failedProgram(error: unknown): ProgramResult {
	const details = error instanceof Error ? error : new Error(String(error));
	const exitCode = "code" in details && typeof details.code === "number" ? details.code : undefined;
	const stderr = "stderr" in details ? String(details.stderr).trim() : "";
	return { exitCode, output: stderr === "" ? details.message : stderr };
}

function commandAs(identity: PostgresIdentity, file: string, args: readonly string[]) {
	switch (identity.kind) {
		case "self":
			return { file, args, ids: {} };
		case "user":
			return { file, args, ids: { uid: identity.uid, gid: identity.gid } };
		case "namespace": {
			const map = [`--map-user=${identity.uid}`, `--map-group=${identity.gid}`];
			return { file: "unshare", args: ["--user", ...map, "--", file, ...args], ids: {} };
		}
	}
}
