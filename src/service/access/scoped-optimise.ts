/** Optimisations as one caller may ask for them. */
import {
	type Caller,
	requireNamespace,
	requireOperator,
	requireScope,
} from "../../domain/caller.ts";
import type { OptimiseService } from "../layers/optimise-service.ts";

/** They write deletions into a namespace of the caller's; collections are the whole chain's. */
export function scopedOptimise(service: OptimiseService, caller: Caller): OptimiseService {
	return {
		async optimise(chain, request, mode) {
			requireScope(caller, mode.dryRun ? "read" : "write");
			requireNamespace(caller, request.namespace);
			if (request.refresh) requireOperator(caller);
			const asked = mode.dryRun ? mode : { ...mode, caller: caller.id };
			return service.optimise(chain, request, asked);
		},
	};
}
