/** The chain's three stretches: what both branches share, what the fork takes back, what replaces it. */
import type { AnchorInput } from "../../src/client/requests.ts";
import { deployToken, type Token } from "../support/token.ts";
import { addressOf } from "./cast.ts";
import { followed } from "./instance.ts";
import { NOTES, writeNote } from "./notes.ts";
import { COMMON, type ForkPayments, MINTS, signForkPayments, transferOf } from "./payments.ts";
import type { Stage } from "./stage.ts";

export const FORK_DEPTH = 6;

/** Operation ids of the notes, by note id. */
export type Written = Map<string, string>;

/** Deploys, mints and pays: blocks 1 to 6. */
export async function mineCommon(stage: Stage, written: Written): Promise<Token> {
	const { anvil, recant } = stage;
	const token = await deployToken(anvil.rpcUrl);
	for (const { to, value } of MINTS) await token.mint({ to: addressOf(to), value });
	await anvil.mine();
	for (const payment of COMMON) {
		await writeNotes(stage, written, {});
		await token.transfer(transferOf(payment));
		await anvil.mine();
	}
	await followed(recant, anvil.request);
	return token;
}

export interface OrphanedBranch {
	readonly payments: ForkPayments;
	/** Hash of its last block. */
	readonly head: string;
}

/** Blocks 7 to 12, which the fork will take back, with notes written in between. */
export async function mineOrphaned(
	stage: Stage,
	token: Token,
	written: Written,
): Promise<OrphanedBranch> {
	const { anvil, recant } = stage;
	const payments = await signForkPayments(token);
	const { invoice, loan, rent } = payments;
	for (const payment of [invoice, loan, rent]) {
		await token.send(payment);
		await anvil.mine();
		await writeNotes(stage, written, { transaction: payment.hash });
	}
	for (let block = 4; block <= FORK_DEPTH; block += 1) {
		await anvil.mine();
		await writeNotes(stage, written, {});
	}
	return { payments, head: await followed(recant, anvil.request) };
}

/** Replaces the last blocks by as many others, in one moment for whoever looks through the gate. */
export async function fork({ anvil, gate }: Stage, payments: ForkPayments): Promise<void> {
	const { invoice, instead, gift } = payments;
	await gate.whileClosed(() =>
		anvil.reorg(FORK_DEPTH, [
			[invoice.raw, 2],
			[instead.raw, 3],
			[gift.raw, 4],
		]),
	);
}

/** Two blocks more; the second one holds the payment that the fork had dropped. */
export async function mineDropped(
	{ anvil, recant }: Stage,
	token: Token,
	{ loan }: ForkPayments,
): Promise<void> {
	await anvil.mine();
	await followed(recant, anvil.request);
	await token.send(loan);
	await anvil.mine();
	await followed(recant, anvil.request);
}

/** Those that are due at the present head; they take effect one height above it. */
async function writeNotes(
	{ anvil, recant }: Stage,
	written: Written,
	head: { readonly transaction?: string },
): Promise<void> {
	const height = Number(await anvil.blockNumber());
	const due = NOTES.filter(({ writtenAt }) => writtenAt === height);
	if (due.length === 0) return;
	const hash = await followed(recant, anvil.request);
	for (const note of due) {
		const anchor = anchorOf(note.anchoredTo, { block: hash, ...head });
		written.set(note.id, await writeNote(recant.client, note, anchor));
	}
}

function anchorOf(
	anchoredTo: (typeof NOTES)[number]["anchoredTo"],
	{ block, transaction }: { readonly block: string; readonly transaction?: string },
): AnchorInput | undefined {
	switch (anchoredTo) {
		case "nothing":
			return undefined;
		case "block":
			return { block };
		case "transaction":
			return transaction === undefined ? undefined : { transaction };
	}
}
