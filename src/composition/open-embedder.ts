/** What embeds texts, as the settings say, with a record of what costs something. */
import type { EmbedderSettings } from "../config/embedder-settings.ts";
import type { Logger } from "../domain/logger.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import type { Database } from "../store/database.ts";
import { PostgresEmbeddingStore } from "../store/records/postgres-embedding-store.ts";
import type { Embedder } from "../vectors/embedder.ts";
import { createHashingEmbedder } from "../vectors/hashing-embedder.ts";
import { HttpEmbedder } from "../vectors/http-embedder.ts";
import { RecordedEmbedder } from "../vectors/recorded-embedder.ts";
import { openTransformersEmbedder } from "../vectors/transformers-embedder.ts";

export interface OpenEmbedder {
	readonly embedder: Embedder;
	/** True: the same text gives the same vector to the bit, on every machine and at any time. */
	readonly exact: boolean;
	/** Of what may be away. */
	health(): readonly StoreHealth[];
}

/** Throws `FatalError("embedder_missing")`. */
export async function openEmbedder(
	settings: EmbedderSettings,
	database: Database,
	log: Logger,
): Promise<OpenEmbedder> {
	if (settings.kind === "hashing") {
		return {
			embedder: createHashingEmbedder(),
			exact: true,
			health: () => [],
		};
	}
	const store = new PostgresEmbeddingStore(database);
	if (settings.kind === "http") {
		const http = new HttpEmbedder({ ...settings, log });
		return recorded(new RecordedEmbedder(http, store), () => [http.health()]);
	}
	const model = await openTransformersEmbedder(settings);
	return recorded(new RecordedEmbedder(model, store), () => []);
}

function recorded(embedder: RecordedEmbedder, health: OpenEmbedder["health"]): OpenEmbedder {
	return { embedder, exact: false, health };
}
