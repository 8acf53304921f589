/** The log: dense from where it was cut to its end, each entry as it was written. */
import { slotOf } from "../../restore/log-writes.ts";
import type { CheckContext } from "../check-context.ts";
import { type LogEvent, logEvents } from "../repair/log-events.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredLogEntry } from "../stored-log-entry.ts";
import type { StoredState, StoredVersion } from "../stored-state.ts";
import { BY_REPAIR, byPerson, subject } from "../subject.ts";

/** Missing positions of one gap that are named one by one. */
const NAMED_GAP = 100n;

export const logEntries: ScanRule<CheckContext> = {
	kind: "scan",
	name: "log-entries",
	level: "full",
	severity: "critical",
	compares: "every log entry with its checksum and its neighbours' positions",
	async *check({ state, read }) {
		const { logCutTo, logPosition } = state.chain;
		let next = logCutTo + 1n;
		for await (const page of state.log()) {
			await read(page.length);
			for (const entry of page) {
				if (!entry.intact) yield damaged(entry);
				// An imported snapshot brings single entries from below with it: those of open operations.
				if (entry.position <= logCutTo) continue;
				yield* gap(next, entry.position - 1n);
				next = entry.position + 1n;
			}
		}
		yield* gap(next, logPosition);
	},
};

function* gap(from: bigint, to: bigint): Generator<RuleFinding, void> {
	for (let position = from; position <= to && position < from + NAMED_GAP; position += 1n) {
		yield corrupt(position, undefined, `entry ${position} is missing`);
	}
	if (to - from >= NAMED_GAP)
		yield corrupt(to, undefined, `entries ${from + NAMED_GAP} to ${to} are missing`);
}

function damaged({ position, height, kind }: StoredLogEntry): RuleFinding {
	return corrupt(position, height, `entry ${position} (${kind}) does not fit its checksum`);
}

function corrupt(position: bigint, since: bigint | undefined, what: string): RuleFinding {
	return {
		class: "log_corrupt",
		subject: subject({ store: "postgres", table: "log", position }),
		message: `the log is damaged: ${what}`,
		since,
		remedy: byPerson(
			`recant check --level paranoid`,
			"restore the log from a backup or a snapshot",
		),
	};
}

/**
 * Every version that the log says was written must have a row, or have given its slot to a later one. What
 * came with an imported snapshot, below the cut, has a row only if it was visible there.
 */
export const loggedVersions: ScanRule<CheckContext> = {
	kind: "scan",
	name: "logged-versions",
	level: "full",
	severity: "critical",
	compares: "the versions that the log says were written with the rows that hold them",
	async *check({ state, read }) {
		const kept = (await state.generations())[0]?.generation ?? 0n;
		const { logCutTo } = state.chain;
		let written: Written[] = [];
		let events = 0;
		for await (const event of logEvents(state)) {
			events += 1;
			written.push(...writtenBy(event, kept).filter(({ position }) => position > logCutTo));
			if (events < PAGE) continue;
			await read(events);
			yield* await unkept(state, written);
			written = [];
			events = 0;
		}
		await read(events);
		yield* await unkept(state, written);
	},
};

/** Events whose versions are looked up together. */
const PAGE = 2_000;

interface Written {
	readonly position: bigint;
	readonly generation: bigint;
	/** Slot in which it took effect. */
	readonly slot: bigint;
	readonly memoryKey: NonNullable<StoredLogEntry["memoryKey"]>;
	readonly versionId: bigint;
}

/** What only pruned generations held may be gone, so older entries say nothing. A group names no versions. */
function writtenBy(event: LogEvent, kept: bigint): readonly Written[] {
	if (event.type !== "write") return [];
	const { entry, versionId } = event;
	const { memoryKey, generation, position } = entry;
	if (memoryKey === undefined || (generation < kept && kept > 0n)) return [];
	return [{ position, generation, slot: slotOf(entry), memoryKey, versionId }];
}

async function unkept(
	state: StoredState,
	written: readonly Written[],
): Promise<readonly RuleFinding[]> {
	if (written.length === 0) return [];
	const memories = await state.memoriesOf([...new Set(written.map(({ memoryKey }) => memoryKey))]);
	const rowsOf = new Map(memories.map(({ memoryKey, rows }) => [memoryKey, rows]));
	return written
		.filter((each) => !isKept(each, rowsOf.get(each.memoryKey) ?? []))
		.map(({ position, generation, slot, memoryKey, versionId }) => ({
			class: "version_missing" as const,
			subject: subject({
				store: "postgres",
				table: "versions",
				memoryKey,
				versionId,
				fromBlock: slot,
				fromGen: generation,
				position,
			}),
			message: `version ${versionId}, written by log entry ${position} at height ${slot}, has no row`,
			since: slot,
			remedy: BY_REPAIR,
		}));
}

/** The row itself, or one that took its slot over in the same generation. */
function isKept({ versionId, slot, generation }: Written, rows: readonly StoredVersion[]): boolean {
	return rows.some(
		(row) =>
			row.versionId === versionId ||
			(row.versionId > versionId && row.fromBlock === slot && row.fromGen === generation),
	);
}
