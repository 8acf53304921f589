/**
 * The name under which this process holds leases and claims, and whether the process behind a name is
 * gone. Only a process of this very host can be known to be gone; any other is given its time.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { pidExists } from "../resilience/running-process.ts";

/** `host:pid:uuid`; the uuid keeps two processes with one pid apart. */
export function processName(): string {
	return `${hostname()}:${process.pid}:${randomUUID()}`;
}

export function isGone(holder: string): boolean {
	const [host, pid] = holder.split(":");
	if (host !== hostname() || pid === undefined || !/^\d+$/.test(pid)) return false;
	if (Number(pid) === process.pid) return false;
	return !pidExists(Number(pid)) || isZombie(pid);
}

/** One that only waits to be collected does nothing any more. Without /proc nothing is known. */
function isZombie(pid: string): boolean {
	const path = `/proc/${pid}/stat`;
	if (!existsSync(path)) return false;
	const stat = readFileSync(path, "utf8");
	// pid (name) state …, and the name may hold anything, see proc(5).
	return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}
