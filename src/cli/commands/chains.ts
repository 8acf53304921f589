/** What `recant chains` says. Nodes and files are loaded when they are needed: other commands need neither. */
import type { AddedChain, ChainRequest } from "../../composition/add-chain.ts";
import type { CheckedChain } from "../../composition/check-chains.ts";
import { chainsDirectory } from "../../config/client-environment.ts";
import type { ChainFinding } from "../../follower/check-chain.ts";
import type { CommandRun } from "../command-run.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

const COLOURS = { ok: "green", warning: "yellow", failed: "red" } as const;

/** Ends with `findings` when something failed; a warning alone is none. */
export async function checkChainFiles(
	{ terminal, env }: CommandRun,
	{ which, json }: { readonly which: string | undefined; readonly json: boolean },
): Promise<ExitCode> {
	const { checkChains } = await import("../../composition/check-chains.ts");
	const chains = await checkChains({ folder: chainsDirectory(env), which });
	const failed = chains.some(({ findings }) => findings.some(isFailed));
	if (json) printJson(terminal, { ok: !failed, chains });
	else for (const chain of chains) printChain(terminal, chain);
	return failed ? EXIT.findings : EXIT.ok;
}

function isFailed({ state }: ChainFinding): boolean {
	return state === "failed";
}

function printChain(terminal: Terminal, { name, id, findings }: CheckedChain): void {
	printLine(terminal, paint(terminal, "bold", `${name} (${id})`));
	printTable(
		terminal,
		["provider", "check", "state", "says"],
		findings.map(({ provider, check, state, says }) => [
			printable(provider),
			printable(check),
			paint(terminal, COLOURS[state], state),
			printable(says),
		]),
	);
	const failed = findings.filter(isFailed).length;
	const warnings = findings.filter(({ state }) => state === "warning").length;
	printLine(terminal, failed === 0 ? `can be followed, ${warnings} warnings` : `${failed} failed`);
}

export async function addChainFile(
	{ terminal, env }: CommandRun,
	{ request, json }: { readonly request: Omit<ChainRequest, "folder">; readonly json: boolean },
): Promise<ExitCode> {
	const { addChain } = await import("../../composition/add-chain.ts");
	const added = await addChain({ ...request, folder: chainsDirectory(env) });
	if (json) printJson(terminal, { ...added, startBlock: added.startBlock.toString() });
	else printAdded(terminal, added);
	return EXIT.ok;
}

function printAdded(terminal: Terminal, { path, name, startBlock, events }: AddedChain): void {
	printLine(terminal, `wrote ${path}: ${events} events from block ${startBlock} on`);
	printLine(terminal, `next: recant chains check ${printable(name)}`);
}
