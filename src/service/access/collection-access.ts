/** Who may make collections. */
import type { Caller } from "../../domain/caller.ts";
import { FatalError } from "../../domain/errors.ts";
import { DEFAULT_COLLECTION, type Operation } from "../../domain/operation.ts";

/**
 * A collection is all namespaces': who makes it decides for all of them what vectors it takes, and there
 * are few. So a key of some namespaces uses what is there, and can make the default one for texts. Throws
 * `forbidden_scope`.
 */
export function requireCollections(
	{ namespaces }: Caller,
	shapes: readonly { readonly name: string }[],
	operations: readonly Operation[],
): void {
	if (namespaces === undefined) return;
	const made = shapes.find(
		({ name }) => name !== DEFAULT_COLLECTION || operations.some(givesVector),
	);
	if (made === undefined) return;
	throw new FatalError("forbidden_scope", {
		message: `there is no collection "${made.name}" yet, and the API key is for some namespaces only`,
		hint: "write one memory into it with a key that is not bound to namespaces; then it is there for all",
		fields: { collection: made.name },
	});
}

function givesVector(operation: Operation): boolean {
	if (operation.kind !== "put") return false;
	const { vector, collection } = operation.body;
	return vector !== undefined && collection === DEFAULT_COLLECTION;
}
