/** The people of the story. Each is one of the accounts that Anvil funds. */
import type { Hex } from "viem";
import { devAccount } from "../support/dev-accounts.ts";

/** Account 0 deploys and mints; these follow it. */
const NAMES = ["Alice", "Bob", "Carol", "Dave", "Erin"] as const;
export type Name = (typeof NAMES)[number];
export const PEOPLE: readonly Name[] = NAMES;

/** The dev account that signs for them. */
export function accountOf(name: Name): number {
	return NAMES.indexOf(name) + 1;
}

/** Lower case, as the ledger writes addresses. */
export function addressOf(name: Name): Hex {
	return devAccount(accountOf(name)).address.toLowerCase() as Hex;
}

/** Tokens are minted from the zero address; a stranger keeps the address. */
export function nameOf(address: string): string {
	if (/^0x0{40}$/.test(address)) return "the mint";
	return NAMES.find((name) => addressOf(name) === address) ?? address;
}
