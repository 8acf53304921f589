/** The highest block that is kept here and is on another chain as well. */
import { expect, test } from "vitest";
import type { Height, Hex } from "../../src/domain/ids.ts";
import { highestShared } from "../../src/recovery/shared-block.ts";
import type { Place } from "../../src/rollback/rollback-record.ts";
import { Random } from "../support/random.ts";

/** Up to `forkedAt` the chains are one. */
function hashOf(branch: string, height: Height, forkedAt: Height): Hex {
	return `0x${height <= forkedAt ? "shared" : branch}${height}`;
}

function keptAt(heights: readonly Height[], forkedAt: Height): readonly Place[] {
	return heights.map((height) => ({ height, hash: hashOf("ours", height, forkedAt) }));
}

async function found(kept: readonly Place[], other: { head: Height; forkedAt: Height }) {
	const [lowest] = kept;
	const head = kept.at(-1);
	if (lowest === undefined || head === undefined) throw new RangeError("nothing is kept");
	let asked = 0;
	const shared = await highestShared(
		{
			lowest,
			head,
			atOrBelow: async (height) => kept.findLast((place) => place.height <= height),
		},
		{
			head: other.head,
			hashAt: async (height) => {
				asked += 1;
				if (height > other.head) throw new RangeError(`${height} is above its head`);
				return hashOf("theirs", height, other.forkedAt);
			},
		},
	);
	return { shared, asked };
}

test("is found by few questions, whatever is kept and wherever the chains part", async () => {
	for (let seed = 0; seed < 500; seed += 1) {
		const random = new Random(seed);
		const top = random.between(1, 3_000);
		const isKept = () => random.chance(seed % 2 === 0 ? 1 : 0.05);
		const heights = Array.from({ length: top }, (_, index) => BigInt(index)).filter(isKept);
		heights.push(BigInt(top));
		const forkedAt = BigInt(random.between(0, top + 10)) - 1n;
		const head = BigInt(random.between(Number(heights[0] ?? 0n), top + 20));
		const kept = keptAt(heights, forkedAt);
		const expected = kept.findLast(({ height }) => height <= forkedAt && height <= head);
		const { shared, asked } = await found(kept, { head, forkedAt });
		expect(shared, `seed ${seed}`).toEqual(expected);
		expect(asked, `seed ${seed}`).toBeLessThan(16);
	}
});

test("is none where not even the lowest block is shared", async () => {
	const kept = keptAt([4n, 5n, 6n], 2n);
	expect((await found(kept, { head: 9n, forkedAt: 2n })).shared).toBeUndefined();
});

test("is none for a chain that ends below everything that is kept", async () => {
	const kept = keptAt([4n, 5n, 6n], 9n);
	expect((await found(kept, { head: 3n, forkedAt: 9n })).shared).toBeUndefined();
});
