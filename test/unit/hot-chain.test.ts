/** A read of the working memory that waits for its copy while the chain goes on. */
import { expect, test } from "vitest";
import { HotChain } from "../../src/cache/hot-chain.ts";
import type { HotEntries } from "../../src/cache/hot-entries.ts";
import type { Version } from "../../src/domain/memory.ts";
import { CommittedModel } from "../support/committed-model.ts";
import { row } from "../support/versions.ts";

const HOT = row("a", 7n, { layer: "short_term" });

/** Copies that come, and go, only when the test says so. */
function slowEntries() {
	const got = Promise.withResolvers<Version | undefined>();
	const gone = Promise.withResolvers<void>();
	const entries: HotEntries = {
		size: 1,
		get: () => got.promise,
		set: () => undefined,
		delete: () => gone.promise,
		reset: () => undefined,
		async *all() {
			yield { memoryKey: HOT.memoryKey, version: HOT };
		},
		close: async () => undefined,
	};
	return { entries, got, gone };
}

function open() {
	const slow = slowEntries();
	const chain = new HotChain({
		chainId: 1,
		openEntries: () => slow.entries,
		isLeaseHeld: () => true,
		isDatabaseUp: () => true,
		onReset: () => undefined,
		onClose: () => undefined,
	});
	const { state } = new CommittedModel(1);
	chain.resume(state);
	return { chain, state, ...slow };
}

test("answers nothing when a commit began meanwhile, even if it is over", async () => {
	const { chain, state, got, gone } = open();
	const reading = chain.read(HOT.memoryKey);
	chain.changing([HOT.memoryKey]);
	gone.resolve();
	chain.changed({ ...state, logPosition: 1n }, [HOT]);
	got.resolve(HOT);
	expect(await reading).toBeUndefined();
});

test("answers nothing after a commit until it is known that the old copy is gone", async () => {
	const { chain, state, got, gone } = open();
	got.resolve(HOT);
	chain.changing([HOT.memoryKey]);
	chain.changed({ ...state, logPosition: 1n }, [HOT]);
	expect(await chain.read(HOT.memoryKey)).toBeUndefined();
	gone.resolve();
	await gone.promise;
	await Promise.resolve();
	expect(await chain.read(HOT.memoryKey)).toMatchObject({ at: { logPosition: 1n }, version: HOT });
});

test("answers nothing when the state became unknown meanwhile", async () => {
	const { chain, state, got } = open();
	const reading = chain.read(HOT.memoryKey);
	chain.suspend();
	chain.resume(state);
	got.resolve(HOT);
	expect(await reading).toBeUndefined();
});

test("answers only a memory that holds in the pending slot", async () => {
	const { chain, got } = open();
	got.resolve({ ...HOT, toBlock: 11n, expiresBlock: 11n });
	expect(await chain.read(HOT.memoryKey)).toBeUndefined();
});
