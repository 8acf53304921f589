import { FatalError } from "../../domain/errors.ts";

/** Of an operation that is not there, and of one that is not the caller's to see: nobody can tell. */
export function unknownOperation(operationId: string): FatalError {
	return new FatalError("unknown_operation", {
		message: `there is no operation ${operationId}`,
		hint: "ids come with the answer to a write",
		fields: { operationId },
	});
}
