/** A chain as the database has it, for who holds its lease. */
import { windowFloor } from "../chain/finality.ts";
import { HeaderWindow } from "../chain/header-window.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import type { ChainState } from "./chain-state.ts";
import { leaseLost } from "./writer-errors.ts";
import type { LoadedChain, WriterStore } from "./writer-store.ts";

/** With the window's cap that the chain's file says; undefined: as it is. Throws `lease_lost`. */
export async function loadOwnChain(
	store: Pick<WriterStore, "loadChain" | "resizeWindow">,
	lease: {
		readonly chainId: ChainId;
		readonly fence: bigint;
		readonly windowBlocks?: number | undefined;
	},
): Promise<LoadedChain> {
	const { chainId, fence, windowBlocks } = lease;
	const loaded = await store.loadChain(chainId);
	// Another took the chain between the lease and this look: its fence must not become ours.
	if (loaded.state.fence !== fence) throw leaseLost(chainId);
	if (windowBlocks === undefined || windowBlocks === loaded.state.windowBlocks) return loaded;
	await store.resizeWindow(chainId, fence, windowBlocks);
	return loadOwnChain(store, { chainId, fence });
}

/** Undefined before the first block. */
export function windowOf({ window, state }: LoadedChain): HeaderWindow | undefined {
	return window.length === 0 ? undefined : HeaderWindow.of(window, state.windowBlocks);
}

/** Undefined before the first block. */
export function floorOf(state: ChainState): Height | undefined {
	const { head, finalized = 0n } = state;
	return head && windowFloor({ ...state, head: head.number, finalized });
}
