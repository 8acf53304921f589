/** What has to reach the queue, and what the sweep finds. */
import { expect } from "vitest";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { claimed, recorded } from "./rollback-cases.ts";
import { CHAIN, rollbackId } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const ONE = rollbackId(1);
const TWO = rollbackId(2);
const TTL_MS = 10_000;

export const OUTBOX_CASES: readonly ConformanceCase[] = [
	{
		name: "entries wait in order until they are forgotten",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const { outbox, rollbacks } = stores.ports;
			await rollbacks.record(scribe.newRollback(TWO, ancestor), ONE);
			const waiting = await outbox.waiting();
			expect(waiting.map((entry) => entry.rollbackId)).toEqual([ONE, TWO]);
			await outbox.forget(waiting[0]?.outboxId ?? 0n);
			await outbox.forget(waiting[0]?.outboxId ?? 0n);
			expect((await outbox.waiting()).map((entry) => entry.rollbackId)).toEqual([TWO]);
		},
	},
	{
		name: "a rollback that was not recorded has no entry",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const refused = stores.ports.rollbacks.record(scribe.newRollback(TWO, ancestor), undefined);
			await expect(refused).rejects.toMatchObject({ code: "chain_busy" });
			expect(await stores.ports.outbox.waiting()).toHaveLength(1);
		},
	},
	{
		name: "a rollback that nobody works on is unattended once it is old enough",
		run: async (stores) => {
			await recorded(stores);
			expect(await unattended(stores)).toEqual([]);
			await stores.pass(60_000);
			expect(await unattended(stores)).toEqual([{ rollbackId: ONE, retries: 0, chainId: CHAIN }]);
		},
	},
	{
		name: "one that is claimed is unattended when the claim lapsed, and when it was given up",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await stores.pass(60_000);
			expect(await unattended(stores)).toHaveLength(1);
			await rollbacks.claim(ONE, "other", TTL_MS);
			expect(await unattended(stores)).toEqual([]);
			await rollbacks.release(ONE, 2, { failure: undefined, keepsPrepared: true });
			expect(await unattended(stores)).toHaveLength(1);
		},
	},
	{
		name: "one that is prepared and left alone is unattended",
		run: async (stores) => {
			await claimed(stores);
			await stores.ports.rollbacks.prepared(ONE, 1, { parts: [], counts: NO_COUNTS });
			await stores.pass(60_000);
			expect(await unattended(stores)).toHaveLength(1);
		},
	},
	{
		name: "one that is paused, and one that is over, need nobody",
		run: async (stores) => {
			await recorded(stores);
			const { rollbacks } = stores.ports;
			await stores.pass(60_000);
			await rollbacks.order(ONE, "pause");
			expect(await unattended(stores)).toEqual([]);
			await rollbacks.order(ONE, "resume");
			expect(await unattended(stores)).toHaveLength(1);
			await rollbacks.cancel(ONE, 0);
			expect(await unattended(stores)).toEqual([]);
		},
	},
];

function unattended({ ports: { outbox } }: StoresUnderTest) {
	return outbox.unattended(30_000);
}
