/** What every command of the CLI works with. */
import { RecantClient } from "../client/client.ts";
import type { ClientEnvironment } from "../config/client-environment.ts";
import type { CoordinateView } from "../domain/wire.ts";
import { UsageError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** Options that stand before or after every command. */
export interface GlobalOptions {
	readonly chain?: string;
	readonly url?: string;
	readonly json?: boolean;
}

export interface Session {
	readonly terminal: Terminal;
	readonly client: RecantClient;
	/** One JSON document instead of tables. */
	readonly json: boolean;
	/** The chain that was named, or the only one that is served. */
	chain(): Promise<string>;
}

export function openSession(
	terminal: Terminal,
	environment: ClientEnvironment,
	options: GlobalOptions,
): Session {
	const url = options.url ?? environment.url;
	const client = new RecantClient({ url, apiKey: environment.apiKey });
	return {
		terminal,
		client,
		json: options.json === true,
		chain: async () => options.chain ?? (await onlyChain(client)),
	};
}

async function onlyChain(client: RecantClient): Promise<string> {
	const { chains } = await client.status();
	const [first, ...others] = chains;
	if (first !== undefined && others.length === 0) return first.chainId.toString();
	const names = chains.map(({ name, chainId }) => `${name} (${chainId})`).join(", ");
	throw new UsageError(
		first === undefined ? "the service has no chain" : `the service has several chains: ${names}`,
		first === undefined ? "add a file to chains/" : "name one with --chain",
	);
}

/** One line that says where an answer was read. */
export function coordinateLine(at: CoordinateView): string {
	const slot = at.pending ? "pending" : (at.blockHash ?? "sealed");
	const gone = at.rolledBack === true ? ", rolled back since" : "";
	return `chain ${at.chain}, height ${at.height} (${slot}), generation ${at.generation}${gone}, log ${at.logPosition}`;
}
