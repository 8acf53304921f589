/**
 * The ancestor's state, however it was had: what the replay builds on and what the commit has to change.
 */
import type { LeafChange } from "../commitment/leaf-changes.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type { Height, VersionId } from "../domain/ids.ts";
import type { StateEditor } from "../memory/state-editor.ts";
import type { Shadow } from "../restore/shadow-store.ts";
import type { VectorPointers } from "../writer/commit-batch.ts";
import type { ReplayStore } from "./replay.ts";
import type { ReportBuilder } from "./report.ts";

/** What is believed after the replay, of memories that were loaded for it. */
export interface Believed {
	readonly editor: Pick<StateEditor, "isLoaded" | "visible">;
	/** The pending slot. */
	readonly at: Height;
}

export interface AncestorState {
	/** What the replay reads beside what is loaded. */
	readonly reader: ReplayStore;
	readonly vectorsOf: (ids: readonly VersionId[]) => Promise<ReadonlyMap<VersionId, Float32Array>>;
	/** How the state tree goes back; undefined: it is compared with the shadow. */
	readonly changes: readonly LeafChange[] | undefined;
	/** That the state tree must have there. */
	readonly roots: StateRoots;
	readonly shadow: Shadow | undefined;
	/** Where the collections go back to. */
	readonly pointers: VectorPointers;
	/** Tells the report what was believed before and is not believed in the new pending slot. */
	readonly compare: (report: ReportBuilder, now: Believed) => Promise<void>;
}
