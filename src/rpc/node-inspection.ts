/** One provider, asked for what a chain's file needs of it. Nothing is held against anything: that is the check's. */
import type { Height, Hex } from "../domain/ids.ts";
import type { InspectedNode } from "../follower/inspected-node.ts";
import { AnswerChecks } from "./answer-checks.ts";
import { parseLogs } from "./answers.ts";
import {
	blockByNumberCall,
	fetchBlocks,
	fetchChainId,
	fetchLatest,
	fetchTagged,
	questionTo,
	readBlockAt,
	resultAt,
} from "./blocks.ts";
import { fetchCall } from "./call.ts";
import { proveHeader } from "./header-hash.ts";
import { fetchLogsOfBlock, rawFilter } from "./logs.ts";
import { Provider } from "./provider.ts";
import { malformed } from "./provider-error.ts";
import { parseProviderUrl } from "./provider-url.ts";

const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
const NOBODY: Hex = `0x${"00".repeat(20)}`;

/** Throws `FatalError("configuration_invalid")` for a URL that is none. */
export function inspectNode(
	url: string,
	{ timeoutMs }: { readonly timeoutMs: number },
): InspectedNode {
	const checks = new AnswerChecks({ headerHash: false, logsBloom: false, receipts: false });
	const provider = new Provider(parseProviderUrl(url), { timeoutMs, checks });
	return {
		provider: provider.url.shown,
		chainId: () => fetchChainId(provider),
		latest: () => fetchLatest(provider),
		tagged: (tag) => fetchTagged(provider, tag),
		block: async (height) => (await fetchBlocks(provider, [height]))[0],
		headerHash: (height) => headerHash(provider, height),
		logsOfBlock: async (hash, filter) => (await fetchLogsOfBlock(provider, hash, filter)).logs,
		logsOfRange: async ({ from, to }, filter) => {
			const bounds = { fromBlock: quantity(from), toBlock: quantity(to) };
			const asked = questionTo(provider, "eth_getLogs");
			return parseLogs(
				await ask(provider, "eth_getLogs", { ...bounds, ...rawFilter(filter) }),
				asked,
			);
		},
		code: async (address, height) => {
			const code = await ask(provider, "eth_getCode", address, quantity(height));
			if (typeof code === "string" && BYTES.test(code)) return code as Hex;
			throw malformed(questionTo(provider, "eth_getCode"), "no bytes");
		},
		callAt: async (block) => void (await fetchCall(provider, { to: NOBODY, data: "0x", block })),
		close: () => provider.close(),
	};
}

async function ask(
	provider: Provider,
	method: string,
	...params: readonly unknown[]
): Promise<unknown> {
	const [outcome] = await provider.ask([{ method, params }]);
	return resultAt(outcome, questionTo(provider, method));
}

async function headerHash(
	provider: Provider,
	height: Height,
): ReturnType<InspectedNode["headerHash"]> {
	const [outcome] = await provider.ask([blockByNumberCall(height)]);
	const asked = questionTo(provider, "eth_getBlockByNumber");
	const block = readBlockAt(height, outcome, asked);
	const raw = resultAt(outcome, asked);
	if (block === undefined || typeof raw !== "object" || raw === null) return "no_block";
	return proveHeader(raw, block.hash).type;
}

function quantity(height: Height): Hex {
	return `0x${height.toString(16)}`;
}
