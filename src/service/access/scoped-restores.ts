/** Partial restores and merges as one caller may ask for them. */
import { type Caller, requireOperator } from "../../domain/caller.ts";
import type { ApplyMode, PartialRestoreService } from "../restoring/partial-restore-service.ts";

/** They compare two states and answer with what both say, so they are an operator's. */
export function scopedRestores(
	restores: PartialRestoreService,
	caller: Caller,
): PartialRestoreService {
	const asked = (mode: ApplyMode): ApplyMode =>
		mode.dryRun ? mode : { ...mode, caller: caller.id };
	return {
		async restore(chain, request, mode) {
			requireOperator(caller);
			return restores.restore(chain, request, asked(mode));
		},
		async merge(chain, request, mode) {
			requireOperator(caller);
			return restores.merge(chain, request, asked(mode));
		},
	};
}
