/** What a service believes about the example chain, as its clients see it: to compare two services. */
import { setTimeout as sleep } from "node:timers/promises";
import { createRpcClient } from "../../scripts/support/rpc-client.ts";
import type { RecantClient } from "../../src/client/client.ts";

/** Neither the order of searches nor their scores may depend on where vectors lie; these find all. */
const QUESTIONS = ["who transferred the token", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "12"];
const SEARCH_K = 200;
const PAGE = 200;

export interface LedgerState {
	readonly head: string;
	readonly memories: readonly unknown[];
	/** Each layer's digest at the head. */
	readonly roots: Readonly<Record<string, string>>;
	/** What each question finds, with its score: equal only where the vectors are. */
	readonly found: readonly (readonly unknown[])[];
}

/** State at the committed head. `namespace` undefined: every memory. */
export async function ledgerState(
	client: RecantClient,
	chain: string,
	namespace?: string,
): Promise<LedgerState> {
	const { head } = await client.chain(chain);
	const height = head?.height ?? "0";
	const { roots } = await client.checkpoint(chain, height);
	const found = [];
	for (const text of QUESTIONS) {
		const { results } = await client.search(chain, { text, namespace, k: SEARCH_K, at: height });
		found.push(results.map(({ memory, score }) => ({ ...plain(memory), score })));
	}
	return {
		head: head?.hash ?? "none",
		memories: await allMemories(client, { chain, namespace, at: height }),
		roots,
		found,
	};
}

async function allMemories(
	client: RecantClient,
	query: { readonly chain: string; readonly namespace: string | undefined; readonly at: string },
): Promise<readonly unknown[]> {
	const memories = [];
	let cursor: string | undefined;
	do {
		const page = await client.memories(query.chain, {
			namespace: query.namespace,
			limit: PAGE,
			...(cursor === undefined ? { at: query.at } : { cursor }),
		});
		memories.push(...page.items.map(plain));
		cursor = page.cursor;
	} while (cursor !== undefined);
	return memories;
}

/** Without what counts commits: a fresh instance made fewer. */
function plain<Memory extends { readonly versionId: string }>(memory: Memory) {
	const { versionId: _versionId, ...rest } = memory;
	return rest;
}

/** Resolves when the service follows, and its committed head is the node's. */
export async function untilFollowed(
	client: RecantClient,
	chain: string,
	rpcUrl: string,
	{ timeoutMs = 60_000 } = {},
): Promise<void> {
	const deadline = performance.now() + timeoutMs;
	const node = createRpcClient(rpcUrl);
	let last = "nothing";
	while (performance.now() < deadline) {
		const block = await node.request<{ hash: string }>("eth_getBlockByNumber", ["latest", false]);
		// Not answered: the service is starting again, or its database is.
		const view = await client.chain(chain).catch((error: unknown) => String(error));
		const there = typeof view !== "string" && view.head?.hash === block.hash && !view.rollback;
		// A service that has just started shows the head, and begins to follow a little later.
		if (there && view.state === "following") return;
		last = JSON.stringify(view);
		await sleep(10);
	}
	throw new Error(`the head was not followed within ${timeoutMs} ms: ${last}`);
}
