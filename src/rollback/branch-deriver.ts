/** What a rollback asks of whoever knows the chain's handlers. The follower gives it. */
import type { MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { GroupDeriver } from "../restore/group-deriver.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { RollbackRecord } from "./rollback-record.ts";

/** What handlers are shown of a version. */
export type HandlerVersion = Pick<
	Version,
	"id" | "layer" | "content" | "expiresBlock" | "expiresTime"
>;

/** What the new branch holds, derived on top of the ancestor's state. Given by the follower. */
export interface BranchDeriver extends GroupDeriver {
	derive(
		branch: RollbackRecord["branch"],
		watched: readonly OpenOperation[],
		readAtAncestor: (key: MemoryKey) => Promise<HandlerVersion | undefined>,
		onBlock: (done: number) => void,
	): Promise<readonly DerivedBlock[]>;
}
