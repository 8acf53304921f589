/** Deriving handlers' memories anew: in groups, going on where it was, and anew for other handlers. */
import { expect, test } from "vitest";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { HandlersStore, Rederivation } from "../../src/rederive/handlers-store.ts";
import { Rederiver } from "../../src/rederive/rederiver.ts";
import type { GroupDeriver } from "../../src/restore/group-deriver.ts";
import { MemoryShadows } from "../support/memory-shadows.ts";

const CHAIN_ID = 7;
const FINALIZED = BigInt(2 * LIMITS.groupBlocks + 10);
const OLD: Hex = "0x01";
const NEW: Hex = "0x02";

function header(number: Height): BlockHeader {
	const hashOf = (height: Height): Hex => `0x${height.toString(16).padStart(64, "0")}`;
	return { number, hash: hashOf(number), parentHash: hashOf(number - 1n), timestamp: number };
}

const window = HeaderWindow.of([0n, 1n, 2n].map((above) => header(FINALIZED + above)));
const chain = { window, finalized: FINALIZED };

/** Counts every block into one memory; what was read before tells whether a group was derived twice. */
class Counting implements GroupDeriver {
	readonly handlersHash: Hex = NEW;
	readonly ranges: (readonly [Height, Height])[] = [];
	failures = 0;

	async deriveGroup(
		{ from, to }: { readonly from: Height; readonly to: Height },
		read: Parameters<GroupDeriver["deriveGroup"]>[1],
	) {
		if (this.failures > 0) {
			this.failures -= 1;
			throw new RetryableError("rpc_failed", { message: "the node is away", hint: "again" });
		}
		this.ranges.push([from, to]);
		const before = Number((await read(KEY))?.content?.["blocks"] ?? 0);
		const blocks = before + Number(to - from) + 1;
		const body = { ...NO_BODY, content: { blocks } };
		const operations = [{ kind: "put", namespace: "count", id: "all", body }] as const;
		return [{ header: header(to), operations, anchors: new Map() }];
	}
}

const KEY = memoryKey("count", "all");
const NO_BODY = {
	layer: "semantic",
	text: undefined,
	vector: undefined,
	collection: undefined,
	importance: undefined,
	confidence: undefined,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
} as const;

/** As Postgres keeps it; `shadows` outlive a process. */
class MemoryHandlers implements HandlersStore {
	readonly shadows = new MemoryShadows();
	begun = 0;
	#current: Rederivation | undefined;

	async derivedBy() {
		return { handlersHash: OLD, parts: undefined };
	}

	async current() {
		return this.#current;
	}

	async begin(chainId: number, rederivation: Rederivation) {
		this.begun += 1;
		this.#current = rederivation;
		const { shadowId, target } = rederivation;
		const owner = { purpose: "handlers", ownerId: shadowId } as const;
		await this.shadows.begin({ shadowId, chainId, ...owner, height: target.height });
	}

	async advance(...[before, now, rows]: Parameters<HandlersStore["advance"]>) {
		this.#current = { ...before, ...now };
		await this.shadows.put(before.shadowId, rows);
	}

	async takeOver() {
		throw new RetryableError("rpc_failed", { message: "not asked for here", hint: "" });
	}
}

function rederiver(store: MemoryHandlers, deriver: Counting, handlersHash = NEW) {
	return new Rederiver({
		chainId: CHAIN_ID,
		startBlock: 1n,
		handlersHash,
		parts: [],
		namespaces: ["count"],
		policy: "derive",
		store,
		shadows: store.shadows,
		deriverOf: () => deriver,
	});
}

test("goes up to the final block in groups, and on where another process was when it ended", async () => {
	const store = new MemoryHandlers();
	const deriver = new Counting();
	const size = BigInt(LIMITS.groupBlocks);
	expect((await rederiver(store, deriver).step(chain)).type).toBe("deriving");
	deriver.failures = 1;
	const next = rederiver(store, deriver);
	await expect(next.step(chain)).rejects.toMatchObject({ code: "rpc_failed" });
	expect((await next.step(chain)).type).toBe("deriving");
	const last = await rederiver(store, deriver).step(chain);
	expect(last).toMatchObject({ type: "derived", rederivation: { versions: 3n, added: undefined } });
	expect(deriver.ranges).toEqual([
		[1n, size],
		[size + 1n, 2n * size],
		[2n * size + 1n, FINALIZED],
	]);
	expect(store.begun).toBe(1);
	const { shadowId = "" } = (await store.current()) ?? {};
	const row = (await store.shadows.rows(shadowId, [KEY])).get(KEY);
	expect(row?.content).toEqual({ blocks: Number(FINALIZED) });
});

test("begins anew for other handlers, and for another final block", async () => {
	const store = new MemoryHandlers();
	const deriver = new Counting();
	await rederiver(store, deriver).step(chain);
	expect(await rederiver(store, deriver).isOurs()).toBe(true);
	expect(await rederiver(store, deriver, "0x03").isOurs()).toBe(false);
	await rederiver(store, deriver, "0x03").step(chain);
	expect(store.begun).toBe(2);
	const later = HeaderWindow.of([FINALIZED + 1n, FINALIZED + 2n].map(header));
	await rederiver(store, deriver, "0x03").step({ window: later, finalized: FINALIZED + 1n });
	expect(store.begun).toBe(3);
});

test("does nothing where the same handlers derived what is there, or its file says to halt", async () => {
	const store = new MemoryHandlers();
	const deriver = new Counting();
	expect(await rederiver(store, deriver, OLD).step(chain)).toEqual({ type: "same" });
	const halting = new Rederiver({
		chainId: CHAIN_ID,
		startBlock: 1n,
		handlersHash: NEW,
		parts: [],
		namespaces: ["count"],
		policy: "halt",
		store,
		shadows: store.shadows,
		deriverOf: () => deriver,
	});
	expect(await halting.step(chain)).toMatchObject({
		type: "halted",
		problem: { code: "handlers_changed" },
	});
	expect({ begun: store.begun, ranges: deriver.ranges }).toEqual({ begun: 0, ranges: [] });
});
