/** How a collection is searched. */
export interface CollectionIndex {
	readonly rows: number;
	/** exact: every vector is compared. index: those that the index leads to. */
	readonly search: "exact" | "index";
	/** Rows that the indexes do not know yet, and which are looked at one by one. */
	readonly unindexedRows: number;
	/** Of the index against exact search; undefined: there is no index, or it was not measured here. */
	readonly recall:
		| {
				/** Share of the true nearest `k` that is found, in [0, 1]. */
				readonly share: number;
				readonly k: number;
				/** Questions that it was measured with. */
				readonly sample: number;
				readonly measuredAt: Date;
		  }
		| undefined;
}

/** What upkeep did to a collection. */
export interface CollectionUpkeep {
	readonly collection: string;
	readonly fromVersion: bigint;
	/** Table version that is pointed at now; the same: there was nothing to do. */
	readonly toVersion: bigint;
	readonly index: CollectionIndex;
}
