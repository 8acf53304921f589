/** What a restore asks of whoever knows the chain's handlers. The follower gives it. */
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";

export interface GroupDeriver {
	/** Of the handlers that are here now. */
	readonly handlersHash: Hex;
	/**
	 * What finalized blocks give, both bounds inclusive: those that derived something, and the first and the
	 * last. `read` answers the state before the range.
	 */
	deriveGroup(
		range: { readonly from: Height; readonly to: Height },
		read: (key: MemoryKey) => Promise<Version | undefined>,
	): Promise<readonly DerivedBlock[]>;
}
