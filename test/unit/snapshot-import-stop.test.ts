/** A stop, or a lease that was lost, while a snapshot is being restored for an import. */
import { expect, test } from "vitest";
import type { ImportStore } from "../../src/restore/import-store.ts";
import type { RestoreRequest, Restorer } from "../../src/restore/restorer.ts";
import { SnapshotImport } from "../../src/restore/snapshot-import.ts";
import { SILENT } from "../support/silent-log.ts";

/** `stopAt`: step of the restore at which the process is stopped. */
async function start(stopAt: number) {
	const ending = new AbortController();
	let steps = 0;
	let errands = 0;
	const manifest = { height: 7n, logPosition: 8n, counts: { memories: 1 } };
	const restorer = {
		manifest: async () => manifest,
		restore: async ({ onProgress }: RestoreRequest) => {
			for (; steps < 3; steps += 1) {
				if (steps === stopAt) ending.abort();
				onProgress({ step: "snapshot", done: steps, total: 3 });
			}
			if (steps === stopAt) ending.abort();
			return { snapshot: { manifest, operations: [], headers: [], collections: [] } };
		},
		shadows: { rows: async () => new Map() },
	} as unknown as Restorer;
	const store: Partial<ImportStore> = {
		verifiedManifest: async () => "0x01",
		standing: async () => ({
			head: undefined,
			generation: 0n,
			agentOperations: 0,
			rollingBack: false,
		}),
	};
	const importer = new SnapshotImport({
		restorer,
		store: store as ImportStore,
		target: () => ({
			whileStopped: () => {
				errands += 1;
			},
		}),
		log: SILENT,
	});
	const options = { dryRun: false, replace: true };
	const started = importer.start(1, "snapshot", options, ending.signal);
	const outcome = await started.then(
		() => "started",
		(error: unknown) => (error instanceof Error ? error.name : "other"),
	);
	return { outcome, steps, errands };
}

test("ends it at its next step, and nothing is left to be done later", async () => {
	expect(await start(1)).toEqual({ outcome: "AbortError", steps: 1, errands: 0 });
	expect(await start(3)).toEqual({ outcome: "AbortError", steps: 3, errands: 0 });
});

test("that does not come leaves it to the process that follows the chain", async () => {
	expect(await start(9)).toEqual({ outcome: "started", steps: 3, errands: 1 });
});
