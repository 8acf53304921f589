import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import type { Token } from "../../scripts/support/token.ts";
import {
	type Installation,
	makeInstallation,
	problemOf,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";

/** Height at which the two branches part; each has five blocks above it. */
const ANCESTOR = 5;
const HEAD = 12;
const ALICE = devAccount(1).address;
const HOLDER = `holder:${ALICE.toLowerCase()}`;

let anvil: Anvil;
let token: Token;
let installation: Installation;
let service: RunningService;
/** Hashes by height of the branch that lost, and of the one that won. */
const lost = new Map<number, string>();
const won = new Map<number, string>();

async function hashesInto(hashes: Map<number, string>, upTo: number): Promise<void> {
	for (let height = 0; height <= upTo; height += 1) {
		const number = `0x${height.toString(16)}`;
		const block = await anvil.request<{ hash: string }>("eth_getBlockByNumber", [number, false]);
		hashes.set(height, block.hash);
	}
}

function note(id: string, fields: object = {}): object {
	return { op: "put", id, layer: "semantic", content: { id }, ...fields };
}

async function generation(): Promise<string> {
	return (await service.chain("")).body.generation;
}

/**
 * Heights 0 to 5 shared, with one transfer; 6 to 10 on the branch that lost, with a transfer at 6 and
 * an agent's note in 11; 6 to 12 on the branch that won, with two transfers at 7.
 */
beforeAll(async () => {
	installation = await makeInstallation("api reads");
	({ anvil, token } = await startTokenNode());
	await token.mint({ to: ALICE, value: 1n });
	await anvil.mine(ANCESTOR - 1);
	const snapshot = await anvil.snapshot();
	service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: token.address })],
	});
	await service.reaches(ANCESTOR);
	await token.mint({ to: ALICE, value: 2n });
	await anvil.mine(5);
	await hashesInto(lost, 10);
	await service.reaches(10);
	await service.write(note("kept", { content: { at: "lost" } }));
	await anvil.revert(snapshot);
	await anvil.mine(1);
	await token.mint({ to: ALICE, value: 3n });
	await token.mint({ to: ALICE, value: 4n, nonce: await nextNonce() });
	await anvil.mine(HEAD - ANCESTOR - 1);
	await hashesInto(won, HEAD);
	await until("the fork to be followed", async () => (await generation()) === "1");
	await service.reaches(HEAD);
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await installation?.remove();
});

async function nextNonce(): Promise<number> {
	const { address } = devAccount(0);
	return Number(await anvil.request("eth_getTransactionCount", [address, "pending"]));
}

async function pages(
	path: string,
	between = (): Promise<void> => Promise.resolve(),
	// biome-ignore lint/suspicious/noExplicitAny: items of every shape.
): Promise<any[]> {
	// biome-ignore lint/suspicious/noExplicitAny: items of every shape.
	const items: any[] = [];
	let cursor: string | undefined;
	do {
		const next = cursor === undefined ? "" : `&cursor=${cursor}`;
		const answer = await service.chain(`${path}${next}`);
		expect(answer.status, answer.text).toBe(200);
		items.push(...answer.body.items);
		cursor = answer.body.cursor;
		await between();
	} while (cursor !== undefined);
	return items;
}

