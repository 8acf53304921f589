/** What follows from the package and the settings alone. */
import { readFileSync } from "node:fs";
import type { Environment } from "../config/environment.ts";
import type { QueueBackendConfig } from "../queue/choose-backend.ts";
import type { Database } from "../store/database.ts";

export function version(): string {
	const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
	return (JSON.parse(file) as { readonly version: string }).version;
}

export function queueBackend({ redisUrl }: Environment, database: Database): QueueBackendConfig {
	return redisUrl === undefined
		? { kind: "postgres", databaseUrl: database.url }
		: { kind: "redis", redisUrl };
}
