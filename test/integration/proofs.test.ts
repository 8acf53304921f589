/** Proofs of a running service: at every height, on every branch, through forks, restarts and damage. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import type { Token } from "../../scripts/support/token.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { calldataOf, deployVerifier, type ProofVerifier } from "../support/proof-verifier.ts";
import { type Proved, prove, refusal } from "../support/proved-service.ts";
import {
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";
import { StageHold } from "../support/stage-hold.ts";
import { testDir } from "../support/temp-dir.ts";

/** Blocks that are there before the service starts; what is finalized of them is backfilled. */
const BACKFILLED = 30;
const HOLDERS = [1, 2, 3].map((index) => `holder:${devAccount(index).address.toLowerCase()}`);
const ODD_NAMESPACE = "team/ä b?&#%2F..\u{1f70d}";
const ODD_IDS = ["a/b/c", "ünï©ødé\u{1f70d}", "x?y=z&at=3#f", "%2F", " ", "proof"];

let node: Anvil;
let token: Token;
let verifier: ProofVerifier;
let installation: Installation;
let service: RunningService;
/** Head of the branch that loses. */
let orphaned: { readonly height: number; readonly hash: Hex };
const hold = new StageHold();

beforeAll(async () => {
	({ anvil: node, token } = await startTokenNode({ slotsInAnEpoch: 2 }));
	verifier = await deployVerifier(node.rpcUrl);
	for (let height = 3; height <= BACKFILLED; height += 1) {
		if (height % 5 === 0) await token.mint({ to: devAccount(height % 3).address, value: 5n });
		await node.mine();
	}
	installation = await makeInstallation("proofs");
	await start();
	await service.reaches(BACKFILLED);
});
afterAll(async () => {
	await service?.stop();
	await node?.stop();
	await installation?.remove();
});

async function start(): Promise<void> {
	const chains = [tokenChain({ rpcUrl: node.rpcUrl, token: token.address })];
	service = await startService({ installation, chains, beforeStage: hold.beforeStage });
}

async function block(): Promise<number> {
	await node.mine();
	const height = Number(await node.blockNumber());
	await service.reaches(height);
	return height;
}

async function put(id: string, more: object = {}): Promise<void> {
	const { status, text } = await service.write({
		op: "put",
		id,
		layer: "semantic",
		content: { says: id },
		...more,
	});
	if (status !== 201) throw new Error(`${status}: ${text}`);
}

async function head(): Promise<{ readonly height: number; readonly hash: Hex }> {
	const { body } = await service.chain("");
	return { height: Number(body.head.height), hash: body.head.hash };
}

/** Root of a block's checkpoint; undefined: none is kept. */
async function storedRoot(height: number): Promise<Hex | undefined> {
	const { status, body } = await service.chain(`/checkpoints/${height}`);
	return status === 200 ? body.roots.state : undefined;
}

async function visibleAt(height: number): Promise<ReadonlyMap<string, object>> {
	const { body } = await service.chain(`/memories?at=${height}&limit=200`);
	return new Map(
		body.items.map((memory: { namespace: string; id: string; content: object }) => [
			`${memory.namespace}\0${memory.id}`,
			memory.content,
		]),
	);
}

/** Every name that was ever used, proved at that height: there if it is listed, else not there. */
async function proveAll(height: number): Promise<readonly Proved[]> {
	const visible = await visibleAt(height);
	const root = await storedRoot(height);
	const names = [
		...ODD_IDS.map((id) => ({ namespace: ODD_NAMESPACE, id })),
		...["kept", "deleted", "expiring"].map((id) => ({ namespace: "default", id })),
		...HOLDERS.map((id) => ({ namespace: "ledger", id })),
		{ namespace: "default", id: "never" },
		{ namespace: "ledger", id: "kept" },
	];
	const proofs = await Promise.all(
		names.map(({ namespace, id }) => prove(service, id, { namespace, at: height }, root)),
	);
	for (const [index, { proof, checkpoint, at }] of proofs.entries()) {
		const { namespace, id } = names[index] ?? { namespace: "", id: "" };
		const content = visible.get(`${namespace}\0${id}`);
		expect([at.height, proof.height]).toEqual([`${height}`, `${height}`]);
		expect(proof.type, `${id} at ${height}`).toBe(
			content === undefined ? "exclusion" : "inclusion",
		);
		expect(proof.type === "inclusion" ? proof.memory.content : undefined).toEqual(content);
		expect(checkpoint).toBe(root === undefined ? "rebuilt" : "stored");
		expect(proof).toMatchObject({ namespace, id, blockHash: await nodeHash(height) });
	}
	return proofs;
}

