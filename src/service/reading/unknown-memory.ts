/** The answer to a name that stands for nothing, or for nothing that the caller may see. */
import { FatalError } from "../../domain/errors.ts";
import type { Height } from "../../domain/ids.ts";

export function memoryNotFound(
	name: { readonly namespace: string; readonly id: string },
	height: Height,
): FatalError {
	return new FatalError("memory_not_found", {
		message: `there is no memory "${name.id}" in namespace "${name.namespace}" at height ${height}`,
		hint: "see its history for where it holds, or list the namespace",
		fields: { namespace: name.namespace, id: name.id },
	});
}
