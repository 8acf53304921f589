/** What the log has of a group beside what its handlers derived, to be made once more in its place. */
import type { MemoryKey } from "../domain/ids.ts";
import type { RecordedWrite } from "../writer/commit-draft.ts";
import type { StateDraft } from "../writer/state-draft.ts";
import { blankWrite, writeKey, writeOf } from "./apply-steps.ts";
import type { RecordedEntry } from "./log-walk.ts";
import type { LoggedWrite } from "./log-writes.ts";

/**
 * `only`: memories that are worked on, beside handlers'; undefined: all. Of others nothing is known, so
 * each of their writes takes its version id and says nothing.
 */
export function recordedWrites(
	recorded: readonly RecordedEntry[],
	only: ReadonlySet<MemoryKey> | undefined,
): { readonly recorded: readonly RecordedWrite[]; readonly keys: readonly MemoryKey[] } {
	const writeAgain = (write: LoggedWrite) => (draft: StateDraft) =>
		isKnown(write, draft, only) ? writeOf(write, draft) : blankWrite(write);
	return {
		recorded: recorded.map(({ position: entry, slot, write }) => ({
			entry,
			slot,
			write: write && writeAgain(write),
		})),
		keys: recorded.flatMap(({ write }) => (write === undefined ? [] : [writeKey(write)])),
	};
}

/** A memory that ends may be a handler's, which is there then. */
function isKnown(
	write: LoggedWrite,
	draft: StateDraft,
	only: ReadonlySet<MemoryKey> | undefined,
): boolean {
	const key = writeKey(write);
	if (only === undefined || only.has(key)) return true;
	return write.type === "ended" && draft.editor.visible(key, write.slot) !== undefined;
}
