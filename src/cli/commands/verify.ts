/** `recant verify`: checks a proof by itself. No service is asked. */
import { open } from "node:fs/promises";
import type { StateProof } from "../../commitment/proof.ts";
import {
	type ProofVerdict,
	type TrustedPlace,
	verifyProof,
} from "../../commitment/verify-proof.ts";
import { LIMITS } from "../../domain/limits.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { UsageError } from "../failure.ts";
import { paint, printable, printJson, printLine, type Terminal } from "../terminal.ts";

export interface VerifyOptions extends TrustedPlace {
	readonly json: boolean;
}

/** Exit code 5 for a proof that does not hold; `UsageError` for a file that cannot be read. */
export async function verify(
	terminal: Terminal,
	path: string,
	{ json, ...trusted }: VerifyOptions,
): Promise<ExitCode> {
	const verdict = verdictOn(await read(path), trusted);
	if (json) printJson(terminal, { ...verdict, checked: { ...trusted } });
	else if (verdict.valid) describe(terminal, verdict.proof, trusted);
	else printLine(terminal, `${paint(terminal, "red", "invalid")}: ${complaint(verdict)}`);
	return verdict.valid ? EXIT.ok : EXIT.mismatch;
}

function verdictOn(text: string, trusted: TrustedPlace): ProofVerdict {
	try {
		return verifyProof(proofIn(JSON.parse(text)), trusted);
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error;
		const message = `this is no JSON: ${error.message}`;
		return { valid: false, fault: "malformed", message, layer: undefined };
	}
}

/** The service's whole answer is taken as well as the proof that stands in it. */
function proofIn(value: unknown): unknown {
	const isAnswer =
		typeof value === "object" && value !== null && "proof" in value && !("format" in value);
	return isAnswer ? value.proof : value;
}

/** At most as much as the service takes in one request: a proof holds one memory and four paths. */
async function read(path: string): Promise<string> {
	const file = await open(path).catch(unreadable(path));
	try {
		const buffer = Buffer.alloc(LIMITS.requestBytes + 1);
		const { bytesRead } = await file.read(buffer, 0, buffer.length, 0).catch(unreadable(path));
		if (bytesRead <= LIMITS.requestBytes) return buffer.toString("utf8", 0, bytesRead);
		throw new UsageError(
			`${path} has more than ${LIMITS.requestBytes} bytes`,
			"no proof is that long; name the file that `recant proof --out` wrote",
		);
	} finally {
		await file.close();
	}
}

function unreadable(path: string) {
	return (cause: unknown): never => {
		const reason = cause instanceof Error ? cause.message : String(cause);
		throw new UsageError(`${path} cannot be read: ${reason}`, "name a file with a proof");
	};
}

function complaint(verdict: Extract<ProofVerdict, { valid: false }>): string {
	const where = verdict.layer === undefined ? "" : ` in ${verdict.layer}`;
	return `${verdict.fault}${where}: ${printable(verdict.message)}`;
}

/** What it shows, then what it does not. */
function describe(terminal: Terminal, proof: StateProof, trusted: TrustedPlace): void {
	const name = `"${printable(proof.id)}" of namespace "${printable(proof.namespace)}"`;
	const was = proof.type === "inclusion" ? "was part of" : "was in no layer of";
	printLine(terminal, `${paint(terminal, "green", "valid")}: the memory ${name} ${was} the state`);
	printLine(terminal, `  of chain ${proof.chainId} at height ${proof.height}`);
	printLine(terminal, `  block ${proof.blockHash}${noteOn(trusted.blockHash)}`);
	printLine(terminal, `  state root ${proof.stateRoot}${noteOn(trusted.stateRoot)}`);
	if (proof.type === "inclusion") {
		const content = printable(JSON.stringify(proof.memory.content));
		printLine(terminal, `  ${proof.memory.layer}, by ${proof.memory.owner}: ${content}`);
	}
	if (trusted.stateRoot === undefined) printLine(terminal, paint(terminal, "yellow", NOT_SHOWN));
}

function noteOn(trusted: string | undefined): string {
	return trusted === undefined ? "" : " (the one that you named)";
}

const NOT_SHOWN =
	"not shown: that this state root is the right one. Compare it with a root that you trust, such as that of your own replica's checkpoint, by --root.";
