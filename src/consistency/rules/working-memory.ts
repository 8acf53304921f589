/**
 * Working memory against rows. Its entries change at any time, so one that differs is looked at again,
 * together with its row, before it is called stale.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../../domain/errors.ts";
import type { Height, MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { CheckContext, WorkingEntry } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { BY_REPAIR, subject } from "../subject.ts";

const PAGE_ENTRIES = 500;
/** A commit changes row and entry one after the other, within this. */
const AGAIN_MS = 200;
const LOOKS = 5;

export const workingMemory: ScanRule<CheckContext> = {
	kind: "scan",
	name: "working-memory",
	level: "full",
	severity: "error",
	compares: "every entry of working memory with the version that is believed now",
	async *check({ chainId, parts, read }) {
		const { working } = parts;
		if (working === undefined) return;
		let suspects: WorkingEntry[] = [];
		let page: WorkingEntry[] = [];
		const look = async () => {
			await read(page.length);
			suspects.push(...(await differing(page, parts)));
			page = [];
		};
		for await (const entry of working.entries(chainId)) {
			page.push(entry);
			if (page.length === PAGE_ENTRIES) await look();
		}
		await look();
		for (let again = 1; again < LOOKS && suspects.length > 0; again += 1) {
			await sleep(AGAIN_MS);
			suspects = [...(await stillDiffering(suspects, chainId, parts))];
		}
		yield* suspects.map(stale);
	},
};

async function differing(
	entries: readonly WorkingEntry[],
	parts: CheckContext["parts"],
): Promise<readonly WorkingEntry[]> {
	if (entries.length === 0) return [];
	try {
		const { slot, versions } = await parts.believed(entries.map(({ memoryKey }) => memoryKey));
		return entries.filter(
			({ memoryKey, version }) =>
				isAnswered(version, slot) && !isSame(version, versions.get(memoryKey)),
		);
	} catch (error) {
		if (!(error instanceof FatalError)) throw error;
		return oneByOne(entries, parts);
	}
}

/** A row that cannot be read judges no copy; the rule that reads rows finds it. */
async function oneByOne(
	entries: readonly WorkingEntry[],
	parts: CheckContext["parts"],
): Promise<readonly WorkingEntry[]> {
	if (entries.length === 1) return entries.filter(({ version }) => version === undefined);
	const alone: WorkingEntry[] = [];
	for (const entry of entries) alone.push(...(await differing([entry], parts)));
	return alone;
}

/** What was among the suspects, is kept in the same way still, and differs still. */
async function stillDiffering(
	suspects: readonly WorkingEntry[],
	chainId: number,
	parts: CheckContext["parts"],
): Promise<readonly WorkingEntry[]> {
	const before = new Map(suspects.map((entry) => [entry.memoryKey, entry.version]));
	const kept: WorkingEntry[] = [];
	for await (const entry of parts.working?.entries(chainId) ?? []) {
		const known = before.get(entry.memoryKey);
		if (before.has(entry.memoryKey) && known?.versionId === entry.version?.versionId)
			kept.push(entry);
	}
	return differing(kept, parts);
}

/** What has ended by itself stays where it is, and answers nothing. */
function isAnswered(version: Version | undefined, slot: Height): boolean {
	return version === undefined || (version.fromBlock <= slot && slot < version.toBlock);
}

function isSame(entry: Version | undefined, row: Version | undefined): boolean {
	if (entry === undefined || row === undefined) return false;
	return (
		entry.versionId === row.versionId &&
		entry.contentHash === row.contentHash &&
		entry.fromBlock === row.fromBlock &&
		entry.toBlock === row.toBlock &&
		JSON.stringify(entry.content) === JSON.stringify(row.content) &&
		entry.text === row.text &&
		entry.layer === row.layer &&
		entry.owner === row.owner &&
		entry.importance === row.importance &&
		entry.confidence === row.confidence &&
		entry.suspect === row.suspect &&
		entry.grounds === row.grounds
	);
}

function stale({ memoryKey, version }: WorkingEntry): RuleFinding {
	return {
		class: "working_memory_stale",
		subject: subject({
			store: "working_memory",
			table: "hot",
			memoryKey: memoryKey satisfies MemoryKey,
			namespace: version?.namespace,
			id: version?.id,
			versionId: version?.versionId,
		}),
		message: `working memory holds ${version === undefined ? "what cannot be read" : `version ${version.versionId}`} of ${memoryKey}, and the rows say otherwise`,
		since: version?.fromBlock,
		remedy: BY_REPAIR,
	};
}
