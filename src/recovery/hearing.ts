/** Hears the providers of a chain, each by itself and all at once; who is late or fails says nothing that counts. */
import type { BlockHeader } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { withinTime } from "../resilience/time-limit.ts";
import type { Place } from "../rollback/rollback-record.ts";
import type { Silence, Testimony } from "./quorum.ts";
import { highestShared, type KeptBlocks } from "./shared-block.ts";
import type { Witness } from "./witness.ts";

/** One of each witness, in their order. */
export async function hearAll(
	witnesses: readonly Witness[],
	about: { readonly chainId: ChainId; readonly kept: KeptBlocks; readonly clock: Clock },
): Promise<readonly (Testimony | Silence)[]> {
	return Promise.all(
		witnesses.map(async (witness) => {
			const heard = await inTime(witness, () => testify(witness, about));
			return { provider: witness.provider, heardAt: new Date(about.clock.wallMs()), ...heard };
		}),
	);
}

/** Hashes that each witness has at these heights; of one that says nothing there are none. */
export async function hashesOf(
	witnesses: readonly Witness[],
	heights: readonly Height[],
): Promise<
	readonly { readonly provider: string; readonly hashes: readonly (Hex | undefined)[] }[]
> {
	return Promise.all(
		witnesses.map(async (witness) => {
			const heard = await inTime(witness, async () => ({
				hashes: (await witness.blocks(heights)).map((block) => block?.hash),
			}));
			const hashes = "hashes" in heard ? heard.hashes : heights.map(() => undefined);
			return { provider: witness.provider, hashes };
		}),
	);
}

async function testify(
	witness: Witness,
	{ chainId, kept }: { readonly chainId: ChainId; readonly kept: KeptBlocks },
): Promise<Pick<Testimony, "type" | "head" | "finalized" | "shared">> {
	const answered = await witness.chainId();
	if (answered !== chainId) throw otherChain(witness, answered);
	const [head, finalized] = await Promise.all([witness.latest(), witness.finalized()]);
	const shared = await highestShared(kept, {
		head: head.number,
		hashAt: async (height) => {
			const [block] = await witness.blocks([height]);
			if (block === undefined) throw lacking(witness, height);
			return block.hash;
		},
	});
	const final = finalized && placeOf(finalized);
	return { type: "heard", head: placeOf(head), finalized: final, shared };
}

async function inTime<Heard>(
	{ provider }: Witness,
	ask: () => Promise<Heard>,
): Promise<Heard | Pick<Silence, "type" | "why">> {
	try {
		return await withinTime(LIMITS.witnessMs, ask, () => late(provider));
	} catch (error) {
		if (!(error instanceof RecantError)) throw error;
		return { type: "silent", why: error.message };
	}
}

export function placeOf({ number, hash }: BlockHeader): Place {
	return { height: number, hash };
}

function otherChain({ provider }: Witness, answered: ChainId): FatalError {
	return new FatalError("chain_id_mismatch", {
		message: `it serves chain ${answered}`,
		hint: "correct the chain's file",
		fields: { provider, answered },
	});
}

function lacking({ provider }: Witness, height: Height): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `it has no block ${height}`,
		hint: "ask again when the node is in sync, or use one that keeps its history",
		fields: { provider, height: height.toString() },
	});
}

function late(provider: string): RetryableError {
	return new RetryableError("rpc_unavailable", {
		message: `it did not bear witness within ${LIMITS.witnessMs} ms`,
		hint: "check the node's latency",
		fields: { provider },
	});
}
