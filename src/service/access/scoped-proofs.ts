/** Proofs as one caller may ask for them. */
import {
	type Caller,
	requireNamespace,
	requireOperator,
	requireScope,
} from "../../domain/caller.ts";
import type { ProofService } from "../proving/proof-service.ts";

/**
 * A proof of a memory that is not there tells as much as one of a memory that is, so both are for those
 * alone who may read its namespace. The tree has everybody's memories.
 */
export function scopedProofs(proofs: ProofService, caller: Caller): ProofService {
	return {
		async proof(chain, query) {
			requireScope(caller, "read");
			requireNamespace(caller, query.namespace);
			return proofs.proof(chain, query);
		},
		async tree(chain, query) {
			requireOperator(caller);
			return proofs.tree(chain, query);
		},
		async names(chain, query) {
			requireOperator(caller);
			return proofs.names(chain, query);
		},
	};
}
