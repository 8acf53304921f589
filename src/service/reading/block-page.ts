/**
 * A page of headers. Its cursor pins the generation of the first page: what is canonical is told as
 * of then, so that all pages are of one branch though a rollback is committed between two of them.
 */
import type { ChainId, Generation } from "../../domain/ids.ts";
import type { BlockView, Page, RecantService } from "../recant-service.ts";
import { blockView } from "../views.ts";
import { cursorNumber, decodeCursor, encodeCursor } from "./cursor.ts";
import type { BlockPlace, StateStore } from "./state-store.ts";

/** Throws `cursor_invalid`. */
export async function blockPage(
	store: StateStore,
	chainId: ChainId,
	query: Parameters<RecantService["blocks"]>[1],
): Promise<Page<BlockView>> {
	const { from, to, fork, limit } = query;
	const pinned = query.cursor === undefined ? undefined : pinnedPlace(query.cursor);
	const record = await store.chain(chainId);
	const generation = pinned?.generation ?? record.generation;
	const found = await store.blocks(chainId, {
		...{ from, to, fork, generation },
		after: pinned?.after,
		limit: limit + 1,
	});
	const page = found.slice(0, limit);
	const last = found.length > limit ? page.at(-1) : undefined;
	return {
		items: page.map((block) => blockView(block, record)),
		cursor:
			last &&
			encodeCursor({
				h: last.number.toString(),
				f: last.fromGen.toString(),
				g: generation.toString(),
			}),
	};
}

function pinnedPlace(cursor: string): {
	readonly generation: Generation;
	readonly after: BlockPlace;
} {
	const { h, f, g } = decodeCursor(cursor, ["h", "f", "g"]);
	return {
		generation: cursorNumber(g),
		after: { height: cursorNumber(h), fromGen: cursorNumber(f) },
	};
}
