/** Hashes a whole shadow again, and compares its roots with those that were sealed at its height. */
import { hash } from "node:crypto";
import { differingLayers, type StateRoots } from "../commitment/state-root.ts";
import { StateTree } from "../commitment/state-tree.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { contentHash } from "../memory/canonical.ts";
import {
	isThere,
	type Shadow,
	type ShadowRow,
	type ShadowStore,
	shadowRows,
} from "./shadow-store.ts";

export interface VerifiedShadow {
	readonly roots: StateRoots;
	/** That are there at the height. */
	readonly memories: number;
}

/**
 * Every row is read back and hashed from what it says. Throws `FatalError("verification_failed")` naming
 * the layers that differ, or the memory whose row contradicts itself.
 */
export async function verifyShadow(
	store: Pick<ShadowStore, "page">,
	{ shadowId, height }: Pick<Shadow, "shadowId" | "height">,
	expected: { readonly roots: StateRoots | undefined; readonly onRows: (done: number) => void },
): Promise<VerifiedShadow> {
	const tree = new StateTree();
	let memories = 0;
	for await (const rows of shadowRows(store, shadowId)) {
		for (const row of rows) {
			requireWhole(row);
			if (!isThere(row, height)) continue;
			tree.set(row);
			memories += 1;
		}
		expected.onRows(memories);
	}
	const roots = tree.roots();
	if (expected.roots !== undefined) requireEqual(roots, expected.roots, height);
	return { roots, memories };
}

/** Throws `FatalError("verification_failed")` for a row that is not what its hashes say. */
export function requireWhole(row: ShadowRow): void {
	if (contentHash(row) !== row.contentHash) throw differs(row, "content");
	if (row.vectorHash !== undefined && vectorHash(row.vector) !== row.vectorHash) {
		throw differs(row, "vector");
	}
}

function vectorHash(vector: Float32Array | undefined): string | undefined {
	if (vector === undefined) return undefined;
	return `0x${hash("sha256", new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))}`;
}

function requireEqual(found: StateRoots, sealed: StateRoots, height: Height): void {
	const layers = differingLayers(found, sealed);
	if (layers.length === 0) return;
	throw new FatalError("verification_failed", {
		message: `the state restored at block ${height} is another than was sealed there, in ${layers.join(", ")}`,
		hint: "snapshot or log is damaged; try another snapshot, or `--strategy rebuild`",
		fields: { height: height.toString(), layers: layers.join(",") },
	});
}

function differs({ namespace, id }: ShadowRow, what: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the restored ${what} of memory ${JSON.stringify(id)} of namespace ${JSON.stringify(namespace)} does not give its hash`,
		hint: "snapshot or log is damaged; try another snapshot, or `--strategy rebuild`",
		fields: { namespace, id },
	});
}
