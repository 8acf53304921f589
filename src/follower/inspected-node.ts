/** What a check of a chain's file asks of one provider, by itself and without failover. The adapter is rpc/. */
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { LogFilter } from "./chain-source.ts";

/** incomplete: the node leaves out a field that every header has. */
export type HeaderHash = "proved" | "other" | "incomplete" | "no_block";

/** Each method asks once and throws where the provider does not answer, or refuses. */
export interface InspectedNode {
	/** Without credentials, path secrets or query. */
	readonly provider: string;
	chainId(): Promise<ChainId>;
	latest(): Promise<ChainBlock>;
	/** Undefined where the node has no such tag. */
	tagged(tag: "safe" | "finalized"): Promise<ChainBlock | undefined>;
	block(height: Height): Promise<ChainBlock | undefined>;
	/** Whether the block's hash is made of its header's fields. */
	headerHash(height: Height): Promise<HeaderHash>;
	logsOfBlock(hash: Hex, filter: LogFilter): Promise<readonly ChainLog[]>;
	/** Both bounds inclusive; one request, however wide. */
	logsOfRange(
		range: { readonly from: Height; readonly to: Height },
		filter: LogFilter,
	): Promise<readonly ChainLog[]>;
	/** `0x`: no contract stands there. */
	code(address: Hex, height: Height): Promise<Hex>;
	/** Asks for contract state after that block, by its hash. */
	callAt(block: { readonly number: Height; readonly hash: Hex }): Promise<void>;
	close(): void;
}
