/** `recant chains check`: the files of chains, held against the nodes that they name. */
import { existsSync } from "node:fs";
import { loadChainFile, loadChains } from "../config/chains.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import { type ChainFinding, checkProvider } from "../follower/check-chain.ts";
import { inspectNode } from "../rpc/node-inspection.ts";

export interface CheckedChain {
	readonly name: string;
	readonly id: ChainId;
	readonly findings: readonly ChainFinding[];
}

/** `which`: a file, or a chain's name or id among the folder's; undefined: all of the folder. */
export async function checkChains({
	folder,
	which,
}: {
	readonly folder: string;
	readonly which: string | undefined;
}): Promise<readonly CheckedChain[]> {
	const specs = await named(folder, which);
	return Promise.all(specs.map(checkChain));
}

async function checkChain(spec: ChainSpec): Promise<CheckedChain> {
	const { urls, timeoutMs } = spec.rpc;
	const findings = await Promise.all(
		[...new Set(urls)].map(async (url) => {
			const node = inspectNode(url, { timeoutMs });
			try {
				return await checkProvider(spec, node, Date.now());
			} finally {
				node.close();
			}
		}),
	);
	return { name: spec.name, id: spec.id, findings: findings.flat() };
}

async function named(folder: string, which: string | undefined): Promise<readonly ChainSpec[]> {
	if (which === undefined) return loadChains(folder);
	if (/\.(?:ts|js|mjs)$/.test(which) && existsSync(which)) return loadChainFile(which);
	const specs = await loadChains(folder);
	const found = specs.filter((spec) => spec.name === which || spec.id.toString() === which);
	if (found.length > 0) return found;
	throw new FatalError("unknown_chain", {
		message: `there is no file "${which}", and no chain of that name or id in ${folder}`,
		hint: `known are ${specs.map((spec) => spec.name).join(", ")}`,
		fields: { chain: which },
	});
}
