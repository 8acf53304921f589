/**
 * LanceDB's tables as a check reads them: rows as they stand, whatever they hold. The adapter is
 * vectors/lance-inspection.ts. Throws as VectorTables does; what a table holds is never an error.
 */
import type { Height, VersionId } from "../domain/ids.ts";

/** A row; its text columns are whatever stands there. */
export interface StoredTableRow {
	readonly versionId: VersionId;
	readonly memoryKey: string;
	readonly namespace: string;
	readonly layer: string;
	readonly fromBlock: Height;
	/** Float32, little-endian. */
	readonly bytes: Uint8Array;
}

export interface TableHealth {
	readonly dimensions: number;
	readonly rows: number;
	readonly fragments: number;
	readonly indexes: readonly { readonly name: string; readonly unindexedRows: number }[];
}

export interface InspectedTables {
	/** Installation id beside the tables; undefined: there is none. */
	installationId(): Promise<string | undefined>;
	/** Every row of that version, in the table's own order. */
	storedRows(table: string, version: bigint): AsyncIterable<readonly StoredTableRow[]>;
	health(table: string, version: bigint): Promise<TableHealth>;
}
