/**
 * The lock on a data directory: one live process holds it alone, or any number share it.
 *
 * A process states its claim as an empty file `{lock|shared}.{pid}.{start mark}.{uuid}` and then looks at all
 * claims that its own cannot stand beside: all others, or for a shared one those that are not. Invariants:
 * 1. A name is never used twice, so a claim whose process is dead can be removed by anybody at any
 *    time without hitting a live one. (Replacing one stale lock file has a window in which two win.)
 * 2. A process holds the lock only after it has seen no such live claim while its own stood. Of two
 *    processes the one that looked later sees the other's claim, so never do both hold it.
 * 3. Of processes that contend, those that see a smaller uuid withdraw and the smallest waits for
 *    them, so a race has a winner. A holder says so in its file, so nobody waits for it.
 *
 * A SIGKILL leaves the file behind; the process start time in its name tells a dead owner from another
 * program with the same pid. Where there is no /proc, only the pid is compared. The processes
 * must see one another's pids: containers that share a directory do not.
 */
import { randomUUID } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../domain/errors.ts";
import { startMarkOf, UNKNOWN_START } from "../resilience/running-process.ts";

interface DirectoryClaim {
	/** Gives the lock up; further calls do nothing. */
	release(): Promise<void>;
}

/** alone: nobody else may use the directory; shared: nobody may use it alone. */
export type DirectoryUse = "alone" | "shared";

interface Claim {
	readonly name: string;
	readonly use: DirectoryUse;
	readonly pid: number;
	readonly startMark: string;
	readonly uuid: string;
}

const CLAIM_NAME = /^(lock|shared)\.([1-9]\d{0,9})\.([0-9a-z-]+)\.([0-9a-f-]{36})$/;
/** How long the smallest contender waits for others to withdraw: some hundred times what it takes. */
const CONTENTION_MS = 3_000;
const CONTENTION_POLL_MS = 10;

/** True for the name of a claim. */
export function isClaimName(name: string): boolean {
	return CLAIM_NAME.test(name);
}

/**
 * Takes the lock on `directory`, which must exist.
 *
 * @throws FatalError `data_directory_in_use`, which names the pid that holds it; errors of the file
 * system as they come.
 */
export async function claimDirectory(
	directory: string,
	use: DirectoryUse = "alone",
): Promise<DirectoryClaim> {
	const own = await newClaim(use);
	const path = join(directory, own.name);
	await writeFile(path, "", { flag: "wx", mode: 0o600 });
	try {
		await contend(directory, own);
		await writeFile(path, "held\n");
	} catch (error) {
		await rm(path, { force: true });
		throw error;
	}
	return { release: () => rm(path, { force: true }) };
}

async function contend(directory: string, own: Claim): Promise<void> {
	const deadline = Date.now() + CONTENTION_MS;
	for (;;) {
		const others = await rivals(directory, own);
		const [first] = others;
		if (first === undefined) {
			return;
		}
		const smaller = others.find(({ uuid }) => uuid < own.uuid);
		const rival = smaller ?? (await findHolder(directory, others));
		if (rival !== undefined || Date.now() > deadline) {
			throw inUse(directory, rival ?? first, own);
		}
		await sleep(CONTENTION_POLL_MS);
	}
}

/** Claims of live processes that `own` cannot stand beside. */
async function rivals(directory: string, own: Claim): Promise<Claim[]> {
	const live = await liveClaims(directory, own.name);
	return live.filter(({ use }) => own.use === "alone" || use === "alone");
}

/** Claims of live processes but `ownName`; claims of dead ones are removed. */
async function liveClaims(directory: string, ownName: string): Promise<Claim[]> {
	const live: Claim[] = [];
	for (const name of await readdir(directory)) {
		const claim = name === ownName ? undefined : parseClaim(name);
		if (claim === undefined) {
			continue;
		}
		if (await isLive(claim)) {
			live.push(claim);
		} else {
			await rm(join(directory, name), { force: true });
		}
	}
	return live;
}

async function findHolder(directory: string, claims: readonly Claim[]): Promise<Claim | undefined> {
	for (const claim of claims) {
		if ((await readIfThere(join(directory, claim.name))) === "held\n") {
			return claim;
		}
	}
	return undefined;
}

function parseClaim(name: string): Claim | undefined {
	const [, word, pid, startMark, uuid] = CLAIM_NAME.exec(name) ?? [];
	const use = word === "shared" ? "shared" : "alone";
	return pid === undefined || startMark === undefined || uuid === undefined
		? undefined
		: { name, use, pid: Number(pid), startMark, uuid };
}

async function newClaim(use: DirectoryUse): Promise<Claim> {
	const { pid } = process;
	const startMark = (await startMarkOf(pid)) ?? UNKNOWN_START;
	const uuid = randomUUID();
	const word = use === "shared" ? "shared" : "lock";
	return { name: `${word}.${pid}.${startMark}.${uuid}`, use, pid, startMark, uuid };
}

async function isLive({ pid, startMark }: Claim): Promise<boolean> {
	const now = await startMarkOf(pid);
	if (now === undefined) {
		return false;
	}
	return now === startMark || now === UNKNOWN_START || startMark === UNKNOWN_START;
}

/** Content of a file that may vanish at any time, or that this system does not have. */
async function readIfThere(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, "utf8");
	} catch {
		return undefined;
	}
}

function inUse(directory: string, { pid, use }: Claim, own: Claim): FatalError {
	const how = use === "shared" ? "shared by" : "in use by";
	return new FatalError("data_directory_in_use", {
		message: `the data directory ${directory} is ${how} process ${pid}`,
		hint:
			own.use === "shared"
				? "that process runs its own Postgres in it: stop it, or give this one another RECANT_DATA_DIR"
				: "stop that process, or give this one a directory of its own with RECANT_DATA_DIR; processes that all have DATABASE_URL set may share one",
		fields: { path: directory, pid },
	});
}