describe("blocks", () => {
	const places = (items: readonly { height: string; hash: string }[]) =>
		items.map(({ height, hash }) => [Number(height), hash]);
	const canonical = () => [...won].filter(([height]) => height > 0).sort(([a], [b]) => b - a);
	const orphans = () => [...lost].filter(([height]) => height > ANCESTOR).sort(([a], [b]) => b - a);

	it("that are canonical are one linked branch, the newest first", async () => {
		const { body } = await service.chain("/blocks?limit=200");
		expect(body.cursor).toBeUndefined();
		const items: { height: string; hash: string; parentHash: string; finality: string }[] =
			body.items;
		expect(places(items).filter(([height]) => Number(height) > 0)).toEqual(canonical());
		for (const [index, block] of items.entries()) {
			const parent = items[index + 1];
			if (parent !== undefined) expect(block.parentHash).toBe(parent.hash);
		}
		expect(items[0]).toMatchObject({
			...{ canonical: true, finality: "latest", generations: { from: "1" } },
		});
	});

	it("that were orphaned are told with the generations in which they were not", async () => {
		const { body } = await service.chain("/blocks?fork=orphaned");
		expect(places(body.items)).toEqual(orphans());
		for (const block of body.items) {
			expect(block).toMatchObject({
				...{ canonical: false, finality: "orphaned", generations: { from: "0", to: "1" } },
			});
		}
	});

	it.each([1, 2, 3, 7, 200])(
		"of all branches come whole and once in pages of %i",
		async (limit) => {
			const whole = await pages("/blocks?fork=all&limit=200");
			expect(await pages(`/blocks?fork=all&limit=${limit}`)).toEqual(whole);
			expect(new Set(whole.map(({ hash }) => hash)).size).toBe(whole.length);
			const heights = whole.map(({ height }) => Number(height));
			expect(heights).toEqual(heights.toSorted((a, b) => b - a));
			expect(whole.filter(({ canonical: is }) => !is)).toHaveLength(5);
		},
	);

	it("between two heights are all there is there", async () => {
		const items = await pages("/blocks?fork=all&from=5&to=7&limit=2");
		expect(places(items)).toEqual([
			[7, won.get(7)],
			[7, lost.get(7)],
			[6, won.get(6)],
			[6, lost.get(6)],
			[5, won.get(5)],
		]);
		expect((await service.chain("/blocks?from=7&to=5")).body.items).toEqual([]);
	});
});

describe("a coordinate", () => {
	const transfers = async (query: string) => {
		const { status, body, text } = await service.chain(
			`/memories/${HOLDER}?namespace=ledger&${query}`,
		);
		if (status === 404)
			return problemOf({
				status,
				body,
				text,
				headers: new Headers({ "content-type": "application/problem+json" }),
			}).code;
		expect(status, text).toBe(200);
		return [body.memory.content.transfers, body.at.height, body.at.generation];
	};

	it("of every kind reads the state that it names", async () => {
		expect(await transfers("")).toEqual([3, `${HEAD + 1}`, "1"]);
		expect(await transfers("at=pending")).toEqual([3, `${HEAD + 1}`, "1"]);
		expect(await transfers("at=latest")).toEqual([3, `${HEAD}`, "1"]);
		expect(await transfers("at=6")).toEqual([1, "6", "1"]);
		expect(await transfers("at=7")).toEqual([3, "7", "1"]);
		expect(await transfers("at=6&generation=0")).toEqual([2, "6", "0"]);
		expect(await transfers(`at=${lost.get(6)}`)).toEqual([2, "6", "0"]);
		expect(await transfers(`at=${lost.get(10)}`)).toEqual([2, "10", "0"]);
		expect(await transfers(`at=${won.get(6)}`)).toEqual([1, "6", "1"]);
		expect(await transfers(`at=${won.get(5)}`)).toEqual([1, "5", "1"]);
		expect(await transfers(`at=${won.get(5)}&generation=0`)).toEqual([1, "5", "0"]);
		expect(await transfers("at=1")).toBe("memory_not_found");
		expect(await transfers("at=finalized")).toBe("memory_not_found");
		expect(await transfers("at=safe")).toBe("memory_not_found");
	});

	it("of a generation that did not hold the block is refused", async () => {
		const answer = await service.chain(`/memories?at=${lost.get(6)}&generation=1`);
		expect(problemOf(answer)).toMatchObject({ status: 404, code: "unknown_block" });
		const above = await service.chain("/memories?at=12&generation=0");
		expect(problemOf(above)).toMatchObject({ status: 404, code: "height_in_future", head: "10" });
	});

	it("on the branch that lost still finds what was believed there, by search too", async () => {
		const ids = async (at: string | undefined) => {
			const { body } = await service.search({
				...{ text: "transferred", namespace: "ledger", k: 50 },
				...(at === undefined ? {} : { at }),
			});
			return body.results.map((found: { memory: { content: { value: string } } }) => {
				return found.memory.content.value;
			});
		};
		expect((await ids(lost.get(10))).toSorted()).toEqual(["1", "2"]);
		expect((await ids(undefined)).toSorted()).toEqual(["1", "3", "4"]);
	});

	it("of the pending slot on the branch that lost holds the agent's note of then", async () => {
		const then = await service.chain("/memories/kept?at=11&generation=0");
		expect(then.body).toMatchObject({
			at: { height: "11", generation: "0", pending: true },
			memory: { content: { at: "lost" }, since: "11" },
		});
		const now = await service.chain("/memories/kept");
		expect(now.body.memory.content).toEqual({ at: "lost" });
	});
});

