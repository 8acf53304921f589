/**
 * Where the rows say that LanceDB's tables stand, against the head's checkpoint, the writer and the
 * tables themselves.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../../domain/errors.ts";
import type { VectorPointer, VectorPointers } from "../../writer/commit-batch.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredCollection } from "../stored-state.ts";
import { BY_REPAIR, subject } from "../subject.ts";

/** Looks at a pointer that the writer sees elsewhere: a flush moves the row first, then tells the writer. */
const LOOKS = 10;
const LOOK_MS = 100;

export const pointers: ScanRule<CheckContext> = {
	kind: "scan",
	name: "pointers",
	level: "basic",
	severity: "error",
	compares: "the pointer of each collection with the head's checkpoint, the writer and the table",
	async *check(context) {
		for (const collection of await context.state.collections()) {
			await context.read(1);
			const problem = await pointerProblem(collection, context);
			if (problem !== undefined) yield broken(collection, problem);
		}
	},
};

/** Undefined: the pointer can be believed. */
export async function pointerProblem(
	collection: StoredCollection,
	context: CheckContext,
): Promise<string | undefined> {
	const { versionId, tableVersion } = collection.pointer;
	const { state, at } = context;
	if (versionId > state.chain.versionSeq)
		return `it names version ${versionId}, the last given out is ${state.chain.versionSeq}`;
	const sealed = await state.checkpoint(at.height);
	const floor = sealed?.intact === true ? sealed.pointers?.[collection.name] : undefined;
	if (floor !== undefined && (versionId < floor.versionId || tableVersion < floor.tableVersion))
		return `it names ${shown(collection.pointer)}, the head's checkpoint already ${shown(floor)}`;
	return (await againstWriter(collection, context)) ?? (await inTable(collection, context));
}

async function againstWriter(
	{ name }: StoredCollection,
	{ parts }: CheckContext,
): Promise<string | undefined> {
	for (let look = 1; ; look += 1) {
		const before = parts.pointers();
		const stored = await parts.storedPointers();
		const after = parts.pointers();
		if (before === undefined || after === undefined) return undefined;
		const row = stored[name];
		if (row === undefined || isOneOf(row, name, [before, after])) return undefined;
		const known = after[name];
		if (known === undefined) return undefined;
		if (look === LOOKS) return `it names ${shown(row)}, the writer left it at ${shown(known)}`;
		await sleep(LOOK_MS);
	}
}

function isOneOf(row: VectorPointer, name: string, seen: readonly VectorPointers[]): boolean {
	return seen.some((pointers) => {
		const known = pointers[name];
		return known?.tableVersion === row.tableVersion && known.versionId === row.versionId;
	});
}

async function inTable(
	{ table, pointer, dimensions }: StoredCollection,
	{ parts }: CheckContext,
): Promise<string | undefined> {
	if (pointer.tableVersion === 0n) {
		return pointer.versionId === 0n
			? undefined
			: `it names no table, and version ${pointer.versionId}`;
	}
	try {
		const found = await parts.tables.health(table, pointer.tableVersion);
		if (found.dimensions === dimensions) return undefined;
		return `the table has ${found.dimensions} dimensions, the collection ${dimensions}`;
	} catch (error) {
		if (error instanceof FatalError) return error.message;
		throw error;
	}
}

function shown({ tableVersion, versionId }: VectorPointer): string {
	return `table version ${tableVersion} up to version ${versionId}`;
}

function broken(collection: StoredCollection, what: string): RuleFinding {
	return {
		class: "pointer_broken",
		subject: subject({
			store: "postgres",
			table: "collections",
			collection: collection.name,
		}),
		message: `the pointer of collection ${collection.name} is wrong: ${what}`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}