async function nodeHash(height: number): Promise<Hex> {
	const number = `0x${height.toString(16)}`;
	const found = await node.request<{ hash: Hex }>("eth_getBlockByNumber", [number, false]);
	return found.hash;
}

describe("proofs of a running service", () => {
	it("cover every height from the first block to the head, in the window and far below it", async () => {
		for (const id of ODD_IDS) await put(id, { namespace: ODD_NAMESPACE });
		await put("kept", { text: "it stays", importance: 0.5, confidence: 0.25 });
		await block();
		const { height } = await head();
		await put("expiring", { expiresAtBlock: `${height + 4}`, layer: "short_term" });
		await put("deleted", { layer: "episodic" });
		await block();
		await put("kept", { content: { says: "something else" } });
		await block();
		await service.write({ op: "delete", id: "deleted" });
		for (let more = 0; more < 4; more += 1) await block();

		const last = (await head()).height;
		const kinds = { stored: 0, rebuilt: 0 };
		for (let at = last; at >= 0; at -= 1) {
			for (const { checkpoint } of await proveAll(at)) kinds[checkpoint] += 1;
		}
		// Backfilled heights have no checkpoint of their own, and hardly a header.
		expect(kinds.rebuilt).toBeGreaterThan(100);
		expect(kinds.stored).toBeGreaterThan(100);
	});

	it("say that a memory is gone from the block that deletes it, or at which it expires", async () => {
		const { height } = await head();
		const types = async (id: string) => {
			const at = Array.from({ length: 10 }, (_, back) => height - 9 + back);
			const proofs = await Promise.all(at.map((each) => prove(service, id, { at: each })));
			return proofs.map(({ proof }) => proof.type[0]).join("");
		};
		// Put in the third block of ten, gone after two and after three.
		expect(await types("deleted")).toMatch(/^e+i{2}e+$/);
		expect(await types("expiring")).toMatch(/^e+i{2,3}e+$/);
		expect(await types("kept")).toMatch(/^e+i+$/);
	});

	it("have the committed head as their place unless another is named", async () => {
		const { height, hash } = await head();
		const { at, proof } = await prove(service, "kept");
		expect([at.height, proof.blockHash]).toEqual([`${height}`, hash]);
		const byHash = await prove(service, "kept", { at: hash });
		expect(byHash.proof).toEqual(proof);
	});

	it("are refused by name where there is no root", async () => {
		const { height } = await head();
		await put("pending");
		expect(await refusal(service, "pending", { at: "pending" })).toBe("not_sealed");
		expect(await refusal(service, "pending", { at: height + 1 })).toBe("not_sealed");
		expect(await refusal(service, "pending", { at: height + 2 })).toBe("height_in_future");
		expect(await refusal(service, "pending", { at: `0x${"7".repeat(64)}` })).toBe("unknown_block");
		expect((await prove(service, "pending")).proof.type).toBe("exclusion");
		await block();
		expect((await prove(service, "pending")).proof.type).toBe("inclusion");
	});

	it("are accepted by the contract at any height, and with any byte altered they are not", async () => {
		const last = (await head()).height;
		for (const at of [2, 13, BACKFILLED, last - 3, last]) {
			const proofs = await proveAll(at);
			const calls = proofs.map(({ proof }) => calldataOf(proof));
			expect(await verifier.accepted(calls)).toHaveLength(calls.length);
			const gas = await Promise.all(calls.map((data) => verifier.gas(data)));
			const most = gas.reduce((a, b) => (a > b ? a : b));
			console.log(`gas at height ${at}, ${proofs.length} proofs: at most ${most}`);
			expect(most).toBeLessThan(100_000n);
		}
		const { proof } = await prove(service, "kept");
		const calldata = Buffer.from(calldataOf(proof).slice(2), "hex");
		const altered = Array.from({ length: calldata.length - 4 }, (_, at): Hex => {
			const copy = Buffer.from(calldata);
			copy.writeUInt8(copy.readUInt8(4 + at) ^ 0x80, 4 + at);
			return `0x${copy.toString("hex")}`;
		});
		expect(await verifier.accepted(altered)).toEqual([]);
	});

	it("are the same after a restart, when the writer holds no past state", async () => {
		const { height } = await head();
		const heights = [5, 20, height - 3, height - 1, height];
		const before = await Promise.all(heights.map((at) => prove(service, "kept", { at })));
		await service.stop();
		await start();
		await service.reaches(height);
		const after = await Promise.all(heights.map((at) => prove(service, "kept", { at })));
		expect(after.map(({ proof }) => proof)).toEqual(before.map(({ proof }) => proof));
	});
});

