/**
 * What providers say of a fork, and whether enough of them say the same. Pure.
 *
 * What was final is taken back on the word of more than half of all that the chain's file names, whether
 * they answer or not, and of at least two: one node that was led astray looks like a chain that was. Who has
 * no second one can say that one is enough.
 */
import type { Height, Hex } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { Place } from "../rollback/rollback-record.ts";

export interface Testimony {
	readonly type: "heard";
	readonly provider: string;
	readonly heardAt: Date;
	readonly head: Place;
	/** Undefined: the node has no such tag. */
	readonly finalized: Place | undefined;
	/** Highest kept block that is on its chain; undefined: not even the lowest is. */
	readonly shared: Place | undefined;
}

export interface Silence {
	readonly type: "silent";
	readonly provider: string;
	readonly heardAt: Date;
	/** Why it says nothing that counts. */
	readonly why: string;
}

export interface Quorum {
	/** Different providers of the chain's file. */
	readonly configured: number;
	/** Of them so many must say the same. */
	readonly needed: number;
}

export function quorumOf(configured: number, singleProvider: boolean): Quorum {
	const half = Math.floor(configured / 2) + 1;
	return { configured, needed: singleProvider ? half : Math.max(2, half) };
}

export type Agreement =
	| {
			readonly type: "agreed";
			/** Highest block that chain and node share. */
			readonly ancestor: Place;
			/** Highest height at which enough of those that share it have a block. */
			readonly headHeight: Height;
			/** Those that say so. */
			readonly witnesses: readonly Testimony[];
	  }
	| { readonly type: "refused"; readonly reason: string };

/** Whether enough providers share the same highest block. */
export function agreeOnAncestor(said: readonly (Testimony | Silence)[], quorum: Quorum): Agreement {
	const { configured, needed } = quorum;
	if (needed > configured) return { type: "refused", reason: ONE_PROVIDER };
	const heard = said.filter((each) => each.type === "heard");
	const groups = Map.groupBy(heard, ({ shared }) => shared?.hash);
	const [largest] = [...groups.values()].sort((a, b) => b.length - a.length);
	if (largest === undefined || largest.length < needed) {
		return { type: "refused", reason: `${shortOf(quorum)}: ${accounts(said)}` };
	}
	const ancestor = largest[0]?.shared;
	if (ancestor === undefined) return { type: "refused", reason: NOTHING_SHARED };
	const heads = largest.map(({ head }) => head.height).sort((a, b) => Number(b - a));
	const headHeight = heads[needed - 1] ?? ancestor.height;
	return { type: "agreed", ancestor, headHeight, witnesses: largest };
}

export type BlockAgreement =
	| { readonly type: "agreed"; readonly place: Place }
	| { readonly type: "refused"; readonly reason: string };

/** The block that enough providers have at one height. */
export function agreeOnBlock(
	height: Height,
	said: readonly { readonly provider: string; readonly hash: Hex | undefined }[],
	quorum: Quorum,
): BlockAgreement {
	if (quorum.needed > quorum.configured) return { type: "refused", reason: ONE_PROVIDER };
	const groups = Map.groupBy(said, ({ hash }) => hash);
	const found = [...groups].find(
		([hash, members]) => hash !== undefined && members.length >= quorum.needed,
	);
	const hash = found?.[0];
	if (hash !== undefined) return { type: "agreed", place: { height, hash } };
	const lines = said.map(({ provider, hash: each }) => `${provider} has ${each ?? "none"}`);
	const reason = `${shortOf(quorum)} on block ${height}: ${lines.join("; ")}`;
	return { type: "refused", reason };
}

const ONE_PROVIDER =
	"only one provider is configured, and two must agree: name another in the chain's file, or say that one is enough (`--single-provider`)";

const NOTHING_SHARED =
	"the providers share no block that is kept here: it is another chain, or it forked below everything that is kept";

function shortOf({ configured, needed }: Quorum): string {
	return `of ${configured} providers ${needed} must say the same, and they do not`;
}

function accounts(said: readonly (Testimony | Silence)[]): string {
	return said.map((each) => `${each.provider} ${account(each)}`).join("; ");
}

function account(said: Testimony | Silence): string {
	if (said.type === "silent") return `says nothing (${said.why})`;
	const { shared, head } = said;
	const up = `, its head is ${head.height} ${head.hash}`;
	return shared === undefined
		? `shares no block that is kept here${up}`
		: `shares block ${shared.height} ${shared.hash}${up}`;
}

/** What is kept of a hearing; heights in decimal, times in ISO 8601. */
export function evidenceOf(
	said: readonly (Testimony | Silence)[],
	quorum: Quorum,
	blocks: Readonly<Record<string, Place | undefined>>,
): JsonObject {
	return {
		quorum: { ...quorum },
		...Object.fromEntries(
			Object.entries(blocks).flatMap(([name, place]) =>
				place === undefined ? [] : [[name, placeJson(place)] as const],
			),
		),
		witnesses: said.map((each) => ({
			provider: each.provider,
			heardAt: each.heardAt.toISOString(),
			...(each.type === "silent"
				? { silent: each.why }
				: {
						head: placeJson(each.head),
						...(each.finalized === undefined ? {} : { finalized: placeJson(each.finalized) }),
						...(each.shared === undefined ? {} : { shared: placeJson(each.shared) }),
					}),
		})),
	};
}

function placeJson({ height, hash }: Place): JsonObject {
	return { height: height.toString(), hash };
}
