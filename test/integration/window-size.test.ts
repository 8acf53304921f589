import { expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { createHashingEmbedder } from "../../src/vectors/hashing-embedder.ts";
import { ChainWriter } from "../../src/writer/chain-writer.ts";
import type { CollectionChecks } from "../../src/writer/collection-checks.ts";
import { NO_CONSOLIDATOR, PLAIN_SETTINGS } from "../support/plain-settings.ts";
import { openRegisteredChain, type RegisteredChain } from "../support/registered-chain.ts";
import { SILENT } from "../support/silent-log.ts";

const CHAIN = 31_338;

async function openWriter({ store }: RegisteredChain, windowBlocks: number | undefined) {
	const lease = await store.acquireLease(CHAIN, "dead", 60_000);
	if ("heldBy" in lease) throw new RangeError(`the lease is held by ${lease.heldBy}`);
	const collections: Pick<CollectionChecks, "ensure"> = {
		ensure: async () => ({ takesTexts: true }),
	};
	return ChainWriter.open({
		chainId: CHAIN,
		fence: lease.fence,
		store,
		embedder: createHashingEmbedder(),
		collections,
		settings: PLAIN_SETTINGS,
		consolidator: NO_CONSOLIDATOR,
		vectors: { room: async () => undefined, added: () => undefined },
		log: SILENT,
		windowBlocks,
		onCommit: () => undefined,
		onLeaseLost: () => undefined,
	});
}

function hashOf(number: bigint): Hex {
	return `0x${(number + 1n).toString(16).padStart(64, "0")}`;
}

/** Blocks up to a height; nothing but block 0 is final. */
async function follow(writer: ChainWriter, to: bigint): Promise<void> {
	for (let number = (writer.state.head?.number ?? -1n) + 1n; number <= to; number += 1n) {
		const header = { number, hash: hashOf(number), parentHash: hashOf(number - 1n), timestamp: 1n };
		await writer.commitBlocks({
			mode: "window",
			blocks: [{ header, operations: [], anchors: new Map() }],
			from: number,
			finality: { safe: 0n, finalized: 0n },
			handlersHash: "0x00",
		});
	}
}

function extent({ window }: ChainWriter) {
	return [window?.oldest.number, window?.tip.number];
}

test("a window has the cap of the chain's file, forward where that was raised, at once where it was lowered", async () => {
	const chain = await openRegisteredChain("window_size", CHAIN);
	const small = await openWriter(chain, 3);
	await follow(small, 9n);
	expect(extent(small)).toEqual([7n, 9n]);

	const larger = await openWriter(chain, 6);
	expect(extent(larger)).toEqual([7n, 9n]);
	await follow(larger, 11n);
	expect(extent(larger)).toEqual([7n, 11n]);
	// Whoever does not know the file goes by what is kept.
	expect(extent(await openWriter(chain, undefined))).toEqual([7n, 11n]);
	const again = await openWriter(chain, 6);
	await follow(again, 14n);
	expect(extent(again)).toEqual([9n, 14n]);

	const smaller = await openWriter(chain, 2);
	expect(extent(smaller)).toEqual([13n, 14n]);
	await follow(smaller, 15n);
	expect(extent(smaller)).toEqual([14n, 15n]);
});
