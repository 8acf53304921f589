/** What a rewind takes for believed before: what was said above the ancestor, and nothing below it. */

import { expect, test } from "vitest";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import { rewindTo } from "../../src/rollback/rewind.ts";
import { Assembly } from "../../src/writer/assembly.ts";
import { keyOf, row } from "../support/versions.ts";

const AT = { ancestor: 5n, head: 8n };

function nextGeneration(): Assembly {
	return new Assembly({
		chainId: 1,
		generation: 1n,
		fence: 1n,
		logPosition: 10n,
		versionSeq: 10n,
		roots: EMPTY_ROOTS,
		head: { number: 8n, hash: "0x08", parentHash: "0x07", timestamp: 8n },
		startBlock: 0n,
		safe: undefined,
		finalized: undefined,
		...LEAST_WINDOW,
		pointers: {},
	});
}

test("what was said above the ancestor was believed and is not any more", () => {
	const rows = [
		row("fact", 1n, { fromBlock: 2n, toBlock: 7n }),
		row("fact", 2n, { fromBlock: 7n }),
	];
	const { before } = rewindTo(nextGeneration(), new Map([[keyOf("fact"), rows]]), AT);
	expect([...before.values()].map(({ versionId }) => versionId)).toEqual([2n]);
});

test("what ends by itself and was said below the ancestor is no fork's to take back", () => {
	const rows = [row("note", 1n, { fromBlock: 2n, expiresBlock: 12n })];
	const { before } = rewindTo(nextGeneration(), new Map([[keyOf("note"), rows]]), AT);
	expect([...before.keys()]).toEqual([]);
});
