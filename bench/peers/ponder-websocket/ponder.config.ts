/** Where the benchmark's chain and database are, is said by its environment. */
import { createConfig } from "ponder";
import { tokenAbi } from "../../../contracts/out/token.ts";

const webSocketUrl = process.env["PEER_WS_URL"];

export default createConfig({
	database: { kind: "postgres", connectionString: process.env["PEER_DATABASE_URL"] },
	chains: {
		peer: {
			id: Number(process.env["PEER_CHAIN_ID"]),
			rpc: process.env["PEER_RPC_URL"],
			...(webSocketUrl === undefined ? {} : { ws: webSocketUrl }),
			pollingInterval: Number(process.env["PEER_POLL_INTERVAL_MS"]),
		},
	},
	contracts: {
		Token: {
			abi: tokenAbi,
			chain: "peer",
			address: process.env["PEER_TOKEN"] as `0x${string}`,
			startBlock: 0,
		},
	},
});
