/** Ponder, as its documentation says to run it in production: `ponder start`. */
import { join } from "node:path";
import type { Hex } from "viem";
import { freePort } from "../scripts/support/free-port.ts";
import { PEERS } from "./peers-install.ts";
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

const SCHEMA = "peer";

/** 1.0.0 has no announced heads; 0.17.7, from another line of versions, has them. */
export const ponder: Side = {
	name: "Ponder 1.0.0",
	start: (options) => start("ponder", options),
};
export const ponderByWebSocket: Side = {
	name: "Ponder 0.17.7",
	start: (options) => start("ponder-websocket", options),
};

async function start(app: string, options: SideStart): Promise<RunningSide> {
	const { proxy, databaseUrl, chainId, token } = options;
	const port = await freePort();
	const root = join(PEERS, app);
	const process = startPeerProcess({
		args: [
			join(root, "node_modules/ponder/dist/esm/bin/ponder.js"),
			...["--root", root, "--log-level", "warn"],
			...["start", "--schema", SCHEMA, "--port", `${port}`, "--hostname", "127.0.0.1"],
		],
		cwd: root,
		environment: {
			PEER_DATABASE_URL: databaseUrl,
			PEER_RPC_URL: proxy.url,
			...(options.webSocket ? { PEER_WS_URL: proxy.wsUrl } : {}),
			PEER_CHAIN_ID: `${chainId}`,
			PEER_TOKEN: token,
			PEER_POLL_INTERVAL_MS: `${POLL_INTERVAL_MS}`,
			PONDER_TELEMETRY_DISABLED: "true",
		},
	});
	const sql = lookInto(databaseUrl);
	const table = sql(`${SCHEMA}.transfer`);
	return {
		process,
		hasBlock: ({ hash }) =>
			orIfNotThere(async () => {
				const found = await sql`select 1 from ${table} where block_hash = ${hash} limit 1`;
				return found.length > 0;
			}, false),
		events: (above) =>
			orIfNotThere(
				() =>
					sql<KeptEvent[]>`select id, block_hash as "blockHash" from ${table}
						where block_number > ${above.toString()}`,
				[],
			),
		count: async () => {
			const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${table}`;
			return row?.count ?? 0;
		},
		answers: (wanted) => answers(`http://127.0.0.1:${port}/graphql`, wanted),
		finds: undefined,
		stop: async () => {
			await process.stop();
			await sql.end();
		},
	};
}

interface Page {
	readonly data?: {
		readonly transfers: { readonly items: readonly { readonly blockHash: Hex }[] };
	};
}

async function answers(url: string, { hash, events }: Wanted): Promise<boolean> {
	const wanted = events.filter(({ blockHash }) => blockHash === hash).length;
	const query = `{ transfers(where: {blockHash: "${hash}"}, limit: 100) { items { id blockHash } } }`;
	const response = await fetch(url, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ query }),
	});
	const { data } = (await response.json()) as Page;
	return data?.transfers.items.length === wanted;
}
