/**
 * The oracle of a run: what its stores hold at the end must equal what a straight run holds, and what the
 * reference model says of the recorded history.
 *
 * 1. content: every memory at every height and in the pending slot, and the roots of every checkpoint, equal
 *    those of a fresh instance that saw only the final chain.
 * 2. model: the fate of every operation, marks and grounds, the reports of rollbacks, and what was believed
 *    in generations that ended.
 * 3. roots: every checkpoint's root, of every generation, is the root of what is visible there.
 * 4. writes: what was acknowledged is there at its coordinate; what was durable has its fate; nothing is
 *    there twice, and nothing that was refused.
 * 5. vectors: what is at the pointers and in the tail together is what is visible and embedded, each once.
 */
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { Random } from "../support/random.ts";
import { requireContent } from "./oracle-content.ts";
import { requireModel } from "./oracle-model.ts";
import { requireRoots } from "./oracle-roots.ts";
import { requireVectors } from "./oracle-vectors.ts";
import { requireWrites } from "./oracle-writes.ts";
import type { RunReads } from "./run-reads.ts";
import type { SimChain } from "./sim-chain.ts";
import type { SimHistory } from "./sim-history.ts";
import { type FreshStores, runStraight } from "./straight-run.ts";
import type { SimRequest } from "./workload.ts";

export interface Judged {
	readonly chain: SimChain;
	readonly reads: RunReads;
	readonly history: SimHistory;
	readonly requests: readonly SimRequest[];
	readonly openFresh: () => Promise<FreshStores>;
	readonly embedder: Embedder;
	/** Picks what is too much to look at whole. */
	readonly random: Random;
}

/** Throws OracleFailure. Nothing may be under way. */
export async function judge(judged: Judged): Promise<void> {
	const { history, reads, requests, embedder } = judged;
	await history.refresh();
	const held = await reads.held();
	requireWrites(held, history, requests);
	requireModel(held, judged);
	requireRoots(held);
	await requireVectors(held, embedder);
	const fresh = await judged.openFresh();
	try {
		const { unlinked } = await runStraight({
			chain: judged.chain,
			model: history.model,
			operationOf: operationsOf(history, requests),
			stores: fresh,
			embedder,
		});
		requireContent(held, await fresh.reads.held(), unlinked);
	} finally {
		await fresh.close();
	}
}

function operationsOf(history: SimHistory, requests: readonly SimRequest[]) {
	const writes = new Map(
		requests.flatMap(({ operations, writes: asked }) =>
			operations.map((each, index) => [each, asked[index]] as const),
		),
	);
	return (operationId: string) => {
		const asked = history.askedAs(operationId);
		const write = asked && writes.get(asked);
		if (write === undefined) throw new Error(`operation ${operationId} is of nobody's request`);
		return write.operation;
	};
}