describe("proofs of a process that does not hold the lease", () => {
	it("are those of the one that does", async () => {
		const { height } = await head();
		const dataDir = testDir("reader");
		const chains = [tokenChain({ rpcUrl: node.rpcUrl, token: token.address })];
		const reader = await startService({ installation: { ...installation, dataDir }, chains });
		try {
			const { followedBy } = (await service.chain("")).body;
			expect(followedBy).toBeDefined();
			await until("the lease is refused", async () => {
				return (await reader.chain("")).body.followedBy === followedBy;
			});
			for (const at of [4, height - 2, height]) {
				const [one, other] = await Promise.all(
					[service, reader].map((each) => prove(each, "kept", { at })),
				);
				expect(other?.proof).toEqual(one?.proof);
			}
		} finally {
			await reader.stop();
		}
	});
});

describe("proofs and forks", () => {
	let before: Proved;

	it("stay what they were while a rollback runs, and then are the new branch's", async () => {
		const ancestor = (await head()).height;
		await put("on a block", { anchor: { block: await nodeHash(ancestor) } });
		await block();
		await token.mint({ to: devAccount(4).address, value: 1n });
		await block();
		await put("on a lost block", { anchor: { block: (await head()).hash } });
		await block();
		orphaned = await head();
		before = await prove(service, "on a lost block");
		expect(before.proof.type).toBe("inclusion");

		hold.at("commit");
		await node.reorg(2);
		await node.mine();
		await hold.reached();
		// Prepared, not committed: everything is read in the old generation.
		const during = await Promise.all([
			prove(service, "on a lost block"),
			prove(service, "on a lost block", { at: orphaned.hash }),
			prove(service, "on a lost block", { at: ancestor }),
		]);
		expect(during[0]?.proof).toEqual(before.proof);
		expect(during[1]?.proof).toEqual(before.proof);
		expect(during[2]?.proof.type).toBe("exclusion");
		hold.release();

		await until("the fork is followed", async () => {
			const { body } = await service.chain("");
			const height = Number(await node.blockNumber());
			return body.generation === "1" && Number(body.head.height) === height;
		});
		const now = await prove(service, "on a lost block");
		expect(now).toMatchObject({ at: { generation: "1" }, proof: { type: "exclusion" } });
		const kept = await prove(service, "on a block");
		expect(kept).toMatchObject({ at: { generation: "1" }, proof: { type: "inclusion" } });
	});

	it("reach an orphaned block by its hash, and by its generation", async () => {
		const byHash = await prove(service, "on a lost block", { at: orphaned.hash });
		expect(byHash.proof).toEqual(before.proof);
		const { height } = orphaned;
		const byGeneration = await prove(service, "on a lost block", { at: height, generation: 0 });
		expect(byGeneration.proof).toEqual(before.proof);
		const present = await prove(service, "on a lost block", { at: height });
		expect(present).toMatchObject({ at: { generation: "1" }, proof: { type: "exclusion" } });
		expect(present.proof.blockHash).not.toBe(orphaned.hash);
		expect(await refusal(service, "x", { at: height + 1, generation: 0 })).toBe("not_sealed");
		expect(await refusal(service, "x", { at: height, generation: 9 })).toBe("invalid_request");
	});

	it("keep their roots at every height, on both branches", async () => {
		const last = (await head()).height;
		for (let at = last; at > last - 8; at -= 1) await proveAll(at);
		for (const back of [0, 1]) {
			const at = orphaned.height - back;
			const proofs = await Promise.all(
				[0, 1].map((generation) => prove(service, "kept", { at, generation })),
			);
			expect(new Set(proofs.map(({ proof }) => proof.stateRoot)).size).toBe(2);
		}
	});

	it("tell both branches apart after a restart, when one tree is taken from each to the other", async () => {
		const { height } = await head();
		await service.stop();
		await start();
		await service.reaches(height);
		const types: string[] = [];
		for (const back of [0, 1]) {
			for (const generation of [0, 1, 0, 1]) {
				const at = orphaned.height - back;
				const { proof } = await prove(service, "on a lost block", { at, generation });
				types.push(proof.type);
				if (back === 0 && generation === 0) expect(proof).toEqual(before.proof);
			}
		}
		expect(types.slice(0, 4)).toEqual(["inclusion", "exclusion", "inclusion", "exclusion"]);
	});
});