describe("a difference", () => {
	it("between the two branches names what changed", async () => {
		const from = lost.get(10);
		const { body } = await service.chain(`/diff?from=${from}&to=${won.get(HEAD)}&namespace=ledger`);
		const byId = new Map(body.items.map((entry: { id: string }) => [entry.id, entry]));
		expect(byId.get(HOLDER)).toMatchObject({
			change: "changed",
			before: { content: { transfers: 2 } },
			after: { content: { transfers: 3 } },
		});
		const changes = body.items.map(({ change }: { change: string }) => change).toSorted();
		expect(changes).toEqual(["added", "added", "changed", "removed"]);
		expect(body.from).toMatchObject({ height: "10", generation: "0" });
		expect(body.to).toMatchObject({ height: `${HEAD}`, generation: "1" });
	});

	it("of a coordinate with itself is empty, and turned round it is the inverse", async () => {
		const here = await service.chain(`/diff?from=${HEAD}&to=${HEAD}`);
		expect(here.body.items).toEqual([]);
		const there = await service.chain(`/diff?from=3&to=${HEAD}`);
		const back = await service.chain(`/diff?from=${HEAD}&to=3`);
		const inverse = { added: "removed", removed: "added", changed: "changed" };
		expect(
			back.body.items.map(
				({
					change,
					before,
					after,
					...entry
				}: {
					change: keyof typeof inverse;
					before: unknown;
					after: unknown;
				}) => ({
					...entry,
					change: inverse[change],
					...(after === undefined ? {} : { before: after }),
					...(before === undefined ? {} : { after: before }),
				}),
			),
		).toEqual(there.body.items);
	});

	it("comes in pages of the two coordinates that the first named, whatever is mined", async () => {
		const path = "/diff?from=0&to=latest";
		const before = await pages(`${path}&limit=500`);
		let round = 0;
		const paged = await pages(`${path}&limit=1`, async () => {
			round += 1;
			if (round > 3) return;
			await token.mint({ to: ALICE, value: 9n });
			await anvil.mine(1);
			await service.reaches(HEAD + round);
		});
		expect(paged).toEqual(before);
	});
});

