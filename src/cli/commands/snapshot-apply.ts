/** What comes of `recant snapshot import --apply`: whether the snapshot became the chain's state. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChainAnswer, SnapshotAnswer } from "../../client/answers.ts";
import { RecantApiError } from "../../client/api-error.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { printJson, printLine } from "../terminal.ts";
import { printSnapshot, type WatchOptions, watch } from "./snapshot.ts";

const POLL_MS = 200;

export interface ApplyWatch extends WatchOptions {
	/** The chain before the import was asked for. */
	readonly before: ChainAnswer;
	readonly dryRun: boolean;
}

/**
 * Watches until the state is replaced, or it is known why it is not. Exit code 1 when it is refused, 4 when
 * the snapshot is not verified or the state was not replaced in time.
 */
export async function followedIntoState(
	session: Session,
	chain: string,
	begun: SnapshotAnswer,
	{ before, dryRun, ...options }: ApplyWatch,
): Promise<ExitCode> {
	const deadline = performance.now() + options.timeoutSeconds * 1_000;
	const verified = options.wait ? await watch(session, chain, begun, options) : begun;
	const isAwaited = options.wait && !dryRun && isGood(verified);
	const { snapshot, now } = isAwaited
		? await replaced(session, chain, { snapshot: verified, before, deadline })
		: { snapshot: verified, now: before };
	const isApplied = now.generation !== before.generation;
	if (session.json) printJson(session.terminal, { ...snapshot, applied: isApplied, dryRun });
	else {
		printSnapshot(session.terminal, snapshot);
		if (options.wait && isGood(snapshot)) say(session, { snapshot, before, now, dryRun });
	}
	if (snapshot.error !== undefined) return EXIT.failed;
	if (!options.wait) return EXIT.ok;
	return isGood(snapshot) && (dryRun || isApplied) ? EXIT.ok : EXIT.halted;
}

function isGood({ state, error }: SnapshotAnswer): boolean {
	return state === "verified" && error === undefined;
}

/** An import begins a generation; until then, or until an error stands beside the snapshot, it is under way. */
async function replaced(
	{ client }: Session,
	chain: string,
	from: {
		readonly snapshot: SnapshotAnswer;
		readonly before: ChainAnswer;
		readonly deadline: number;
	},
): Promise<{ readonly snapshot: SnapshotAnswer; readonly now: ChainAnswer }> {
	let { snapshot, before: now } = from;
	while (performance.now() < from.deadline) {
		try {
			now = await client.chain(chain);
			snapshot = await client.snapshot(chain, snapshot.id);
		} catch (error) {
			// The chain's process is between two leases.
			if (!(error instanceof RecantApiError && error.retryable)) throw error;
		}
		if (now.generation !== from.before.generation || snapshot.error !== undefined) break;
		await sleep(POLL_MS);
	}
	return { snapshot, now };
}

function say(
	{ terminal }: Session,
	seen: {
		readonly snapshot: SnapshotAnswer;
		readonly before: ChainAnswer;
		readonly now: ChainAnswer;
		readonly dryRun: boolean;
	},
): void {
	const { snapshot, before, now, dryRun } = seen;
	const old = `the state up to block ${before.head?.height ?? "-"} (generation ${before.generation})`;
	const fresh = `that of block ${snapshot.height} with ${snapshot.memories} memories`;
	if (dryRun) printLine(terminal, `dry run: ${old} would be replaced by ${fresh}`);
	else if (now.generation === before.generation)
		printLine(terminal, `not replaced yet: ${old}; it goes on, see \`recant status\``);
	else printLine(terminal, `${old} was replaced by ${fresh}, in generation ${now.generation}`);
}
