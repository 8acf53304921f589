/** How findings name records, and what the commands are that look at them or mend them. */
import type { Finding, Subject } from "./finding.ts";
import type { StoredVersion } from "./stored-state.ts";

const NOTHING: Omit<Subject, "store" | "table"> = {
	memoryKey: undefined,
	namespace: undefined,
	id: undefined,
	versionId: undefined,
	fromBlock: undefined,
	fromGen: undefined,
	position: undefined,
	collection: undefined,
};

/** A subject of which only the given parts apply. */
export function subject(
	parts: Pick<Subject, "store" | "table"> & Partial<Omit<Subject, "store" | "table">>,
): Subject {
	return { ...NOTHING, ...parts };
}

/** A row of `versions`. */
export function versionSubject(row: StoredVersion): Subject {
	const { memoryKey, namespace, id, versionId, fromBlock, fromGen } = row;
	const collection = row.body?.collection;
	const table = "versions";
	return subject({
		store: "postgres",
		table,
		memoryKey,
		namespace,
		id,
		versionId,
		fromBlock,
		fromGen,
		collection,
	});
}

export const BY_REPAIR: Finding["remedy"] = { by: "repair", commands: ["recant repair"] };

/** What only a person can decide, with the commands that show it. */
export function byPerson(...commands: readonly string[]): Finding["remedy"] {
	return { by: "person", commands };
}
