/**
 * A throw-away Postgres server for tests and measurements: the service's own embedded one, with a
 * data directory of its own and the durability of a server that matters (fsync is on).
 */
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { endWithThisProcess } from "./process-guard.ts";
import { makeServerDir } from "./temp-dir.ts";

/** Every test file has pools of several services; the default of 60 is reached by two of them. */
const MAX_CONNECTIONS = "300";

export interface PostgresServer {
	/** Of the superuser; its database is for making others. */
	readonly url: string;
	/** The server's process. */
	readonly pid: number;
	/** Ends the server and removes its data. */
	stop(): Promise<void>;
}

/** Throws the FatalErrors of startEmbeddedPostgres. */
export async function startPostgres(): Promise<PostgresServer> {
	const dir = makeServerDir("postgres");
	try {
		const server = await startEmbeddedPostgres({
			dataDir: dir.path,
			settings: { max_connections: MAX_CONNECTIONS },
		});
		const unlist = endWithThisProcess(server.pid);
		const stop = async () => {
			await server.stop();
			unlist();
			dir.remove();
		};
		return { url: server.url, pid: server.pid, stop };
	} catch (error) {
		dir.remove();
		throw error;
	}
}
