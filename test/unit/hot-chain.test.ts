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

/** Copies that are there at once. */
function openAtOnce() {
	const held = new Map([HOT, OTHER].map((version) => [version.memoryKey, version]));
	const entries: HotEntries = {
		get size() {
			return held.size;
		},
		get: (key) => held.get(key),
		set: (versions) => {
			for (const version of versions) held.set(version.memoryKey, version);
		},
		delete: (keys) => {
			for (const key of keys) held.delete(key);
			return undefined;
		},
		reset: () => held.clear(),
		async *all() {
			yield* [];
		},
		close: async () => undefined,
	};
	const chain = new HotChain({
		chainId: 1,
		openEntries: () => entries,
		isLeaseHeld: () => true,
		isDatabaseUp: () => true,
		onReset: () => undefined,
		onClose: () => undefined,
	});
	const { state } = new CommittedModel(1);
	chain.resume(state);
	entries.set([HOT, OTHER]);
	const at = { chainId: 1, height: (state.head?.number ?? 0n) + 1n, generation: state.generation };
	return {
		chain,
		state,
		learned: (version: Version, logPosition: bigint) =>
			chain.learned({ ...at, blockHash: undefined, logPosition, pending: true }, version),
	};
}

const OTHER = row("b", 7n, { layer: "short_term" });

test("while a commit is under way, answers what it does not touch, as of the commit before", async () => {
	const { chain, state } = openAtOnce();
	chain.changing([HOT.memoryKey]);
	expect(await chain.read(HOT.memoryKey)).toBeUndefined();
	expect(await chain.read(OTHER.memoryKey)).toMatchObject({
		at: { logPosition: state.logPosition },
		version: OTHER,
	});
});

test("takes nothing in while a commit is under way: it may be what the commit changes", async () => {
	const { chain, state, learned } = openAtOnce();
	chain.changing([HOT.memoryKey]);
	learned(HOT, state.logPosition);
	chain.changed({ ...state, logPosition: state.logPosition + 1n }, []);
	expect(await chain.read(HOT.memoryKey)).toBeUndefined();
});

test("answers nothing older once Postgres has answered with what a commit under way has brought", async () => {
	const { chain, state, learned } = openAtOnce();
	chain.changing([HOT.memoryKey]);
	learned(HOT, state.logPosition + 1n);
	expect(await chain.read(OTHER.memoryKey)).toBeUndefined();
	chain.changed({ ...state, logPosition: state.logPosition + 1n }, [HOT]);
	expect(await chain.read(OTHER.memoryKey)).toMatchObject({ version: OTHER });
});

test("answers nothing after a commit of unknown outcome", async () => {
	const { chain } = openAtOnce();
	chain.changing([HOT.memoryKey]);
	chain.suspend();
	expect(await chain.read(OTHER.memoryKey)).toBeUndefined();
});
