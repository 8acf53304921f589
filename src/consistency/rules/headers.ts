/** Headers: checksums, the link from each block to its parent, and a window without holes. */
import { windowFloor } from "../../chain/finality.ts";
import { FOREVER, type Height } from "../../domain/ids.ts";
import { branchEnd, isGoing } from "../branch-end.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredHeader } from "../stored-state.ts";
import { BY_REPAIR, subject } from "../subject.ts";

export const headers: ScanRule<CheckContext> = {
	kind: "scan",
	name: "headers",
	level: "full",
	severity: "critical",
	compares: "every header with its checksum, its parent and the window's extent",
	async *check({ state, at, read }) {
		const generations = await state.generations();
		const { finalized } = state.chain;
		const floor = windowFloor({ ...state.chain, head: at.height, finalized: finalized ?? 0n });
		const branch = new Branch(floor);
		for await (const page of state.headers()) {
			await read(page.length);
			for (const header of page) {
				if (!header.intact) yield corrupt(header.height, header, "it does not fit its checksum");
				if (isGoing(header, generations)) continue;
				const end = branchEnd(header, generations);
				if (header.toGen !== end) yield corrupt(header.height, header, endsWrongly(header, end));
				if (end === FOREVER) yield* branch.next(header);
			}
		}
		yield* branch.upTo(at.height);
	},
};

/** The canonical branch, as far as it was seen. */
class Branch {
	readonly #floor: Height;
	#last: StoredHeader | undefined;
	/** Next height that the window must have. */
	#due: Height | undefined;

	constructor(floor: Height) {
		this.#floor = floor;
	}

	*next(header: StoredHeader): Generator<RuleFinding, void> {
		const last = this.#last;
		// What lies below the window has holes: a backfill keeps the headers that it needed.
		this.#due ??= header.height < this.#floor ? this.#floor : header.height;
		this.#last = header;
		if (last?.height === header.height) {
			yield corrupt(header.height, header, `another, ${last.hash}, is canonical there too`);
		} else if (
			last !== undefined &&
			last.height + 1n === header.height &&
			last.hash !== header.parentHash
		) {
			yield corrupt(
				header.height,
				header,
				`its parent is ${header.parentHash}, kept is ${last.hash}`,
			);
		}
		if (header.height < this.#due) return;
		yield* this.upTo(header.height - 1n);
		this.#due = header.height + 1n;
	}

	/** Every height up to one, inclusive, that should have come before. */
	*upTo(height: Height): Generator<RuleFinding, void> {
		const due = this.#due;
		if (due === undefined) return;
		for (let each = due; each <= height; each += 1n)
			yield corrupt(each, undefined, "it is missing");
	}
}

function endsWrongly({ toGen }: StoredHeader, end: bigint): string {
	const named = (generation: bigint) =>
		generation === FOREVER ? "canonical" : `orphaned by generation ${generation}`;
	return `it stands as ${named(toGen)}, and is ${named(end)}`;
}

function corrupt(height: Height, header: StoredHeader | undefined, what: string): RuleFinding {
	return {
		class: "header_corrupt",
		subject: subject({
			store: "postgres",
			table: "blocks",
			fromBlock: height,
			fromGen: header?.fromGen,
		}),
		message: `the header of block ${height} is wrong: ${what}`,
		since: height,
		remedy: BY_REPAIR,
	};
}
