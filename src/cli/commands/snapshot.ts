/** `recant snapshot create|list|verify`: making snapshots and looking at them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SnapshotAnswer } from "../../client/answers.ts";
import { RecantApiError } from "../../client/api-error.ts";
import type { PageQuery, SnapshotInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { progressLine, sizeOf } from "../progress-bar.ts";
import type { Session } from "../session.ts";
import { showSnapshot } from "../snapshot-progress.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export interface WatchOptions {
	readonly wait: boolean;
	/** Seconds to watch it for; it goes on after that. */
	readonly timeoutSeconds: number;
}

/** Two looks a second: a small snapshot takes 50 ms, a large one minutes. */
const POLL_MS = 500;
/** The first looks come sooner, so that a small one does not seem slow. */
const FIRST_POLL_MS = 50;
/** Failed looks in a row, 5 s, before the service counts as gone. */
const MAX_FAILED_LOOKS = 10;

export async function createSnapshot(
	session: Session,
	input: SnapshotInput,
	options: WatchOptions,
): Promise<ExitCode> {
	const chain = await session.chain();
	const begun = await session.client.createSnapshot(chain, input);
	return followed(session, chain, begun, options);
}

export async function verifySnapshot(
	session: Session,
	id: string,
	options: WatchOptions,
): Promise<ExitCode> {
	const chain = await session.chain();
	const begun = await session.client.verifySnapshot(chain, id);
	return followed(session, chain, begun, options);
}

export async function listSnapshots(session: Session, query: PageQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.snapshots(await session.chain(), query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printTable(
		terminal,
		["id", "state", "kind", "height", "memories", "stored", "cause", "created"],
		page.items.map((each) => [
			each.id,
			stateOf(terminal, each),
			each.kind,
			each.height,
			`${each.memories}`,
			sizeOf(each.storedBytes),
			each.cause,
			each.createdAt,
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${page.cursor}`);
	return EXIT.ok;
}

/** Watches a snapshot until nothing is under way, says how it is, and exits by it. */
export async function followed(
	session: Session,
	chain: string,
	begun: SnapshotAnswer,
	options: WatchOptions,
): Promise<ExitCode> {
	const ended = options.wait ? await watch(session, chain, begun, options) : begun;
	if (session.json) printJson(session.terminal, ended);
	else printSnapshot(session.terminal, ended);
	return !options.wait || ended.state === "verified" ? EXIT.ok : EXIT.halted;
}

/** Looks until nothing is under way, or the time is over. */
export async function watch(
	session: Session,
	chain: string,
	begun: SnapshotAnswer,
	{ timeoutSeconds }: WatchOptions,
): Promise<SnapshotAnswer> {
	const line = session.json ? undefined : progressLine(session.terminal);
	const deadline = performance.now() + timeoutSeconds * 1_000;
	let current = begun;
	let failed = 0;
	try {
		for (let look = 0; current.progress !== undefined; look += 1) {
			if (performance.now() > deadline) break;
			if (line !== undefined) showSnapshot(line, current);
			await sleep(look < POLL_MS / FIRST_POLL_MS ? FIRST_POLL_MS : POLL_MS);
			try {
				current = await session.client.snapshot(chain, current.id);
				failed = 0;
			} catch (error) {
				failed += 1;
				const passing = error instanceof RecantApiError && error.retryable;
				if (!passing || failed >= MAX_FAILED_LOOKS) throw error;
			}
		}
	} finally {
		line?.clear();
	}
	return current;
}

export function printSnapshot(terminal: Terminal, snapshot: SnapshotAnswer): void {
	const { id, kind, height, memories, chunks, rawBytes, storedBytes, error, progress } = snapshot;
	printLine(
		terminal,
		`snapshot ${id}, ${kind}, of height ${height}: ${stateOf(terminal, snapshot)}`,
	);
	if (error !== undefined) {
		printLine(terminal, `  ${printable(error.message)} (${error.code})`);
		printLine(terminal, `  hint: ${printable(error.hint)}`);
	}
	if (progress !== undefined) {
		printLine(terminal, "  it goes on; `recant snapshot list` shows how far it is");
	}
	if (snapshot.manifestId === undefined) return;
	printLine(
		terminal,
		`  ${memories} memories; ${chunks} chunks, ${sizeOf(storedBytes)} stored of ${sizeOf(rawBytes)}`,
	);
	printLine(terminal, `  manifest ${snapshot.manifestId}, state root ${snapshot.roots.state}`);
}

function stateOf(terminal: Terminal, { state }: Pick<SnapshotAnswer, "state">): string {
	if (state === "verified") return paint(terminal, "green", state);
	if (state === "damaged" || state === "failed") return paint(terminal, "red", state);
	return paint(terminal, "yellow", state);
}
