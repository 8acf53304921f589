/** How often a listening connection is tried again that does not hold. */
import { expect, test } from "vitest";
import type { Clock } from "../../src/domain/clock.ts";
import type { Database } from "../../src/store/database.ts";
import { Notices } from "../../src/store/notices.ts";

/** Time stands; what waits for it is run by the test. */
function rig() {
	const waits: { readonly ms: number; readonly work: () => void }[] = [];
	const beats: (() => void)[] = [];
	const lose: (() => void)[] = [];
	const warnings: string[] = [];
	let resumed = 0;
	const clock: Partial<Clock> = {
		random: () => 1,
		after: (ms, work) => {
			waits.push({ ms, work });
			return () => undefined;
		},
		every: (_ms, work) => {
			beats.push(work);
			return () => undefined;
		},
	};
	const sql = Object.assign(async () => [], { unsafe: () => ({ execute: async () => [] }) });
	const database = {
		openListener: (_onNotice: unknown, onGone: () => void) => {
			lose.push(onGone);
			return { sql, end: async () => undefined };
		},
	};
	const notices = new Notices({
		database: database as unknown as Database,
		log: { warn: (_fields, message) => warnings.push(message) },
		clock: clock as Clock,
	});
	const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
	return {
		waits,
		warnings,
		resumed: () => resumed,
		start: () =>
			notices.start({
				onNotice: () => undefined,
				onResumed: () => {
					resumed += 1;
				},
			}),
		/** Postgres takes it away, and the wait that follows is over at once. */
		async breaks() {
			lose.at(-1)?.();
			waits.at(-1)?.work();
			await settled();
		},
		async beat() {
			beats[0]?.();
			await settled();
		},
	};
}

test("one that is taken away as soon as it listens is waited for longer each time, and told once", async () => {
	const { start, breaks, beat, waits, warnings, resumed } = rig();
	await start();
	for (let round = 0; round < 8; round += 1) await breaks();
	expect(waits.map(({ ms }) => ms)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
	expect(warnings).toHaveLength(1);
	// Each time something may have been said meanwhile.
	expect(resumed()).toBe(9);

	await beat();
	await breaks();
	expect(waits.at(-1)?.ms).toBe(100);
	expect(warnings).toHaveLength(2);
});
