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
		// By its key: the table has no other index, and looks would cost Postgres more than Ponder does.
		hasBlock: ({ last }) =>
			orIfNotThere(async () => {
				if (last === undefined) return false;
				const found = await sql<KeptEvent[]>`
					select block_hash as "blockHash" from ${table} where id = ${last.id}`;
				return found[0]?.blockHash === last.blockHash;
			}, false),
		events: (above) =>
			orIfNotThere<readonly KeptEvent[]>(
				() =>
					sql<KeptEvent[]>`select id, block_hash as "blockHash" from ${table}
						where block_number > ${above.toString()}`,
				[],
			),
		height: () =>
			orIfNotThere(async () => {
				const [row] = await sql<{ height: number }[]>`
					select coalesce(max(block_number), -1)::int as height from ${table}`;
				return row?.height ?? -1;
			}, -1),
		count: async () => {
			const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${table}`;
			return row?.count ?? 0;
		},
		answers: (wanted) => answers(`http://127.0.0.1:${port}/graphql`, wanted),
		stop: async () => {
			await process.stop();
			await sql.end();
		},
	};
}

interface Row {
	readonly data?: { readonly transfer: { readonly blockHash: Hex } | null };
}

/** The block's last event, by its key as on the other side. */
async function answers(url: string, { last }: Wanted): Promise<boolean> {
	const query = `{ transfer(id: "${last?.id}") { id token from to value blockNumber blockHash logIndex } }`;
	const response = await fetch(url, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ query }),
	});
	const { data } = (await response.json()) as Row;
	return last !== undefined && data?.transfer?.blockHash === last.blockHash;
}
