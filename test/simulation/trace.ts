/** What happened in a run, a line a step. Equal runs have equal hashes. */
import { createHash } from "node:crypto";

/** Lines that are kept for a reader; all go into the hash. */
const KEPT_LINES = 5_000;

export class Trace {
	readonly #hash = createHash("sha256");
	readonly #lines: string[] = [];
	readonly #now: () => number;
	#count = 0;

	constructor(now: () => number) {
		this.#now = now;
	}

	note(what: string): void {
		const line = `${this.#now().toFixed(3)} ${what}`;
		this.#hash.update(line).update("\n");
		this.#count += 1;
		this.#lines.push(line);
		if (this.#lines.length > 2 * KEPT_LINES) this.#lines.splice(0, KEPT_LINES);
	}

	get steps(): number {
		return this.#count;
	}

	/** The last ones. */
	get lines(): readonly string[] {
		return this.#lines.slice(-KEPT_LINES);
	}

	digest(): string {
		return this.#hash.copy().digest("hex").slice(0, 16);
	}
}
