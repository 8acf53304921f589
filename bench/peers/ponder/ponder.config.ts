/** Where the benchmark's chain and database are, is said by its environment. */
import { createConfig } from "ponder";
import { http } from "viem";
import { tokenAbi } from "../../../contracts/out/token.ts";

/** Its default of 50 would measure the limit and nothing else. */
const REQUESTS_PER_SECOND = 10_000;

export default createConfig({
	database: { kind: "postgres", connectionString: process.env["PEER_DATABASE_URL"] },
	networks: {
		peer: {
			chainId: Number(process.env["PEER_CHAIN_ID"]),
			transport: http(process.env["PEER_RPC_URL"]),
			pollingInterval: Number(process.env["PEER_POLL_INTERVAL_MS"]),
			maxRequestsPerSecond: REQUESTS_PER_SECOND,
		},
	},
	contracts: {
		Token: {
			abi: tokenAbi,
			network: "peer",
			address: process.env["PEER_TOKEN"] as `0x${string}`,
			startBlock: 0,
		},
	},
});
