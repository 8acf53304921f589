/** Postgres: the server that is named, or one of our own in the data directory. */
import type { DataDirectory } from "../config/data-directory.ts";
import type { Environment } from "../config/environment.ts";
import type { Logger } from "../domain/logger.ts";
import { Database } from "../store/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../store/embedded/postgres.ts";
import type { Ending } from "./ending.ts";

export async function openDatabase(
	environment: Environment,
	directory: DataDirectory,
	log: Logger,
	ending: Ending,
): Promise<{ readonly database: Database; readonly embedded: boolean }> {
	let embedded: EmbeddedPostgres | undefined;
	if (environment.databaseUrl === undefined) {
		const started = await startEmbeddedPostgres({
			dataDir: directory.postgres,
			log: (message) => log.info({}, message),
		});
		ending.add(() => started.stop());
		embedded = started;
	}
	const database = await Database.open(
		embedded?.url ?? environment.databaseUrl ?? "",
		embedded?.socketPath,
		log,
	);
	ending.add(() => database.close());
	return { database, embedded: embedded !== undefined };
}
