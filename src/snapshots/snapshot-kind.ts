/** full: every visible memory. incremental: what changed since a parent. */
export const SNAPSHOT_KINDS = ["full", "incremental"] as const;
export type SnapshotKind = (typeof SNAPSHOT_KINDS)[number];
