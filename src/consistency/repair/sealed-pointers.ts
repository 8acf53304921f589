/**
 * Where LanceDB's tables stood at sealed blocks, by the checkpoints that can be believed. Pointers never
 * fall along the branch; one that is lower than it was only makes the tail longer.
 */
import type { Height } from "../../domain/ids.ts";
import type { RepairRows } from "./repair-store.ts";

interface Sealed {
	readonly height: Height;
	/** JSON. */
	readonly pointers: string;
}

export class SealedPointers {
	/** The highest first. */
	readonly #sealed: readonly Sealed[];

	private constructor(sealed: readonly Sealed[]) {
		this.#sealed = sealed;
	}

	static async read(rows: RepairRows): Promise<SealedPointers> {
		const sealed: Sealed[] = [];
		for await (const each of rows.sealedPointers()) {
			const last = sealed.at(-1);
			const before = sealed.at(-2);
			// Of a run of equal ones the ends are enough.
			if (last?.pointers === each.pointers && before?.pointers === each.pointers) sealed.pop();
			sealed.push(each);
		}
		return new SealedPointers(sealed);
	}

	/** All that differ, the highest first. */
	get distinct(): readonly string[] {
		return [...new Set(this.#sealed.map(({ pointers }) => pointers))];
	}

	/** Of the sealed blocks next to a height. */
	around(height: Height): readonly string[] {
		const below = this.#sealed.find((each) => each.height < height);
		const above = this.#sealed.findLast((each) => each.height > height);
		return [below, above].flatMap((each) => each?.pointers ?? []);
	}

	/**
	 * What the row says, where a block beside it says the same; else the lower one's, which is right
	 * whatever was flushed in between.
	 */
	plausible(height: Height, stored: string | undefined): string | undefined {
		const around = this.around(height);
		if (stored !== undefined && around.includes(stored)) return stored;
		const below = this.#sealed.find((each) => each.height < height);
		return below?.pointers ?? (this.#sealed.length === 0 ? "{}" : noPointer(around[0] ?? "{}"));
	}
}

/** Of the same collections, each without a table: right for a block below every flush that is known. */
function noPointer(pointers: string): string {
	const names = Object.keys(JSON.parse(pointers) as object);
	const none = { tableVersion: "0", versionId: "0", at: 0 };
	return JSON.stringify(Object.fromEntries(names.map((name) => [name, none])));
}
