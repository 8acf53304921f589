/** Finality tags that a node answers after its head has moved on from the committed tip. */
import { expect, test } from "vitest";
import type { Finality } from "../../src/chain/finality.ts";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import type { BlockHeader, ChainBlock } from "../../src/domain/block.ts";
import { systemClock } from "../../src/domain/clock.ts";
import { Extension, type ExtensionOptions } from "../../src/follower/extension.ts";
import { headerChain } from "../support/header-chain.ts";

const COMMITTED = headerChain("a", { from: 0, to: 10 });
const FORK = COMMITTED[8];
/** Leaves the committed chain above block 8. */
const OTHER = [
	...COMMITTED.slice(0, 9),
	...headerChain("b", { from: 9, to: 14, ...(FORK === undefined ? {} : { on: FORK }) }),
];
const LONGER = [...COMMITTED, ...headerChain("a", { from: 11, to: 14 })];

/** What is written of a look at the tags, on a node whose chain becomes `next` while they are asked for. */
async function settled(
	next: readonly BlockHeader[],
	tags: { readonly safe: number; readonly finalized: number },
): Promise<readonly Finality[]> {
	let chain = COMMITTED;
	const written: Finality[] = [];
	const extension = new Extension({
		spec: { id: 1, finalityDepthBlocks: 64, finalityEveryMs: 0 },
		source: {
			tagged: async (tag: "safe" | "finalized") => {
				chain = next;
				return next[tags[tag]] as ChainBlock;
			},
			blockByNumber: async (height: bigint) => chain[Number(height)],
		},
		writer: {
			window: HeaderWindow.of(COMMITTED),
			state: { safe: 4n, finalized: 2n },
			settle: async (finality: Finality) => void written.push(finality),
		},
		writerStore: {},
		onTags: () => undefined,
		isStopped: () => false,
		clock: systemClock,
	} as unknown as ExtensionOptions);
	await extension.settle();
	return written;
}

test("a tag above a tip that was orphaned meanwhile marks nothing of the orphaned branch", async () => {
	// Else block 10 of the branch that was left would be final, and the chain would halt for good.
	expect(await settled(OTHER, { safe: 14, finalized: 12 })).toEqual([]);
	// A tag at or below the tip says itself whether it is of the committed chain.
	expect(await settled(OTHER, { safe: 8, finalized: 7 })).toEqual([{ safe: 8n, finalized: 7n }]);
	expect(await settled(OTHER, { safe: 10, finalized: 10 })).toEqual([]);
});

test("a tag above a tip that still stands makes it all final", async () => {
	expect(await settled(LONGER, { safe: 14, finalized: 12 })).toEqual([
		{ safe: 10n, finalized: 10n },
	]);
});

test("a node that tags a block and lacks one below it is asked again", async () => {
	const short = [...COMMITTED.slice(0, 9)];
	short[14] = LONGER[14] ?? COMMITTED[0] ?? fail();
	await expect(settled(short, { safe: 14, finalized: 14 })).rejects.toMatchObject({
		code: "rpc_failed",
		retryable: true,
	});
});

function fail(): never {
	throw new RangeError("there is no such block");
}
