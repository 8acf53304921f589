/** `recant proof`: writes a proof that anyone can verify without the service. */
import { writeFile } from "node:fs/promises";
import type { ProofAnswer } from "../../client/answers.ts";
import type { MemoryQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { UsageError } from "../failure.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printable, printJson, printLine, type Terminal } from "../terminal.ts";

export interface ProofOptions extends MemoryQuery {
	/** File to write; undefined: the proof goes to stdout. */
	readonly out?: string;
}

export async function proof(
	session: Session,
	id: string,
	{ out, ...query }: ProofOptions,
): Promise<ExitCode> {
	const { terminal, client } = session;
	const answer = await client.proof(await session.chain(), id, query);
	if (out !== undefined) await write(out, answer);
	if (session.json) printJson(terminal, answer);
	else if (out === undefined) printJson(terminal, answer.proof);
	else describe(terminal, answer, out);
	return EXIT.ok;
}

async function write(path: string, answer: ProofAnswer): Promise<void> {
	const text = `${JSON.stringify(answer.proof, undefined, "\t")}\n`;
	await writeFile(path, text).catch((cause: unknown) => {
		const reason = cause instanceof Error ? cause.message : String(cause);
		throw new UsageError(`${path} cannot be written: ${reason}`, "name another file with --out");
	});
}

function describe(terminal: Terminal, { at, checkpoint, proof: made }: ProofAnswer, out: string) {
	const name = `"${printable(made.id)}" in namespace "${printable(made.namespace)}"`;
	printLine(terminal, `${made.type} of ${name}: ${coordinateLine(at)}`);
	printLine(terminal, `state root ${made.stateRoot} (${ORIGIN[checkpoint]})`);
	printLine(terminal, `wrote ${printable(out)}; check it with: recant verify ${printable(out)}`);
}

const ORIGIN = {
	stored: "of the block's checkpoint",
	rebuilt: "made of the rows as they are now: no checkpoint is kept at this height",
} as const;
