/** Who pays whom, on which branch. Values are in whole units of the example token. */
import type { SignedTransaction, Token } from "../support/token.ts";
import { accountOf, addressOf, type Name } from "./cast.ts";

export interface Payment {
	readonly from: Name;
	readonly to: Name;
	readonly value: bigint;
}

export interface SignedPayment extends Payment, SignedTransaction {}

export const MINTS: readonly { readonly to: Name; readonly value: bigint }[] = [
	{ to: "Alice", value: 1_000n },
	{ to: "Bob", value: 500n },
];

/** One block each, on both branches. */
export const COMMON: readonly Payment[] = [
	{ from: "Alice", to: "Carol", value: 120n },
	{ from: "Bob", to: "Dave", value: 60n },
	{ from: "Carol", to: "Dave", value: 20n },
	{ from: "Alice", to: "Bob", value: 40n },
];

export interface ForkPayments {
	/** Comes back with the fork itself, two blocks higher. */
	readonly invoice: SignedPayment;
	/** Dropped by the fork, and included again two blocks after it. */
	readonly loan: SignedPayment;
	/** Never comes back: the other branch spends its nonce on `instead`. */
	readonly rent: SignedPayment;
	readonly instead: SignedPayment;
	/** Known to the other branch only. */
	readonly gift: SignedPayment;
}

/** Signs all of them at once, so that `rent` and `instead` exclude each other. */
export async function signForkPayments(token: Token): Promise<ForkPayments> {
	const sign = async (payment: Payment): Promise<SignedPayment> => ({
		...payment,
		...(await token.signTransfer({ ...transferOf(payment) })),
	});
	const [invoice, loan, rent, instead, gift] = await Promise.all([
		sign({ from: "Alice", to: "Bob", value: 200n }),
		sign({ from: "Bob", to: "Carol", value: 150n }),
		sign({ from: "Carol", to: "Dave", value: 90n }),
		sign({ from: "Carol", to: "Alice", value: 60n }),
		sign({ from: "Dave", to: "Erin", value: 25n }),
	]);
	return { invoice, loan, rent, instead, gift };
}

export function transferOf({ from, to, value }: Payment) {
	return { from: accountOf(from), to: addressOf(to), value };
}
