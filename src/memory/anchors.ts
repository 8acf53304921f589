/** Where an operation's anchors stand, and how that moves with the chain. Pure. */
import type { Height } from "../domain/ids.ts";
import type { Anchor, AnchorPlace, AnchorSet } from "../domain/operation.ts";

/** An anchor of an operation, by its place in the set, found in a block. */
export interface FoundAnchor extends AnchorPlace {
	readonly anchor: number;
}

/** Height from which the anchors hold: 0 without any; undefined: they do not. */
export function anchorHeight({ mode, anchors }: AnchorSet): Height | undefined {
	if (anchors.length === 0) return 0n;
	const heights = anchors.flatMap(({ place }) => (place === undefined ? [] : [place.height]));
	if (heights.length === 0 || (mode === "all" && heights.length < anchors.length)) return undefined;
	return heights.reduce((a, b) => ((mode === "all") === a > b ? a : b));
}

/** The anchors that were found stand there now. */
export function withFound(set: AnchorSet, found: readonly FoundAnchor[]): AnchorSet {
	if (found.length === 0) return set;
	const anchors = set.anchors.map((anchor, index) => {
		const place = found.find((each) => each.anchor === index);
		return place === undefined ? anchor : at(anchor, place);
	});
	return { ...set, anchors };
}

/** Blocks above the ancestor are gone, and what stood in them is nowhere until it is found again. */
export function afterRewind(set: AnchorSet, ancestor: Height): AnchorSet {
	if (set.anchors.every(({ place }) => place === undefined || place.height <= ancestor)) return set;
	const anchors = set.anchors.map((anchor) =>
		anchor.place !== undefined && anchor.place.height > ancestor
			? { ...anchor, place: undefined }
			: anchor,
	);
	return { ...set, anchors };
}

/** Highest block that one of them stands in; undefined: none does. */
export function highestPlace({ anchors }: AnchorSet): Height | undefined {
	return anchors.reduce<Height | undefined>((highest, { place }) => {
		if (place === undefined) return highest;
		return highest === undefined || place.height > highest ? place.height : highest;
	}, undefined);
}

function at(anchor: Anchor, { blockHash, height }: AnchorPlace): Anchor {
	return { ...anchor, place: { blockHash, height } };
}
