/** The log: dense from where it was cut to its end, each entry as it was written. */
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredLogEntry, StoredState, StoredVersion } from "../stored-state.ts";
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
		let next = state.chain.logCutTo + 1n;
		for await (const page of state.log()) {
			await read(page.length);
			for (const entry of page) {
				yield* gap(next, entry.position - 1n);
				next = entry.position + 1n;
				if (!entry.intact) yield damaged(entry);
			}
		}
		yield* gap(next, state.chain.logPosition);
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

/** Every version that the log says was written must have a row, or have given its slot to a later one. */
export const loggedVersions: ScanRule<CheckContext> = {
	kind: "scan",
	name: "logged-versions",
	level: "full",
	severity: "critical",
	compares: "the versions that the log says were written with the rows that hold them",
	async *check({ state, read }) {
		const kept = (await state.generations())[0]?.generation ?? 0n;
		for await (const page of state.log()) {
			const written = page.flatMap((entry) => writtenBy(entry, kept));
			await read(page.length);
			yield* await unkept(state, written);
		}
	},
};

interface Written {
	readonly entry: StoredLogEntry;
	readonly memoryKey: NonNullable<StoredLogEntry["memoryKey"]>;
	readonly versionId: bigint;
}

/** What only pruned generations held may be gone, so older entries say nothing. */
function writtenBy(entry: StoredLogEntry, kept: bigint): readonly Written[] {
	const { kind, memoryKey, generation, intact } = entry;
	if (kind !== "operation" || memoryKey === undefined || !intact) return [];
	if (generation < kept && kept > 0n) return [];
	const body: unknown = JSON.parse(entry.body);
	if (typeof body !== "object" || body === null || !("versionId" in body)) return [];
	return typeof body.versionId === "string" && /^\d+$/.test(body.versionId)
		? [{ entry, memoryKey, versionId: BigInt(body.versionId) }]
		: [];
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
		.map(({ entry, memoryKey, versionId }) => ({
			class: "version_missing" as const,
			subject: subject({
				store: "postgres",
				table: "versions",
				memoryKey,
				versionId,
				fromBlock: entry.height,
				fromGen: entry.generation,
				position: entry.position,
			}),
			message: `version ${versionId}, written by log entry ${entry.position} at height ${entry.height}, has no row`,
			since: entry.height,
			remedy: BY_REPAIR,
		}));
}

/** The row itself, or one that took its slot over in the same generation. */
function isKept({ entry, versionId }: Written, rows: readonly StoredVersion[]): boolean {
	return rows.some(
		(row) =>
			row.versionId === versionId ||
			(row.versionId > versionId &&
				row.fromBlock === entry.height &&
				row.fromGen === entry.generation),
	);
}
