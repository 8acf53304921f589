/** What the figures were measured on. Figures without it mean nothing. */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { makeServerDir } from "../scripts/support/temp-dir.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { median } from "./figures.ts";

const SYNCS = 100;
const PAGE_BYTES = 8_192;
const PACKAGES = ["@lancedb/lancedb", "bullmq", "@foundry-rs/anvil", "postgres", "viem"];

export interface Machine {
	readonly cpu: string;
	readonly cores: number;
	readonly memoryGiB: number;
	readonly system: string;
	/** Median of writing and syncing a page of 8 KiB, where data directories are made. */
	readonly fdatasyncMs: number;
	readonly versions: Readonly<Record<string, string>>;
	readonly postgresSettings: Readonly<Record<string, string>>;
}

/** Starts an embedded Postgres for a moment, to ask it. */
export async function describeMachine(): Promise<Machine> {
	const dir = makeServerDir("bench-machine");
	try {
		const postgres = await askPostgres(join(dir.path, "postgres"));
		const { server_version: version = "", ...postgresSettings } = postgres;
		return {
			cpu: cpus()[0]?.model.trim() ?? "unknown",
			cores: availableParallelism(),
			memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
			system: `${process.platform} ${release()} ${process.arch}`,
			fdatasyncMs: Math.round(syncMs(dir.path) * 1_000) / 1_000,
			versions: { node: process.version, postgres: version, ...packageVersions() },
			postgresSettings,
		};
	} finally {
		dir.remove();
	}
}

async function askPostgres(dataDir: string): Promise<Readonly<Record<string, string>>> {
	const { database, stop } = await startEmbeddedDatabase(dataDir);
	try {
		const rows = await database.run(
			(sql) => sql<{ name: string; value: string }[]>`
				select name, current_setting(name) as value from pg_settings where name in
					('server_version', 'shared_buffers', 'fsync', 'synchronous_commit', 'full_page_writes')
				order by name`,
		);
		return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
	} finally {
		await stop();
	}
}

function syncMs(folder: string): number {
	const file = openSync(join(folder, "sync"), "w");
	const page = Buffer.alloc(PAGE_BYTES, 1);
	const samples = Array.from({ length: SYNCS }, () => {
		writeSync(file, page);
		const start = performance.now();
		fdatasyncSync(file);
		return performance.now() - start;
	});
	closeSync(file);
	return median(samples);
}

function packageVersions(): Readonly<Record<string, string>> {
	const root = createRequire(import.meta.url);
	const folders = root.resolve.paths("any") ?? [];
	const shown = (name: string) => (name === "postgres" ? "postgres.js" : name);
	return Object.fromEntries(PACKAGES.map((name) => [shown(name), versionOf(name, folders)]));
}

/** Read from the folder: a package's `exports` may hide its package.json. */
function versionOf(name: string, folders: readonly string[]): string {
	for (const folder of folders) {
		try {
			const text = readFileSync(join(folder, name, "package.json"), "utf8");
			return (JSON.parse(text) as { readonly version: string }).version;
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		}
	}
	return "missing";
}
