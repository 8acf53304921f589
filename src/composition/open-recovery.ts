/** Recoveries of halted chains: providers asked one by one, and what is recorded of it. */
import { systemClock } from "../domain/clock.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { Recoverer } from "../recovery/recoverer.ts";
import { openHearing } from "../rpc/witnesses.ts";
import { Recoveries } from "../service/recoveries.ts";
import { PostgresRecoveryStore } from "../store/recovery/postgres-recovery-store.ts";
import type { Foundation } from "./foundation.ts";
import type { Chains } from "./open-chains.ts";

export function openRecovery(
	base: Foundation,
	chains: Chains,
	chainId: (chain: string) => ChainId,
): Recoveries {
	const { database, options, rollbackStore: store, restoredStates: states } = base;
	const recoverer = new Recoverer({
		store: new PostgresRecoveryStore(database),
		plan: {
			store,
			writerStore: base.writerStore,
			restorer: base.restorer,
			states,
			changesLimit: options.rollbackChanges ?? LIMITS.rollbackChanges,
		},
		hear: (id) => {
			const chain = chains.of(id);
			if (chain === undefined) throw unknownChain(id);
			return openHearing(chain.spec.rpc);
		},
		clock: systemClock,
	});
	return new Recoveries({
		recoverer,
		chainId,
		due: (id) => {
			const chain = chains.of(id);
			chain?.rollbackDue();
			chain?.snapshotDue();
		},
	});
}

function unknownChain(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} has no file here`,
		hint: "recover it where its file is",
		fields: { chainId },
	});
}
