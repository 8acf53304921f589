/** Recant as its users run it, `recant start`, on a server that is not its own. */
import { fileURLToPath } from "node:url";
import type { Hex } from "viem";
import { freePort } from "../scripts/support/free-port.ts";
import { RecantApiError } from "../src/client/api-error.ts";
import { RecantClient } from "../src/client/client.ts";
import { FOREVER } from "../src/domain/ids.ts";
import { layerNumber } from "../src/store/codec.ts";
import { NAMESPACE } from "./peers-chains/event-memory.ts";
import { startPeerProcess } from "./peers-process.ts";
import {
	type KeptEvent,
	lookInto,
	orIfNotThere,
	POLL_INTERVAL_MS,
	type RunningSide,
	type Side,
	type SideStart,
	type Wanted,
} from "./peers-side.ts";

const COMMAND = fileURLToPath(new URL("../bin/recant.js", import.meta.url));
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CHAINS = {
	events: "bench/peers-chains/events",
	embeddedEvents: "bench/peers-chains/embedded-events",
	thinnedEvents: "bench/peers-chains/thinned-events",
	ledger: "chains",
	ledgerWithoutTexts: "bench/peers-chains/ledger-without-texts",
} as const;
/** With announced heads polls are the safety net, as by default. */
const SAFETY_POLL_MS = 1_000;

/** Folders of chains' files, see there for what each keeps of an event. */
export type Kept = keyof typeof CHAINS;

/** `nodeArguments`: before the command. */
export function recant(kept: Kept, nodeArguments: readonly string[] = []): Side {
	return { name: "Recant", start: (options) => start(kept, nodeArguments, options) };
}

async function start(
	kept: Kept,
	nodeArguments: readonly string[],
	options: SideStart,
): Promise<RunningSide> {
	const { proxy, webSocket, databaseUrl, chainId, token, folder } = options;
	const port = await freePort();
	const process = startPeerProcess({
		args: [...nodeArguments, COMMAND, "start"],
		cwd: ROOT,
		environment: {
			DATABASE_URL: databaseUrl,
			RECANT_DATA_DIR: folder,
			RECANT_PORT: `${port}`,
			RECANT_LOG_LEVEL: "error",
			RECANT_CHAINS_DIR: CHAINS[kept],
			RECANT_RPC_URL: webSocket ? proxy.wsUrl : proxy.url,
			RECANT_CHAIN_ID: `${chainId}`,
			RECANT_TOKEN: token,
			RECANT_POLL_INTERVAL_MS: `${webSocket ? SAFETY_POLL_MS : POLL_INTERVAL_MS}`,
		},
	});
	const sql = lookInto(databaseUrl);
	const client = new RecantClient({ url: `http://127.0.0.1:${port}` });
	const chain = String(chainId);
	return {
		process,
		hasBlock: ({ hash, height }) =>
			orIfNotThere(async () => {
				const found = await sql`
					select 1 from recant.chains c join recant.blocks b
						on b.chain_id = c.chain_id and b.height = ${height.toString()} and b.hash = ${hash}
						and b.to_gen = ${FOREVER.toString()}
					where c.head_height >= ${height.toString()}`;
				return found.length > 0;
			}, false),
		events: (above) =>
			orIfNotThere<readonly KeptEvent[]>(
				// Each event makes one episodic memory, whichever chain's file it is.
				() =>
					sql<KeptEvent[]>`
						select substring(id from '0x[0-9a-f]{64}') || ':' || (content::json->>'logIndex') as id,
							content::json->>'blockHash' as "blockHash"
						from recant.versions where layer = ${layerNumber("episodic")}
							and from_block > ${above.toString()} and to_block = ${FOREVER.toString()} and to_gen = ${FOREVER.toString()}`,
				[],
			),
		height: () =>
			orIfNotThere(async () => {
				const [row] = await sql<{ height: number }[]>`
					select coalesce(max(head_height), -1)::int as height from recant.chains`;
				return row?.height ?? -1;
			}, -1),
		count: async () => {
			const [row] = await sql<{ count: number }[]>`
				select count(*)::int as count from recant.versions
				where layer = ${layerNumber("episodic")} and to_gen = ${FOREVER.toString()}`;
			return row?.count ?? 0;
		},
		answers: (wanted) =>
			orNotFound(() =>
				kept === "embeddedEvents" && !wanted.isFork
					? finds(client, chain, wanted)
					: answers(client, chain, wanted),
			),
		stop: async () => {
			await process.stop();
			await sql.end();
		},
	};
}

/** The block's last event; of a fork the root at its head and the rollback's report as well. */
async function answers(client: RecantClient, chain: string, wanted: Wanted): Promise<boolean> {
	const { hash, height, last, isFork } = wanted;
	const [read, root, report] = await Promise.all([
		last === undefined ? undefined : client.memory(chain, last.id, { namespace: NAMESPACE }),
		isFork ? client.checkpoint(chain, height) : undefined,
		isFork ? reportOf(client, chain, hash) : undefined,
	]);
	if (last !== undefined && read?.memory.content["blockHash"] !== hash) return false;
	return !isFork || (root?.blockHash === hash && report !== undefined);
}

/** Of the rollback to that head, once it is committed. */
async function reportOf(client: RecantClient, chain: string, head: Hex) {
	const { items } = await client.rollbacks(chain, { limit: 1 });
	const [last] = items;
	if (last?.state !== "committed" || last.to.hash !== head) return undefined;
	return client.report(chain, last.id);
}

/** All of the block's events, by meaning. */
async function finds(client: RecantClient, chain: string, wanted: Wanted): Promise<boolean> {
	const { hash, height, events } = wanted;
	const inBlock = events.filter(({ blockHash }) => blockHash === hash);
	const ids = new Set(inBlock.map(({ id }) => id));
	const { results } = await client.search(chain, {
		text: `transferred in block ${height}`,
		mode: "vector",
		where: { blockHash: hash },
		layers: ["episodic"],
		k: Math.max(1, ids.size),
	});
	return results.filter(({ memory }) => ids.has(memory.id)).length === ids.size;
}

/** What the service does not know yet is no failure of the measurement. */
async function orNotFound(work: () => Promise<boolean>): Promise<boolean> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof RecantApiError && (error.status === 404 || error.retryable)) return false;
		throw error;
	}
}
