/**
 * What processes on one database tell one another at once, so that nobody waits for the next look. A notice
 * says where to look and carries no data: who hears it reads the rows, and who misses it finds them by looking.
 *
 * inbox: operations wait; commit: the log grew; replaced: the chain is that of a snapshot now; rollback: one
 * was recorded, prepared or told to go on; snapshot: one is wanted; delivery: one is to be sent; head: the node
 * may have a new block.
 */
import type { ChainId } from "./ids.ts";

export const NOTICE_KINDS = [
	"inbox",
	"commit",
	"replaced",
	"rollback",
	"snapshot",
	"delivery",
	"head",
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

export interface Notice {
	readonly kind: NoticeKind;
	readonly chainId: ChainId;
}

export function noticeText({ kind, chainId }: Notice): string {
	return `${kind}:${chainId}`;
}

/** Undefined: it is none of ours, or of a newer Recant. */
export function parseNotice(text: string): Notice | undefined {
	const [, word, digits] = /^([a-z]+):(\d{1,16})$/.exec(text) ?? [];
	const kind = NOTICE_KINDS.find((known) => known === word);
	return kind === undefined ? undefined : { kind, chainId: Number(digits) };
}
