/** The chain that is measured beside a peer: where it is, the environment says. */
import { tokenAbi } from "../../contracts/out/token.ts";
import { exampleChainSettings } from "../../src/config/environment.ts";
import { defineChain, type HandlerPut } from "../../src/follower/define-chain.ts";
import { eventMemory, NAMESPACE } from "./event-memory.ts";

/** A gate may hold a request for long, and it must not time out. */
const TIMEOUT_MS = 600_000;

/** `change` is given each memory before it is written. */
export function eventsChain(change: (memory: HandlerPut) => HandlerPut = (memory) => memory) {
	const settings = exampleChainSettings();
	return defineChain({
		id: settings.chainId,
		name: "peer",
		rpc: {
			urls: settings.rpcUrls ?? [],
			pollIntervalMs: settings.pollIntervalMs,
			timeoutMs: TIMEOUT_MS,
		},
		namespaces: [NAMESPACE],
		contracts: { Token: { abi: tokenAbi, address: settings.token ?? "0x" } },
		handlers: {
			"Token:Transfer": (context) => context.memory.put(change(eventMemory(context))),
		},
	});
}
