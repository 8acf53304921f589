/** `recant status`. */
import type { ChainAnswer, StatusAnswer } from "../../client/answers.ts";
import { hasEveryRole, rolesText } from "../../domain/role.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { stepOf } from "../rollback-progress.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

/** Exit code 4 when a chain that was asked for is halted. */
export async function status(session: Session, chain: string | undefined): Promise<ExitCode> {
	const all = await session.client.status();
	const chains = chain === undefined ? all.chains : [await session.client.chain(chain)];
	const answer = { ...all, chains };
	if (session.json) printJson(session.terminal, answer);
	else printStatus(session.terminal, answer);
	return chains.some(({ state }) => state === "halted") ? EXIT.halted : EXIT.ok;
}

function printStatus(terminal: Terminal, answer: StatusAnswer): void {
	const { version, database, queueBackend, embedder } = answer;
	const role = hasEveryRole(answer.roles) ? "" : ` as ${rolesText(answer.roles)}`;
	printLine(
		terminal,
		`Recant ${version}${role}: database ${database}, queue on ${queueBackend}, embedder ${printable(embedder.model)} (${embedder.dimensions})`,
	);
	for (const store of answer.stores.filter(({ state }) => state !== "up")) {
		const { name, state, since, lastError } = store;
		const reason = lastError === undefined ? "" : `: ${printable(lastError)}`;
		const line = `${printable(name)} is ${state} since ${since}${reason}`;
		printLine(terminal, paint(terminal, "yellow", line));
	}
	printTable(
		terminal,
		["chain", "state", "head", "node", "safe", "finalized", "generation", "log", "inbox"],
		answer.chains.map((chain) => chainRow(terminal, chain)),
	);
	for (const chain of answer.chains) {
		if (!answer.roles.includes("follower")) printFollower(terminal, chain);
		printDetails(terminal, chain);
	}
}

function chainRow(terminal: Terminal, chain: ChainAnswer): string[] {
	return [
		`${printable(chain.name)} (${chain.chainId})`,
		paint(terminal, colourOf(chain.state), chain.state),
		chain.head?.height ?? "-",
		chain.nodeHead ?? "-",
		chain.safe ?? "-",
		chain.finalized ?? "-",
		chain.generation,
		chain.logPosition,
		chain.inbox.toString(),
	];
}

function colourOf(state: ChainAnswer["state"]): "red" | "green" | "yellow" {
	if (state === "halted") return "red";
	return state === "following" ? "green" : "yellow";
}

/** Without one the problem says it. */
function printFollower(terminal: Terminal, { name, followedBy }: ChainAnswer): void {
	if (followedBy === undefined) return;
	printLine(terminal, `${printable(name)}: followed by ${printable(followedBy)}`);
}

function printDetails(terminal: Terminal, chain: ChainAnswer): void {
	const { name, problem, rollback, consistency } = chain;
	if (problem !== undefined) {
		printLine(terminal, `${printable(name)}: ${printable(problem.message)} (${problem.code})`);
		printLine(terminal, `  hint: ${printable(problem.hint)}`);
	}
	if (consistency !== undefined) {
		const { level, score, findings, finishedAt } = consistency;
		const said = `last check (${level}, ${finishedAt}): score ${score.toFixed(4)}, findings ${findings}`;
		printLine(terminal, `${printable(name)}: ${said}`);
	}
	if (rollback !== undefined) {
		const held = rollback.paused ? ", paused" : "";
		printLine(
			terminal,
			`${printable(name)}: rollback ${rollback.id} is at ${stepOf(rollback)}${held}`,
		);
	}
	for (const { name: collection, index } of chain.collections) {
		if (index?.recall === undefined) continue;
		const { share, k, sample } = index.recall;
		const recall = `recall ${share.toFixed(3)} at ${k}, measured with ${sample} questions`;
		const line = `${index.rows} vectors by index, ${recall}; ${index.unindexedRows} not indexed yet`;
		printLine(terminal, `${printable(name)}: collection ${printable(collection)}: ${line}`);
	}
	for (const provider of chain.providers.filter(({ state }) => state !== "ok")) {
		printLine(terminal, `${printable(name)}: ${printable(provider.url)} ${saidOf(provider)}`);
	}
}

function saidOf({ state, blocksOff, lastError }: ChainAnswer["providers"][number]): string {
	const reason = lastError === undefined ? "" : `: ${printable(lastError)}`;
	switch (state) {
		case "lagging":
			return `lags ${blocksOff ?? "?"} blocks behind the others`;
		case "ahead":
			return `is put aside: ${blocksOff ?? "?"} blocks ahead of the others`;
		case "astray":
			return "is put aside: it is on another branch than most of the others";
		case "wrong_chain":
			return `is put aside: it serves another chain${reason}`;
		case "untrue":
			return `is put aside: its answers are not true${reason}`;
		case "limited":
			return `limits our requests${reason}`;
		default:
			return `is failing${reason}`;
	}
}
