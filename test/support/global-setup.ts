/**
 * One Postgres and one Redis for the whole run of the integration tests, ended after it, however it
 * ends. TEST_DATABASE_URL and REDIS_URL name servers to use instead; those are left running.
 */
import type { TestProject } from "vitest/node";
import { startPostgres } from "../../scripts/support/postgres-server.ts";
import { startRedis } from "../../scripts/support/redis-server.ts";

declare module "vitest" {
	interface ProvidedContext {
		/** Of a user who may create databases. */
		readonly databaseUrl: string;
		readonly redisUrl: string;
	}
}

interface Server {
	readonly url: string;
	stop(): Promise<void>;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
	await using started = new AsyncDisposableStack();
	const server = async (variable: string, start: () => Promise<Server>): Promise<string> => {
		const given = process.env[variable];
		if (given !== undefined && given !== "") return given;
		const { url, stop } = await start();
		started.defer(stop);
		return url;
	};
	project.provide("databaseUrl", await server("TEST_DATABASE_URL", startPostgres));
	project.provide("redisUrl", await server("REDIS_URL", startRedis));
	const servers = started.move();
	return () => servers.disposeAsync();
}
