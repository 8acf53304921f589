/** What a link joins. */

export interface LinkEnd {
	readonly namespace: string;
	readonly id: string;
}

/** Directed. It belongs to the namespace of `from`; `to` is there too, or in one of the chain's own. */
export interface LinkName {
	readonly from: LinkEnd;
	/** Letters, digits, `_` and `-`, at most LIMITS.linkTypeLength. */
	readonly type: string;
	readonly to: LinkEnd;
}
