/** Namespaces that a request names: of what it writes, and of what it points to. */
import type { OperationRequest } from "../writing/operation-request.ts";

const DEFAULT_NAMESPACE = "default";
/** What a memory says is the caller's own, whatever words are in it. */
const CONTENTS: ReadonlySet<string> = new Set(["content", "properties", "vector", "text"]);

/** Everything called `namespace`, wherever it stands but in contents; what names none is `default`. */
export function namedNamespaces(operations: readonly OperationRequest[]): ReadonlySet<string> {
	const found = new Set<string>();
	for (const operation of operations) {
		found.add(operation.namespace ?? DEFAULT_NAMESPACE);
		collect(operation, found);
	}
	return found;
}

/** Requests are as deep as their schema, so it may recurse. */
function collect(value: unknown, found: Set<string>): void {
	if (typeof value !== "object" || value === null) return;
	for (const [field, item] of Object.entries(value)) {
		if (field === "namespace" && typeof item === "string") found.add(item);
		else if (!CONTENTS.has(field)) collect(item, found);
	}
}
