/**
 * Contracts that factories make, over random chains that are taken in by ranges and by blocks and that fork in
 * between: what is handled in the end is what a plain walk over the last chain handles.
 */
import { type Hex, parseAbi } from "viem";
import { expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { HandlerContext } from "../../src/follower/define-chain.ts";
import { type Emitted, LogChain, putIds } from "../support/log-chain.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

const FILE = "test/property/factory-children.test.ts";
const RUNS = 20;
const STEPS = 12;
const FACTORY: Hex = `0x${"f".repeat(40)}`;
const abi = parseAbi(["event Moved(uint256 value)"]);
const factoryAbi = parseAbi(["event Made(address child)"]);

const spec = chainSpec(
	{
		id: 1,
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		namespaces: ["ledger"],
		contracts: {
			Pool: {
				abi,
				factory: { abi: factoryAbi, address: FACTORY, event: "Made", parameter: "child" },
			},
		},
		handlers: {
			"Pool:Moved": ({ event, block, memory }: HandlerContext) =>
				memory.put({ layer: "episodic", id: `${block.number} ${event.logIndex}`, content: {} }),
		},
	},
	{ file: "test.ts", code: new Uint8Array() },
);

function child(index: number): Hex {
	return `0x${(index + 1).toString(16).padStart(40, "0")}`;
}

function drawBlock(random: Random, most: number): readonly Emitted[] {
	return Array.from({ length: random.between(0, 4) }, () => {
		const at = child(random.between(0, most));
		return random.chance(0.3)
			? { at: FACTORY, abi: factoryAbi, event: "Made", args: { child: at } }
			: { at, abi, event: "Moved", args: { value: 1n } };
	});
}

/** Ids that a walk over the blocks gives. */
function expected(blocks: readonly (readonly Emitted[])[]): readonly string[] {
	const known = new Set<unknown>();
	return blocks.flatMap((block, height) =>
		block.flatMap(({ at, event, args }, index) => {
			if (event === "Made") known.add(args["child"]);
			return event === "Moved" && known.has(at) ? [`${height} ${index}`] : [];
		}),
	);
}

test("what is handled follows from the last chain alone", async () => {
	const random = new Random(announcedSeed(FILE));
	for (let run = 0; run < RUNS; run += 1) {
		// In some, so many that they are asked for by topics, from the first block or from somewhere on.
		const many = random.oneOf([
			0,
			LIMITS.factoryListedChildren - 2,
			LIMITS.factoryListedChildren + 1,
		]);
		const first = Array.from(
			{ length: many },
			(_, index): Emitted => ({
				at: FACTORY,
				abi: factoryAbi,
				event: "Made",
				args: { child: child(1_000 + index) },
			}),
		);
		const blocks: (readonly Emitted[])[] = [first];
		const chain = new LogChain(blocks);
		let next = 0n;
		for (let step = 0; step < STEPS; step += 1) {
			if (random.chance(0.3)) {
				// Another branch; the first block stays.
				const from = random.between(1, blocks.length);
				blocks.length = from;
				chain.replace(BigInt(from), []);
				if (next > BigInt(from)) next = BigInt(from);
			}
			const more = Array.from({ length: random.between(1, 5) }, () => drawBlock(random, 6));
			chain.replace(BigInt(blocks.length), more);
			blocks.push(...more);
			const to = BigInt(random.between(Number(next), blocks.length - 1));
			await (random.chance(0.5) ? chain.backfill(spec, next, to) : chain.window(spec, next, to));
			next = to + 1n;
			expect(putIds(chain.operations)).toEqual(expected(blocks.slice(0, Number(next))));
		}
	}
});
