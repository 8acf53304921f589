/** `recant rollback --to <height>`: plan, start, and watch until it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RollbackAnswer, RollbackPlanAnswer } from "../../client/answers.ts";
import { RecantApiError } from "../../client/api-error.ts";
import type { RecantClient } from "../../client/client.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { durationOf } from "../progress-bar.ts";
import { progressView } from "../rollback-progress.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export const STRATEGIES = ["rewind", "snapshot", "rebuild"] as const;

export interface RollbackOptions {
	readonly to: string;
	/** Undefined: the service chooses. */
	readonly strategy: (typeof STRATEGIES)[number] | undefined;
	readonly dryRun: boolean;
	readonly wait: boolean;
	/** Seconds to watch it for; it goes on after that. */
	readonly timeoutSeconds: number;
}

/** Five looks a second: a rollback takes some 50 ms, and stages of a large one seconds. */
const POLL_MS = 200;
/** Failed looks in a row, 2 s, before the service counts as gone. */
const MAX_FAILED_LOOKS = 10;

export async function rollback(session: Session, options: RollbackOptions): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const chain = await session.chain();
	if (options.dryRun) {
		const plan = await client.planRollback(chain, options.to);
		if (json) printJson(terminal, plan);
		else printPlan(terminal, plan);
		return EXIT.ok;
	}
	const started = await client.startRollback(chain, options.to, options.strategy);
	const ended = options.wait ? await watch(session, chain, started, options) : started;
	if (json) printJson(terminal, ended);
	else printResult(terminal, ended);
	return options.wait && ended.state !== "committed" ? EXIT.halted : EXIT.ok;
}

/** In the order in which they run; answers hold them in any. */
const STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;

const ENDED: ReadonlySet<RollbackAnswer["state"]> = new Set([
	"committed",
	"cancelled",
	"failed",
	"abandoned",
]);

/** The rollback when it has ended, or as it is when the time is over. */
export async function watch(
	session: Session,
	chain: string,
	started: RollbackAnswer,
	{ timeoutSeconds }: Pick<RollbackOptions, "timeoutSeconds">,
): Promise<RollbackAnswer> {
	const view = session.json ? undefined : progressView(session.terminal);
	const next = looker(session.client, chain);
	const looks = Math.ceil((timeoutSeconds * 1_000) / POLL_MS);
	let current = started;
	try {
		for (let look = 0; look < looks && !ENDED.has(current.state); look++) {
			view?.show(current);
			await sleep(POLL_MS);
			current = await next(current);
		}
	} finally {
		view?.clear();
	}
	return current;
}

/** Looks at a rollback again, or at the one that replaces it; passes over a few failed looks. */
function looker(
	client: RecantClient,
	chain: string,
): (current: RollbackAnswer) => Promise<RollbackAnswer> {
	let failed = 0;
	return async (current) => {
		try {
			const seen = await client.rollback(chain, current.supersededBy ?? current.id);
			failed = 0;
			return seen;
		} catch (error) {
			failed += 1;
			const passing = error instanceof RecantApiError && error.retryable;
			if (!passing || failed >= MAX_FAILED_LOOKS) throw error;
			return current;
		}
	};
}

function printPlan(terminal: Terminal, plan: RollbackPlanAnswer): void {
	printTable(
		terminal,
		["dry run", "height", "hash"],
		[
			["back to", plan.ancestor.height, plan.ancestor.hash],
			["from", plan.from.height, plan.from.hash],
		],
	);
	printLine(
		terminal,
		`orphaned blocks: ${plan.blocks}; memories that would change: ${plan.memories}; agents' operations to judge again: ${plan.operations}`,
	);
}

export function printResult(terminal: Terminal, rollback: RollbackAnswer): void {
	const { id, state, counts, ancestor, error, failedStage, paused } = rollback;
	const colour = state === "committed" ? "green" : "yellow";
	const where = failedStage === undefined ? "" : ` at ${failedStage}`;
	printLine(
		terminal,
		`rollback ${id} to height ${ancestor.height}: ${paint(terminal, colour, state)}${where}`,
	);
	if (rollback.evidence !== undefined) printLine(terminal, `  ${followedOn(rollback.evidence)}`);
	if (rollback.strategy !== undefined) {
		printLine(terminal, `  ${rollback.strategy}: ${printable(rollback.strategyReason ?? "")}`);
	}
	if (error !== undefined) {
		printLine(terminal, `  ${printable(error.message)} (${error.code})`);
		printLine(terminal, `  hint: ${printable(error.hint)}`);
	}
	if (paused)
		printLine(terminal, `  it is paused; \`recant rollbacks resume ${id}\` lets it go on`);
	else if (!ENDED.has(state) && state !== "superseded")
		printLine(terminal, "  it goes on; `recant status` shows how far it is");
	const stages = stagesOf(rollback);
	if (state !== "committed") {
		if (ENDED.has(state) && stages !== "") printLine(terminal, `  ${stages}`);
		return;
	}
	printTable(
		terminal,
		["recanted", "suspended", "reinstated", "replayed", "derived anew"],
		[
			[
				counts.recanted,
				counts.suspended,
				counts.reinstated,
				counts.replayed,
				counts.derivedAnew,
			].map(String),
		],
	);
	const { withdrawn = 0, flagged = 0, cleared = 0, actions = 0 } = counts;
	if (withdrawn + flagged + cleared > 0) {
		printLine(terminal, `withdrawn ${withdrawn}, flagged ${flagged}, cleared ${cleared}`);
	}
	if (actions > 0) {
		const said = `actions that were taken on what no longer holds: ${actions}; see the report`;
		printLine(terminal, paint(terminal, "red", said));
	}
	printLine(terminal, stages);
}

/** How long each stage took. */
export function stagesOf({ stageMs }: RollbackAnswer): string {
	const stages = STAGES.flatMap((stage) => {
		const ms = stageMs[stage];
		return ms === undefined ? [] : [`${stage} ${durationOf(ms)}`];
	});
	return stages.join(", ");
}

/** Why the fork was believed. */
function followedOn(evidence: NonNullable<RollbackAnswer["evidence"]>): string {
	const { because, depth, heldMs, polls, signals, support } = evidence;
	const answered = support === undefined ? 0 : support.confirming + support.denying;
	const providers =
		support === undefined ? "" : `, ${support.confirming} of ${answered} providers that answered`;
	const looks = `${polls} ${polls === 1 ? "look" : "looks"} over ${heldMs} ms${providers}`;
	return `followed on (${because}): depth ${depth}, ${looks}; ${signals.join(", ")}`;
}