describe("pages", () => {
	it("of memories are of one state while blocks and notes come in", async () => {
		await service.write({
			operations: Array.from({ length: 30 }, (_, n) =>
				note(`page-${n}`, { namespace: "pages", content: { n } }),
			),
		});
		await anvil.mine(1);
		await until("the notes to be sealed", async () => {
			const { body } = await service.chain("/memories?namespace=pages&at=latest");
			return body.items.length === 30;
		});
		const whole = await pages("/memories?namespace=pages&at=latest&limit=200");
		let round = 0;
		const paged = await pagesWithout("/memories?namespace=pages", "at=latest", 4, async () => {
			round += 1;
			await service.write({
				operations: [
					note(`page-${round}`, { namespace: "pages", content: { changed: round } }),
					note(`new-${round}`, { namespace: "pages" }),
					{ op: "delete", id: `page-${29 - round}`, namespace: "pages" },
				],
			});
			await anvil.mine(1);
		});
		expect(paged).toEqual(whole);
	});

	it("of a history come whole, though it grows meanwhile", async () => {
		for (let n = 0; n < 7; n += 1) {
			await service.write(note("grown", { content: { n } }));
			const { body } = await service.chain("");
			await anvil.mine(1);
			await service.reaches(BigInt(body.head.height) + 1n);
		}
		const path = "/memories/grown/history?";
		const whole = await pages(`${path}limit=200`);
		expect(whole).toHaveLength(7);
		let round = 0;
		const paged = await pages(`${path}limit=2`, async () => {
			round += 1;
			if (round === 1) await service.write(note("grown", { content: { late: true } }));
		});
		const versions = (items: { versionId: string }[]) => items.map(({ versionId }) => versionId);
		expect(versions(paged)).toEqual(versions(whole));
	});

	it("of checkpoints have one for every block of the window, with roots and pointers", async () => {
		const { body } = await service.chain("");
		const points = [];
		let before: string | undefined;
		do {
			const { body: page } = await service.chain(
				`/checkpoints?limit=5${before === undefined ? "" : `&before=${before}`}`,
			);
			points.push(...page.items);
			before = page.cursor;
		} while (before !== undefined);
		const heights = points.map(({ height }) => Number(height));
		const head = Number(body.head.height);
		expect(heights.slice(0, head)).toEqual(Array.from({ length: head }, (_, n) => head - n));
		const [newest] = points;
		expect(newest.blockHash).toBe(body.head.hash);
		for (const layer of ["short_term", "long_term", "episodic", "semantic", "state"]) {
			expect(newest.roots[layer]).toMatch(/^0x[0-9a-f]{64}$/);
		}
		const one = await service.chain(`/checkpoints/${newest.height}`);
		expect(one.body).toEqual(newest);
	});
});

/** Like `pages`, with the coordinate in the first request only: the cursor pins it. */
async function pagesWithout(
	path: string,
	at: string,
	limit: number,
	between: () => Promise<void>,
): Promise<readonly unknown[]> {
	const first = await service.chain(`${path}&limit=${limit}&${at}`);
	const items = [...first.body.items];
	let { cursor } = first.body;
	while (cursor !== undefined) {
		await between();
		const { body } = await service.chain(`${path}&limit=${limit}&cursor=${cursor}`);
		expect(body.at).toEqual({ ...first.body.at, logPosition: expect.any(String) });
		items.push(...body.items);
		cursor = body.cursor;
	}
	return items;
}

describe("a rollback between two pages", () => {
	it("mixes no branches into the list of blocks, and loses no rollback of the list", async () => {
		const head = Number((await service.chain("")).body.head.height);
		const whole = await pages("/blocks?limit=200");
		let forked = false;
		const paged = await pages("/blocks?limit=3", async () => {
			if (forked) return;
			forked = true;
			const before = await generation();
			await anvil.reorg(6);
			await anvil.mine(1);
			await until("the fork to be followed", async () => (await generation()) !== before);
			await service.reaches(head + 1);
		});
		const hashes = (items: { hash: string }[]) => items.map(({ hash }) => hash);
		expect(hashes(paged)).toEqual(hashes(whole));
		const rollbacks = await pages("/rollbacks?limit=200");
		let again = false;
		const listed = await pages("/rollbacks?limit=1", async () => {
			if (again) return;
			again = true;
			const before = await generation();
			await anvil.reorg(2);
			await anvil.mine(1);
			await until("the fork to be followed", async () => (await generation()) !== before);
		});
		const ids = (items: { id: string }[]) => items.map(({ id }) => id);
		expect(ids(listed)).toEqual(ids(rollbacks));
	});
});
