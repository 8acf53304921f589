/** The world is whole again: everybody agrees with the node, nothing is under way, nothing was lost. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChainAnswer } from "../../src/client/answers.ts";
import { CHAIN } from "../support/recant.ts";
import { withSql } from "../support/with-sql.ts";
import type { ChaosWorld } from "./chaos-world.ts";

/** From the moment at which everything runs again; on a quiet machine it takes a second or two. */
const SETTLED_MS = 60_000;
const LOOK_MS = 25;

/** Milliseconds until the world was settled. Throws with what was seen last after a minute. */
export async function settled(chaos: ChaosWorld): Promise<number> {
	const startMs = performance.now();
	const head = await chaos.world.chain.head();
	let seen: readonly unknown[] = [];
	while (performance.now() - startMs < SETTLED_MS) {
		const views = await Promise.all(
			chaos.seats.map(
				({ client, name }) =>
					client?.chain(CHAIN).catch((error: unknown) => String(error)) ?? `${name} does not run`,
			),
		);
		seen = views;
		const chains = views.filter((view): view is ChainAnswer => typeof view !== "string");
		const isAll = chains.length === chaos.seats.length;
		if (isAll && chains.every((view) => isAt(view, head.hash))) return performance.now() - startMs;
		await sleep(LOOK_MS);
	}
	const outputs = chaos.seats.map(({ name, output }) => `${name}: ${output.slice(-2_000)}`);
	throw new Error(
		`not settled within ${SETTLED_MS} ms at ${head.number} ${head.hash}: ${JSON.stringify(seen)}\n${outputs.join("\n")}`,
	);
}

function isAt(view: ChainAnswer, hash: string): boolean {
	// Whoever stands by says what the process with the lease does, or that it waits for that one.
	const stands = view.state === "following" || view.problem?.code === "lease_held";
	return stands && view.head?.hash === hash && view.rollback === undefined && view.inbox === 0;
}

/** What must be true in Postgres whatever happened; each line that is not is a violation. */
export async function storedViolations(chaos: ChaosWorld): Promise<readonly string[]> {
	const ids = [...new Set(chaos.world.journal.map(({ operationId }) => operationId))];
	return withSql(chaos.databaseUrl, async (sql) => {
		const violations: string[] = [];
		const [gaps] = await sql<{ gaps: number }[]>`
			select (max(position) - min(position) + 1 - count(*))::int as gaps from log`;
		if (gaps?.gaps !== 0) violations.push(`the log has ${gaps?.gaps} gaps`);
		const [lost] = await sql<{ lost: string[] }[]>`
			select coalesce(array_agg(id), '{}') as lost from unnest(${ids}::uuid[]) id
			where not exists (select 1 from log where operation_id = id)`;
		if (lost !== undefined && lost.lost.length > 0)
			violations.push(`operations were answered and are not in the log: ${lost.lost.join(", ")}`);
		const active = await sql<{ rollback_id: string; state: string }[]>`
			select rollback_id, state from rollbacks
			where state in ('recorded', 'running', 'prepared')`;
		for (const { rollback_id: id, state } of active)
			violations.push(`rollback ${id} is ${state}, and nothing is under way`);
		const [generations] = await sql<{ count: bigint; newest: bigint; present: bigint }[]>`
			select count(*), max(g.generation) as newest, max(c.generation) as present
			from generations g join chains c using (chain_id)`;
		const { count, newest, present } = generations ?? {};
		if (`${Number(count) - 1}` !== `${newest}` || `${newest}` !== `${present}`)
			violations.push(`${count} generations, the newest ${newest}, the chain's own ${present}`);
		return violations;
	});
}
