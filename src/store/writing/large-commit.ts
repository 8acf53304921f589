/** A commit that may have more vectors than one statement takes: a rollback's. */
import type { CommitBatch, EmbeddedVersion } from "../../writer/commit-batch.ts";
import type { Tx } from "../sql.ts";
import { addVectors, commitBatch } from "./commit.ts";
import { Statement } from "./statement.ts";

/** Floats that one statement takes: 64 MB in hexadecimal. A string of all vectors may be more than one can be. */
const FLOATS_AT_ONCE = 8_000_000;

/**
 * As `commitBatch`, for a batch of any size, within a transaction of the caller's: vectors that are too many for one
 * statement go in further ones, which count only with the first.
 */
export async function commitLargeBatch(
	tx: Tx,
	batch: CommitBatch,
	expected: Parameters<typeof commitBatch>[2],
): Promise<void> {
	const [vectors = [], ...more] = inTurns(batch.vectors);
	await commitBatch(tx, { ...batch, vectors }, expected);
	for (const each of more) {
		const statement = new Statement();
		const chain = statement.scalar("bigint", batch.chainId.toString());
		addVectors(statement, { ...batch, vectors: each }, chain, "(select 1)");
		await tx.unsafe(`${statement.text} select 1`, statement.parameters as string[]);
	}
}

function inTurns(vectors: CommitBatch["vectors"]): readonly CommitBatch["vectors"][] {
	const turns: EmbeddedVersion[][] = [];
	let floats = Number.POSITIVE_INFINITY;
	for (const each of vectors) {
		floats += each.vector.length;
		if (floats > FLOATS_AT_ONCE) {
			turns.push([]);
			floats = each.vector.length;
		}
		turns.at(-1)?.push(each);
	}
	return turns;
}
