import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { ToolError } from "./tool-error.ts";

/** Anvil's own phrase: public, and so for local chains only. */
const MNEMONIC = "test test test test test test test test test test test junk";
/** How many accounts Anvil funds, with 10,000 ether each. */
const DEV_ACCOUNTS = 10;

const derived = new Map<number, HDAccount>();

/** Account `index`, 0 to 9, of those that Anvil funds. Derived at first use, which takes a while. */
export function devAccount(index: number): HDAccount {
	if (!Number.isInteger(index) || index < 0 || index >= DEV_ACCOUNTS) {
		throw new ToolError("account_unknown", {
			message: `there is no dev account ${index}`,
			hint: `Anvil funds the accounts 0 to ${DEV_ACCOUNTS - 1}`,
		});
	}
	const account = derived.get(index) ?? mnemonicToAccount(MNEMONIC, { addressIndex: index });
	derived.set(index, account);
	return account;
}
