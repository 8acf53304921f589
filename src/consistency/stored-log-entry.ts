/** An entry of the log as it stands, for those who check it. */
import type { Generation, Height, LogPosition, MemoryKey } from "../domain/ids.ts";

export interface StoredLogEntry {
	readonly position: LogPosition;
	readonly generation: Generation;
	readonly height: Height;
	readonly kind: string;
	readonly operationId: string | undefined;
	readonly memoryKey: MemoryKey | undefined;
	readonly body: string;
	readonly intact: boolean;
}
