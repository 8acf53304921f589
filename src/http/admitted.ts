import type { Caller } from "../domain/caller.ts";

/** Who was let in, and whether they still would be: what goes on for long asks again. */
export interface Admitted {
	readonly caller: Caller;
	holds(): Promise<boolean>;
}
