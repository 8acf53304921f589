/** What this process does about notices of others: each part looks at what is its own. */
import type { Notice } from "../domain/notice.ts";
import type { RollbackDispatch } from "../rollback/dispatch.ts";
import type { RollbackWatch } from "../service/rollback-watch.ts";
import type { NoticeListener } from "../store/notices.ts";
import type { Foundation } from "./foundation.ts";
import type { ChainParts, Chains } from "./open-chains.ts";
import type { Rollbacks } from "./open-rollbacks.ts";
import type { WorkerRole } from "./worker-role.ts";

export interface NoticeParts {
	readonly chains: Chains;
	readonly rollbacks: Rollbacks;
	readonly dispatch: RollbackDispatch | undefined;
	readonly worker: WorkerRole | undefined;
	readonly watch: RollbackWatch;
}

export function hearNotices({ events }: Foundation, parts: NoticeParts): NoticeListener {
	const { chains, worker } = parts;
	// What was learned of a chain is of no use when its state was replaced.
	const replaced = (chain: ChainParts) => {
		chain.collections.forget();
		grew(chain);
	};
	const grew = ({ process, elsewhere }: ChainParts) => {
		// What this process committed itself it knows.
		if (process?.writer !== undefined) return;
		events.heard();
		elsewhere.committed();
	};
	return {
		onNotice({ kind, chainId }: Notice) {
			const chain = chains.of(chainId);
			if (chain === undefined) return;
			if (kind === "commit") grew(chain);
			else if (kind === "replaced") replaced(chain);
			else if (kind === "inbox") chain.process?.inboxDue();
			else if (kind === "head") chain.process?.follower?.poke();
			else if (kind === "snapshot") chain.process?.snapshots?.poke();
			else if (kind === "delivery") worker?.deliveryDue();
			else rollbackDue(chain, parts);
		},
		onResumed() {
			for (const chain of chains.all) {
				replaced(chain);
				chain.process?.inboxDue();
				chain.process?.follower?.poke();
				chain.process?.snapshots?.poke();
				rollbackDue(chain, parts);
			}
			worker?.deliveryDue();
		},
	};
}

function rollbackDue({ spec, process }: ChainParts, parts: NoticeParts): void {
	const { rollbacks, dispatch, watch } = parts;
	process?.follower?.rollbackDue();
	watch.heard(spec.id);
	// Who follows the chain works on it at once. A job that came as fast would only get in the way of that,
	// so it comes by the clock, unless nobody works on a rollback without one.
	if (!rollbacks.areInline) dispatch?.relay();
}
