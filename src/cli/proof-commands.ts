/** The commands of proofs: `recant proof`, `verify` and `compare`. */
import type { Command } from "commander";
import type { Hex } from "../domain/ids.ts";
import { hashArgument, heightArgument, sealedAtArgument, urlArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { compare } from "./commands/compare.ts";
import { type ProofOptions, proof } from "./commands/proof.ts";
import { verify } from "./commands/verify.ts";
import type { GlobalOptions } from "./session.ts";

const SEALED_AT_HELP = "height, block hash, latest, safe or finalized";

export function addProofCommands(program: Command, run: CommandRun): void {
	addProof(program, run);
	addVerify(program, run);
	addCompare(program, run);
}

function addProof(program: Command, run: CommandRun): void {
	program
		.command("proof")
		.description("a proof that a memory is, or is not, part of the state at a block")
		.argument("<id>", "the memory's id")
		.option("--namespace <namespace>", "the memory's namespace; `default` if left out")
		.option("--at <at>", SEALED_AT_HELP, sealedAtArgument, "latest")
		.option("--generation <n>", "generation to read in", heightArgument)
		.option("--out <file>", "file to write; stdout if left out")
		.action((id: string, options: ProofOptions, command: Command) =>
			inSession(run, command, (session) => proof(session, id, ownOptions(options))),
		);
}

/** Commander's object has nothing else, but it is not ours. */
function ownOptions({ namespace, at, generation, out }: ProofOptions): ProofOptions {
	return { namespace, at, generation, ...(out === undefined ? {} : { out }) };
}

interface VerifyFlags {
	readonly root?: Hex;
	readonly blockHash?: Hex;
}

function addVerify(program: Command, run: CommandRun): void {
	program
		.command("verify")
		.description("check a proof by itself; no service is asked")
		.argument("<file>", "what `recant proof --out` wrote")
		.option("--root <hash>", "state root that you trust", hashArgument)
		.option("--block-hash <hash>", "hash of the block that you trust", hashArgument)
		.action(async (file: string, { root, blockHash }: VerifyFlags, command: Command) => {
			const { json }: GlobalOptions = command.optsWithGlobals();
			const trusted = { stateRoot: root, blockHash };
			run.exitCode = await verify(run.terminal, file, { json: json === true, ...trusted });
		});
}

function addCompare(program: Command, run: CommandRun): void {
	program
		.command("compare")
		.description("memories in which another replica of the chain differs from this one")
		.argument("<other-url>", "where the other replica answers", urlArgument)
		.option("--at <at>", `${SEALED_AT_HELP}; the lower head if left out`, sealedAtArgument)
		.action((otherUrl: string, { at }: { readonly at?: string }, command: Command) =>
			inSession(run, command, (session, _options, { otherApiKey }) =>
				compare(session, otherUrl, { at, otherApiKey }),
			),
		);
}
