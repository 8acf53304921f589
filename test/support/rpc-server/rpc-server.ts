/** Providers over one tree of blocks, ended with the test that started them. */
import { atTestEnd } from "../test-end.ts";
import { BlockTree, type TreeOptions } from "./block-tree.ts";
import { type ProviderTraits, RpcProvider } from "./rpc-provider.ts";
import { ServedChain } from "./served-chain.ts";

export interface RpcServerOptions extends TreeOptions {
	/** Highest block at first. Default 0. */
	readonly head?: number;
	/** One for each provider; default: a single one without peculiarities. */
	readonly providers?: readonly Partial<ProviderTraits>[];
	/** Of all of them. Default 31,337. */
	readonly chainId?: number;
}

export interface RpcServer {
	readonly tree: BlockTree;
	/** What the providers follow. */
	readonly chain: ServedChain;
	readonly providers: readonly RpcProvider[];
	/** Of HTTP, in their order. */
	readonly urls: readonly string[];
	/** The provider in that place; throws when there is none. */
	provider(index: number): RpcProvider;
	stop(): Promise<void>;
}

export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
	const { chainId = 31_337, seed } = options;
	const tree = new BlockTree(options);
	const chain = new ServedChain(tree, options.head ?? 0);
	const providers = (options.providers ?? [{}]).map(
		(traits, index) => new RpcProvider(chain, { chainId, ...traits }, seed + index),
	);
	for (const provider of providers) await provider.listen();
	let stopping: Promise<unknown> | undefined;
	const stop = async () => {
		stopping ??= Promise.all(providers.map((provider) => provider.stop()));
		await stopping;
	};
	atTestEnd(stop);
	return {
		tree,
		chain,
		providers,
		urls: providers.map(({ url }) => url),
		provider(index) {
			const provider = providers[index];
			if (provider === undefined) throw new RangeError(`there is no provider ${index}`);
			return provider;
		},
		stop,
	};
}
