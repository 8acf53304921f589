/** Consolidations as one caller may ask for them. */
import { type Caller, requireNamespace, requireScope } from "../../domain/caller.ts";
import type { ConsolidationService } from "../layers/consolidation-service.ts";

/** They are writes into a namespace of the caller's. */
export function scopedConsolidations(
	service: ConsolidationService,
	caller: Caller,
): ConsolidationService {
	return {
		async consolidate(chain, request, mode) {
			requireScope(caller, "write");
			requireNamespace(caller, request.namespace);
			return service.consolidate(chain, request, { ...mode, caller });
		},
	};
}