describe("proofs under load", () => {
	it("hold, a thousand of them, while blocks and writes come", async () => {
		const proofs = 1_000;
		const lanes = 16;
		const mining = mineMeanwhile();
		const times: number[] = [];
		let left = proofs;
		const from = (await head()).height;
		await Promise.all(
			Array.from({ length: lanes }, async (_, lane) => {
				for (let turn = 0; left > 0; turn += 1) {
					left -= 1;
					const at = turn % 4 === 3 ? (lane * 7 + turn) % from : undefined;
					const begun = performance.now();
					const { proof } = await prove(service, turn % 2 === 0 ? "kept" : `absent ${turn}`, {
						...(at === undefined ? {} : { at }),
					});
					times.push(performance.now() - begun);
					if (at === undefined) expect(Number(proof.height)).toBeGreaterThanOrEqual(from);
				}
			}),
		);
		const blocks = await mining.stop();
		times.sort((a, b) => a - b);
		const at = (part: number) => times[Math.floor(times.length * part)]?.toFixed(1);
		console.log(
			`${times.length} proofs, ${blocks} blocks: ${at(0.5)} ms, p95 ${at(0.95)}, p99 ${at(0.99)}`,
		);
		expect(times).toHaveLength(proofs);
		expect(blocks).toBeGreaterThan(2);
	});

	/** Far below more blocks than that, checkpoints are thinned out, and later tests look at those. */
	const MOST_BLOCKS = 20;

	function mineMeanwhile() {
		let ended = false;
		let blocks = 0;
		const run = (async () => {
			while (!ended && blocks < MOST_BLOCKS) {
				await put(`during ${blocks}`);
				await block();
				blocks += 1;
			}
		})();
		return {
			stop: async () => {
				ended = true;
				await run;
				return blocks;
			},
		};
	}
});

describe("proofs of damaged rows", () => {
	it("are refused, and nothing is answered, wherever the damage would show", async () => {
		// In the window, where every block keeps its checkpoint.
		await put("brief");
		await block();
		await service.write({ op: "delete", id: "brief" });
		await block();
		const at = await block();
		await prove(service, "kept", { at });
		await service.stop();
		// A past span: the chain's present state is whole, and goes on.
		await installation.database.query(
			(sql) => sql`update recant.versions set content_hash = sha256('other')
				where id = 'brief' and content is not null`,
		);
		await start();
		await service.reaches(at);
		const gone = await visibleAfter("brief");
		expect(gone).toBe(at - 1);
		expect(await refusal(service, "brief", { at: gone - 1 })).toBe("verification_failed");
		// Everything under that root is in doubt, not the one memory alone.
		expect(await refusal(service, "kept", { at: gone - 1 })).toBe("verification_failed");
		await prove(service, "kept", { at });
	});

	it("are refused where the content is not what its hash says", async () => {
		const { height } = await head();
		await installation.database.query(
			(sql) => sql`update recant.versions set content = '{"says":"a lie"}'
				where id = 'kept' and content is not null`,
		);
		expect(await refusal(service, "kept", { at: height })).toBe("verification_failed");
		await prove(service, "never", { at: height });
	});

	it("are refused where the checkpoint was changed", async () => {
		const { height } = await head();
		await installation.database.query(
			(
				sql,
			) => sql`update recant.checkpoints set roots = replace(roots, '"episodic":"0x', '"episodic":"0xff')
				where height = ${height}`,
		);
		expect(await refusal(service, "never", { at: height })).toBe("verification_failed");
		await prove(service, "never", { at: height - 1 });
	});

	it("are given where the branch that was read last is not kept any more", async () => {
		await service.stop();
		await start();
		await service.reaches((await head()).height);
		await prove(service, "never", { at: orphaned.hash });
		await installation.database.query(
			(sql) => sql`delete from recant.generations where generation = 0`,
		);
		expect(await refusal(service, "never", { at: orphaned.hash })).toBe("history_pruned");
		await prove(service, "never", { at: 3 });
	});

	/** Height from which it is gone. */
	async function visibleAfter(id: string): Promise<number> {
		const { body } = await service.chain(`/memories/${id}/history`);
		const ended = body.items.find((item: { memory?: object }) => item.memory !== undefined);
		return Number(ended.heights.to);
	}
});
