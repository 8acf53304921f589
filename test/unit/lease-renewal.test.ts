/** Renewals of a lease while the chain's row is held, by a commit that takes minutes. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { ChainProcess, type ChainProcessOptions } from "../../src/follower/chain-process.ts";
import { SILENT } from "../support/silent-log.ts";

beforeEach(() => {
	vi.useFakeTimers();
});

afterEach(() => {
	vi.useRealTimers();
});

test("wait one at a time, and go on when the row is free", async () => {
	const loading = Promise.withResolvers<never>();
	const renewals: PromiseWithResolvers<boolean>[] = [];
	const writerStore = {
		acquireLease: async () => ({ fence: 1n }),
		loadChain: () => loading.promise,
		renewLease: () => {
			const renewal = Promise.withResolvers<boolean>();
			renewals.push(renewal);
			return renewal.promise;
		},
	};
	const chain = new ChainProcess({
		spec: { id: 1, name: "test" },
		source: {},
		holder: "here",
		writerStore,
		collections: { ensure: async () => ({ takesTexts: true }) },
		log: SILENT,
	} as unknown as ChainProcessOptions);
	chain.start();
	await vi.advanceTimersByTimeAsync(60_000);
	expect(renewals).toHaveLength(1);

	renewals[0]?.resolve(true);
	await vi.advanceTimersByTimeAsync(2_000);
	expect(renewals).toHaveLength(2);

	const stopped = chain.stop();
	loading.reject(new RetryableError("database_unavailable", { message: "gone", hint: "" }));
	await vi.advanceTimersByTimeAsync(1_000);
	await stopped;
});
