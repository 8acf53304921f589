/** What stands in the database before any chain is followed: the installation, and the chains. */
import { EMPTY_ROOTS } from "../commitment/state-root.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import {
	areSame,
	changesText,
	type HandlerPart,
	handlerChanges,
} from "../rederive/handler-changes.ts";
import type { OnHandlersChange } from "../rederive/rederiver.ts";
import { toJson } from "./codec.ts";
import type { Database } from "./database.ts";
import { partsOf } from "./rederiving/postgres-handlers-store.ts";

/** The database's installation id; `fresh` becomes it in an empty database. */
export async function installationId(database: Database, fresh: string): Promise<string> {
	return database.run(async (sql) => {
		await sql`insert into installation (id) values (${fresh}) on conflict do nothing`;
		const [row] = await sql<{ id: string }[]>`select id from installation`;
		return row?.id ?? fresh;
	});
}

interface Registration {
	readonly id: ChainId;
	readonly name: string;
	readonly startBlock: Height;
	readonly handlersHash: Hex;
	/** Cap of a new chain's window; undefined: the least. What a known chain has is its writer's to change. */
	readonly windowBlocks?: number | undefined;
	/** Undefined: not known. */
	readonly parts?: readonly HandlerPart[] | undefined;
	readonly onHandlersChange?: OnHandlersChange | undefined;
}

/**
 * Makes the chain's row, or checks it against the chain's file. Throws `FatalError("handlers_differ")`
 * when a living process follows the chain with other handlers, or when the start block was changed.
 */
export async function registerChain(
	database: Database,
	chain: Registration,
	context: { readonly isGone: (holder: string) => boolean; readonly log: Logger },
): Promise<void> {
	await database.transaction(async (tx) => {
		// Generation 0 is made with the chain and never again: it may be past its time, or imported over.
		await tx`
			with made as (
				insert into chains (chain_id, name, start_block, roots, retained_from, handlers_hash,
					derived_hash, derived_parts, window_blocks)
				values (${chain.id}, ${chain.name}, ${chain.startBlock}, ${toJson(EMPTY_ROOTS)}, 0,
					${chain.handlersHash}, ${chain.handlersHash}, ${partsText(chain)},
					${chain.windowBlocks ?? LIMITS.windowBlocks})
				on conflict do nothing returning chain_id
			)
			insert into generations (chain_id, generation) select chain_id, 0 from made`;
		const [row] = await tx<ChainRow[]>`
			select name, start_block, handlers_hash, derived_hash, derived_parts, head_height, lease_holder,
				coalesce(lease_until > now(), false) as live
			from chains where chain_id = ${chain.id} for update`;
		if (row === undefined) return;
		if (row.start_block !== chain.startBlock && row.head_height !== null) {
			throw startBlockChanged(chain, row.start_block);
		}
		if (row.handlers_hash !== chain.handlersHash) {
			const held = row.live && row.lease_holder !== null && !context.isGone(row.lease_holder);
			if (held) throw handlersDiffer(chain, row.handlers_hash);
		}
		const derivedBy = derivedByOf(chain, row, context.log);
		await tx`update chains set name = ${chain.name}, handlers_hash = ${chain.handlersHash},
			derived_hash = ${derivedBy.hash}, derived_parts = ${derivedBy.parts},
			start_block = ${chain.startBlock} where chain_id = ${chain.id}`;
	});
}

/**
 * The handlers that the state counts as derived by from now on. Others than those that are here: it is
 * derived anew, see rederive/. Comments, and what else of the file derives nothing, change the hash alone.
 */
function derivedByOf(
	chain: Registration,
	row: ChainRow,
	log: Logger,
): { readonly hash: Hex; readonly parts: string | null } {
	const here = { hash: chain.handlersHash, parts: partsText(chain) };
	const before = row.derived_hash ?? row.handlers_hash;
	const parts = partsOf(row.derived_parts);
	const now = chain.parts ?? [];
	if (before === here.hash || row.head_height === null || areSame(parts, now)) return here;
	const changes = { chain: chain.name, before, now: here.hash };
	const which = changesText(handlerChanges(parts, now));
	if (chain.onHandlersChange === "keep") {
		log.warn(
			changes,
			`the chain's handlers were changed (${which}): what older blocks gave stays as it was derived then`,
		);
		return here;
	}
	log.warn(changes, `the chain's handlers were changed (${which})`);
	return { hash: before, parts: row.derived_parts };
}

function partsText({ parts }: Registration): string | null {
	return parts === undefined ? null : toJson(parts);
}

interface ChainRow {
	readonly name: string;
	readonly start_block: bigint;
	readonly handlers_hash: Hex;
	readonly derived_hash: Hex | null;
	readonly derived_parts: string | null;
	readonly head_height: bigint | null;
	readonly lease_holder: string | null;
	readonly live: boolean;
}

function handlersDiffer(chain: Registration, other: Hex): FatalError {
	return new FatalError("handlers_differ", {
		message: `another process follows chain "${chain.name}" with handlers ${other}; here they are ${chain.handlersHash}`,
		hint: "run the same chain's file everywhere, or stop the other process first",
		fields: { chainId: chain.id, theirs: other, ours: chain.handlersHash },
	});
}

function startBlockChanged(chain: Registration, before: Height): FatalError {
	return new FatalError("handlers_differ", {
		message: `chain "${chain.name}" was derived from block ${before}; its file now says ${chain.startBlock}`,
		hint: "set the start block back, or start with an empty RECANT_DATA_DIR or database",
		fields: { chainId: chain.id, before: before.toString(), now: chain.startBlock.toString() },
	});
}
