import {
	type Anvil,
	type AnvilOptions,
	startAnvil as startNode,
} from "../../scripts/support/anvil.ts";
import { atTestEnd } from "./test-end.ts";

/** A node that is stopped when the running test is over. Outside of a test, call `stop`. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
	const anvil = await startNode(options);
	atTestEnd(() => anvil.stop());
	return anvil;
}
