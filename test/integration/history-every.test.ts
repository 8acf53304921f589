/** A back-filled chain of which not every height stays readable, beside one of which every height does. */
import { expect, test } from "vitest";
import { startAnvil } from "../../scripts/support/anvil.ts";
import { RecantClient } from "../../src/client/client.ts";
import { checked } from "../support/consistency.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { CHAIN, startTestRecant, type TestRecant } from "../support/recant.ts";
import { GENESIS_TIMESTAMP, TestChain } from "../support/test-chain.ts";
import { atTestEnd } from "../support/test-end.ts";
import { withSql } from "../support/with-sql.ts";

const BLOCKS = 45;
const EVERY = 10;

async function memoriesAt(client: RecantClient, at: number) {
	const { items } = await client.memories(CHAIN, { at: `${at}`, limit: 200 });
	return items.map(({ versionId: _versionId, ...rest }) => rest);
}

async function versionsOf({ home }: TestRecant): Promise<number> {
	return withSql(home.databaseUrl, async (sql) => {
		const [row] = await sql<{ count: string }[]>`select count(*) as count from recant.versions`;
		return Number(row?.count);
	});
}

test("kept heights say what they say with a whole history, others are refused with their neighbours", async () => {
	const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP, slotsInAnEpoch: 2 });
	atTestEnd(() => node.stop());
	const chain = await TestChain.create(node);
	for (let block = 0; block < BLOCKS; block += 1) {
		await chain.block({ from: undefined, to: 1 + (block % 2), value: 1n + BigInt(block) });
	}
	const start = async (name: string, every: number) => {
		const chainFile = { history: { every }, consistency: { basicEveryMs: 0 } };
		const token = chain.token.address;
		const recant = await startTestRecant({ name, rpcUrl: node.rpcUrl, token, chainFile });
		const client = new RecantClient({ url: recant.url });
		await untilFollowed(client, CHAIN, node.rpcUrl);
		return { recant, client };
	};
	const whole = await start("history-whole", 1);
	const thin = await start("history-thin", EVERY);

	const head = Number((await thin.client.chain(CHAIN)).head?.height);
	const ranges = await withSql(
		thin.recant.home.databaseUrl,
		(sql) => sql<{ to_block: string }[]>`select to_block::text from recant.thinned_ranges`,
	);
	const end = Number(ranges[0]?.to_block);
	expect(ranges).toHaveLength(1);
	expect(end).toBeGreaterThan(3 * EVERY);
	for (let height = 0; height <= head; height += 1) {
		if (height % EVERY === 0 || height >= end) {
			expect(await memoriesAt(thin.client, height)).toEqual(await memoriesAt(whole.client, height));
			continue;
		}
		const below = `${height - (height % EVERY)}`;
		const above = `${Math.min(end, height - (height % EVERY) + EVERY)}`;
		await expect(memoriesAt(thin.client, height)).rejects.toMatchObject({
			status: 410,
			code: "height_not_retained",
			problem: { below, above, every: `${EVERY}` },
		});
	}
	expect(await ledgerState(thin.client, CHAIN)).toEqual(await ledgerState(whole.client, CHAIN));
	expect((await memoriesAt(thin.client, EVERY)).length).toBeGreaterThan(EVERY);
	expect(await versionsOf(thin.recant)).toBeLessThan(await versionsOf(whole.recant));
	// It derives the groups again, and holds what they give against the log and the rows.
	const { run, findings } = await checked(thin.client, { level: "comprehensive" });
	expect({ run, findings }).toMatchObject({ run: { state: "done", score: 1 }, findings: [] });
});
