/** Recorded results as one caller may ask for them. */
import { type Caller, requireNamespace, requireScope } from "../../domain/caller.ts";
import type { ResultsService } from "../records/results-service.ts";

export function scopedResults(results: ResultsService, caller: Caller): ResultsService {
	return {
		async result(chain, name) {
			requireScope(caller, "read");
			requireNamespace(caller, name.namespace);
			return results.result(chain, name);
		},
		async recordResult(chain, request) {
			requireScope(caller, "write");
			requireNamespace(caller, request.namespace);
			return results.recordResult(chain, request);
		},
	};
}
