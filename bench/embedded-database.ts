/**
 * The embedded Postgres of production for a measurement. It outlives its parent on purpose; here it
 * must not, however the measurement ends.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { endWithThisProcess } from "../scripts/support/process-guard.ts";
import { Database } from "../src/store/database.ts";
import { startEmbeddedPostgres } from "../src/store/embedded/postgres.ts";

export interface EmbeddedDatabase {
	readonly database: Database;
	stop(): Promise<void>;
}

/** Starts a server with its home in `dataDir`, and connects as the service does. */
export async function startEmbeddedDatabase(dataDir: string): Promise<EmbeddedDatabase> {
	const server = await startEmbeddedPostgres({ dataDir });
	const unlist = endWithThisProcess(server.pid);
	const stop = async () => {
		await server.stop();
		unlist();
	};
	try {
		const database = await Database.open(server.url, server.socketPath);
		return {
			database,
			stop: async () => {
				await database.close();
				await stop();
			},
		};
	} catch (error) {
		await stop();
		throw error;
	}
}

/** The same guard for the server that a service started in its data directory. Answers its end. */
export function guardServerOf(serviceDir: string): () => void {
	const file = join(serviceDir, "postgres", "cluster", "postmaster.pid");
	return endWithThisProcess(Number(readFileSync(file, "utf8").split("\n")[0]));
}
