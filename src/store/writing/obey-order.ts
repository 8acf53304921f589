/** An operator's order on the locked row of a rollback. */
import { FOREVER, type Generation } from "../../domain/ids.ts";
import type { Obeyed, Surroundings } from "../../rollback/orders.ts";
import type { RollbackRecord } from "../../rollback/rollback-record.ts";
import type { Tx } from "../sql.ts";
import { dropPrepared, ended, fromTheBeginning, send } from "./rollback-moves.ts";

export async function surroundings(tx: Tx, rollback: RollbackRecord): Promise<Surroundings> {
	const { rollbackId, attempt, chainId, ancestor } = rollback;
	const [found] = await tx<
		{
			generation: Generation;
			halted: boolean;
			stands: boolean;
			busy: boolean;
			prepared: boolean;
		}[]
	>`select generation, halt is not null as halted,
			exists (select 1 from blocks where chain_id = ${chainId} and height = ${ancestor.height}
				and hash = ${ancestor.hash} and to_gen = ${FOREVER}) as stands,
			exists (select 1 from rollbacks where chain_id = ${chainId} and rollback_id <> ${rollbackId}
				and state in ('recorded', 'running', 'prepared')) as busy,
			exists (select 1 from rollback_parts where rollback_id = ${rollbackId}
				and attempt = ${attempt}) as prepared
		from chains where chain_id = ${chainId}`;
	return {
		generation: found?.generation ?? rollback.fromGeneration,
		ancestorStands: found?.stands === true,
		isHalted: found?.halted === true,
		isBusy: found?.busy === true,
		isPrepared: found?.prepared === true,
	};
}

export async function obey(
	tx: Tx,
	{ rollbackId, retries }: RollbackRecord,
	what: Obeyed,
): Promise<void> {
	switch (what.type) {
		case "nothing":
			return;
		case "hold":
			await tx`update rollbacks set paused = ${what.paused} where rollback_id = ${rollbackId}`;
			if (what.sends) await send(tx, { rollbackId, retries });
			return;
		case "end":
			// One that is abandoned ended when it failed.
			await tx`update rollbacks set state = ${what.state},
				${what.state === "cancelled" ? tx`error = null, ${ended(tx)}` : tx`paused = false`}
				where rollback_id = ${rollbackId}`;
			return dropPrepared(tx, rollbackId);
		case "again":
			if (what.state === "recorded") await dropPrepared(tx, rollbackId);
			await tx`update rollbacks set state = ${what.state}, retries = retries + 1, takeovers = 0,
				error = null, failed_stage = null, finished_at = null
				${what.state === "recorded" ? tx`, strategy = null, strategy_reason = null, ${fromTheBeginning(tx)}` : tx``}
				where rollback_id = ${rollbackId}`;
			return send(tx, { rollbackId, retries: retries + 1 });
	}
}
