/** What a lease holder says of handlers' memories to a rollback. */
import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import { Extension, type ExtensionOptions } from "../../src/follower/extension.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { ChainState } from "../../src/writer/chain-state.ts";
import { headerChain } from "../support/header-chain.ts";

const [PARENT, BLOCK] = headerChain("a", { from: 0, to: 1 });
const NAME = { namespace: "ledger", id: "holder:1" };
const KEY = memoryKey(NAME.namespace, NAME.id);
const BODY = { layer: "semantic", content: { balance: "1" } };
const STATE = { generation: 3n, fence: 7n, logPosition: 40n };

/** One that has committed a block whose handler reads KEY and writes it. */
async function followed() {
	const writer = {
		state: STATE as Partial<ChainState>,
		waiting: [],
		window: undefined,
		commitBlocks: async () => undefined,
		settle: async () => undefined,
	};
	const extension = new Extension({
		spec: { id: 1, finalityDepthBlocks: 64, finalityEveryMs: 0 },
		source: { tagged: async () => PARENT, blockByNumber: async () => PARENT },
		writer,
		deriver: {
			derive: async (
				_headers: unknown,
				_waiting: unknown,
				read: (key: MemoryKey) => Promise<unknown>,
			) => {
				await read(KEY);
				return [
					{ header: BLOCK, operations: [{ kind: "put", ...NAME, body: BODY }], anchors: new Map() },
				];
			},
		},
		writerStore: { latestVersions: async () => new Map() },
		onTags: () => undefined,
		isStopped: () => false,
		clock: { now: () => 0 },
	} as unknown as ExtensionOptions);
	if (BLOCK !== undefined) await extension.extend([BLOCK], { toHead: true });
	const { memories } = extension;
	const balance = (state: typeof STATE, key: MemoryKey = KEY) =>
		memories.in(state)?.(key)?.version?.content;
	return { writer, memories, balance };
}

test("what was committed is known in that state", async () => {
	const { balance, memories } = await followed();
	expect(balance(STATE)).toEqual({ balance: "1" });
	expect(memories.in(STATE)?.(memoryKey("ledger", "holder:2"))).toBeUndefined();
});

test("of a state that another process has moved on nothing is said", async () => {
	// Else what it wrote would be missing from a change set that it may commit itself.
	const { memories } = await followed();
	expect(memories.in({ ...STATE, logPosition: 41n })).toBeUndefined();
	expect(memories.in({ ...STATE, fence: 8n })).toBeUndefined();
	expect(memories.in({ ...STATE, generation: 4n })).toBeUndefined();
});

test("after a rollback the rest is known, and after one that is not told of nothing", async () => {
	const { writer, memories, balance } = await followed();
	memories.changed(3n, []);
	const next = { ...STATE, generation: 4n, logPosition: 50n };
	writer.state = next;
	expect(balance(next)).toEqual({ balance: "1" });
	const later = { ...next, generation: 5n };
	writer.state = later;
	expect(balance(later)).toBeUndefined();
});
