/** `recant recover <chain> [accept|import|rebuild]`: what is possible for a halted chain, and doing it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RecoveriesAnswer, RecoveryAnswer, RecoveryPlanAnswer } from "../../client/answers.ts";
import { RecantApiError } from "../../client/api-error.ts";
import type { RecoveryInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export interface RecoverOptions extends RecoveryInput {
	readonly dryRun: boolean;
	readonly wait: boolean;
	/** Seconds to watch it for; it goes on after that. */
	readonly timeoutSeconds: number;
}

/** Five looks a second, as at a rollback. */
const POLL_MS = 200;
/** Failed looks in a row, 2 s, before the service counts as gone. */
const MAX_FAILED_LOOKS = 10;

/** Exit code 4 when the chain is halted. */
export async function showOptions(
	{ terminal, client, json }: Session,
	chain: string,
	asked: { readonly singleProvider: boolean },
): Promise<ExitCode> {
	const found = await client.recoveries(chain, asked);
	if (json) printJson(terminal, found);
	else printOptions(terminal, found);
	return found.outlook.halt === undefined ? EXIT.ok : EXIT.halted;
}

/** Exit code 4 when it did not end as done. */
export async function recover(
	session: Session,
	chain: string,
	{ dryRun, wait, timeoutSeconds, ...input }: RecoverOptions,
): Promise<ExitCode> {
	const { terminal, client, json } = session;
	if (dryRun) {
		const { plan, ...rest } = await client.planRecovery(chain, input);
		if (json) printJson(terminal, { ...rest, plan });
		else printPlan(terminal, "dry run", plan);
		return EXIT.ok;
	}
	const begun = await client.recover(chain, input);
	const ended = wait ? await watch(session, chain, begun, timeoutSeconds) : begun;
	if (json) printJson(terminal, ended);
	else printRecovery(terminal, ended);
	return wait && ended.state !== "done" ? EXIT.halted : EXIT.ok;
}

/** The recovery when it has ended, or as it is when the time is over. */
async function watch(
	{ client }: Session,
	chain: string,
	begun: RecoveryAnswer,
	timeoutSeconds: number,
): Promise<RecoveryAnswer> {
	const looks = Math.ceil((timeoutSeconds * 1_000) / POLL_MS);
	let current = begun;
	let failed = 0;
	for (let look = 0; look < looks && current.state === "running"; look += 1) {
		await sleep(POLL_MS);
		try {
			current = await client.recovery(chain, current.id);
			failed = 0;
		} catch (error) {
			failed += 1;
			const passing = error instanceof RecantApiError && error.retryable;
			if (!passing || failed >= MAX_FAILED_LOOKS) throw error;
		}
	}
	return current;
}

function printOptions(terminal: Terminal, { outlook, items }: RecoveriesAnswer): void {
	const { halt, attemptsLeft, options } = outlook;
	if (halt === undefined) printLine(terminal, "the chain is not halted");
	else {
		printLine(
			terminal,
			paint(terminal, "red", `halted: ${printable(halt.message)} (${halt.code})`),
		);
		printLine(terminal, `recoveries that may still be begun for this halt: ${attemptsLeft}`);
		for (const { kind, possible, reason, plan } of options) {
			const said = possible ? paint(terminal, "green", "possible") : "not possible";
			printLine(
				terminal,
				`${kind}: ${said}${reason === undefined ? "" : `: ${printable(reason)}`}`,
			);
			if (plan !== undefined) printPlan(terminal, kind, plan);
		}
	}
	if (items.length === 0) return;
	printTable(
		terminal,
		["id", "kind", "state", "attempt", "started", "error"],
		items.map(({ id, kind, state, attempt, startedAt, error }) => [
			id,
			kind,
			state,
			`${attempt}`,
			startedAt,
			printable(error?.message ?? ""),
		]),
	);
}

function printPlan(terminal: Terminal, title: string, plan: RecoveryPlanAnswer): void {
	const { from, ancestor, target, snapshot } = plan;
	const places = [
		["state of", from],
		["shared up to", ancestor],
		["on to", target],
	] as const;
	printTable(
		terminal,
		[title, "height", "hash"],
		places.flatMap(([name, place]) =>
			place === undefined ? [] : [[name, place.height, printable(place.hash)]],
		),
	);
	const memories = plan.memories === undefined ? "" : `; memories that change: ${plan.memories}`;
	const lost = snapshot === undefined ? "to judge again" : "that go with the old state";
	printLine(
		terminal,
		`blocks taken back: ${plan.depthBlocks}${memories}; agents' operations ${lost}: ${plan.operations}`,
	);
	if (plan.strategy !== undefined) {
		printLine(terminal, `${plan.strategy}: ${printable(plan.strategyReason ?? "")}`);
	}
	if (snapshot !== undefined) {
		printLine(terminal, `snapshot ${snapshot.id} with ${snapshot.memories} memories`);
	}
}

function printRecovery(terminal: Terminal, recovery: RecoveryAnswer): void {
	const { id, kind, state, attempt, rollbackId, error } = recovery;
	const colour = state === "done" ? "green" : "yellow";
	const said = `recovery ${id} (${kind}, attempt ${attempt}): ${paint(terminal, colour, state)}`;
	printLine(terminal, said);
	if (rollbackId !== undefined) printLine(terminal, `  rollback ${rollbackId}`);
	if (error !== undefined) {
		printLine(terminal, `  ${printable(error.message)} (${error.code})`);
		printLine(terminal, `  hint: ${printable(error.hint)}`);
	}
	if (state === "running") printLine(terminal, "  it goes on; `recant status` shows how far it is");
}
