/** What the ledger says that everybody holds. */
import type { RecantClient } from "../../src/client/client.ts";
import type { AtQuery } from "../../src/client/requests.ts";
import type { Token } from "../support/token.ts";
import { addressOf, type Name, PEOPLE } from "./cast.ts";
import { CHAIN } from "./instance.ts";

/** Who holds nothing yet has no entry. */
export type Balances = ReadonlyMap<Name, string>;

/** Read at one coordinate. */
export async function ledgerBalances(
	client: RecantClient,
	token: Token,
	at: NonNullable<AtQuery["at"]>,
): Promise<Balances> {
	const query = { at, namespace: "ledger", layer: "semantic", limit: 200 };
	const { items } = await client.memories(CHAIN, query);
	const contents = new Map(items.map(({ id, content }) => [id, content]));
	return new Map(
		PEOPLE.flatMap((name) => {
			const balance = contents.get(`holder:${token.address}:${addressOf(name)}`)?.["balance"];
			return typeof balance === "string" ? [[name, balance] as const] : [];
		}),
	);
}

/** Where the ledger and the node's contract disagree at the head: one line each. */
export async function strayBalances(token: Token, ledger: Balances): Promise<readonly string[]> {
	const strays = PEOPLE.map(async (name) => {
		const held = await token.balanceOf(addressOf(name));
		const booked = ledger.get(name) ?? "0";
		return booked === held.toString()
			? []
			: [`balance of ${name}: ${booked}, and by the node's contract ${held}`];
	});
	return (await Promise.all(strays)).flat();
}
