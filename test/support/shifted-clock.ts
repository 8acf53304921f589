/**
 * Preloaded into a service process (`--import`): its wall clock is off by what stands in the file that the
 * setting RECANT_TEST_CLOCK names, in milliseconds, read at the start and at each SIGUSR2. Timers and
 * performance.now() run on, as they do on a machine whose clock is set.
 */
import { readFileSync } from "node:fs";

const settings = JSON.parse(process.argv[2] ?? "{}") as {
	readonly environment?: Readonly<Record<string, string>>;
};
const file = settings.environment?.["RECANT_TEST_CLOCK"];
const RealDate = Date;
let shiftMs = 0;

function read(): void {
	if (file !== undefined) shiftMs = Number(readFileSync(file, "utf8"));
}

class ShiftedDate extends RealDate {
	constructor(...parts: readonly unknown[]) {
		if (parts.length === 0) super(RealDate.now() + shiftMs);
		else super(...(parts as [number]));
	}

	static override now(): number {
		return RealDate.now() + shiftMs;
	}
}

read();
process.on("SIGUSR2", read);
globalThis.Date = ShiftedDate as DateConstructor;
