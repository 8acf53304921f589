/** `recant compare`: two replicas of one chain, each a service with a database of its own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import type { Token } from "../../scripts/support/token.ts";
import { runCli } from "../../src/cli/program.ts";
import {
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
} from "../support/running-service.ts";

interface Replica {
	readonly installation: Installation;
	readonly service: RunningService;
}

interface Compared {
	readonly code: number;
	readonly differences: readonly {
		readonly layer: string;
		readonly namespace?: string;
		readonly id?: string;
		readonly left?: string;
		readonly right?: string;
	}[];
	readonly requests: number;
	readonly reads: { readonly left: number; readonly right: number };
	readonly left: { readonly at: { readonly height: string; readonly generation: string } };
	readonly right: { readonly at: { readonly height: string; readonly generation: string } };
}

const SHARED = 2_000;
const BATCH = 500;

let node: Anvil;
let token: Token;
let here: Replica;
let there: Replica;

beforeAll(async () => {
	({ anvil: node, token } = await startTokenNode());
	here = await replica("here");
	there = await replica("there");
	await Promise.all([here, there].map(({ service }) => service.reaches(1)));
	for (let first = 0; first < SHARED; first += BATCH) {
		const operations = Array.from({ length: BATCH }, (_, n) => put(`shared:${first + n}`));
		await both({ operations });
	}
	await block();
});
afterAll(async () => {
	for (const each of [here, there]) {
		await each?.service.stop();
		await each?.installation.remove();
	}
	await node?.stop();
});

async function replica(name: string): Promise<Replica> {
	const installation = await makeInstallation(name);
	const chains = [tokenChain({ rpcUrl: node.rpcUrl, token: token.address })];
	return { installation, service: await startService({ installation, chains }) };
}

function put(id: string, content: object = { says: id }, more: object = {}) {
	return { op: "put", id, layer: "semantic", content, ...more };
}

async function write({ service }: Replica, body: unknown): Promise<void> {
	const { status, text } = await service.write(body);
	if (status !== 201) throw new Error(`${status}: ${text}`);
}

async function both(body: unknown): Promise<void> {
	await Promise.all([write(here, body), write(there, body)]);
}

async function block(): Promise<bigint> {
	await node.mine();
	const height = await node.blockNumber();
	await Promise.all([here, there].map(({ service }) => service.reaches(height)));
	return height;
}

async function cli(...args: readonly string[]) {
	const out: string[] = [];
	const err: string[] = [];
	const code = await runCli(
		["compare", there.service.url, ...args],
		{ stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
		{ RECANT_URL: here.service.url },
	);
	return { code, stdout: out.join(""), stderr: err.join("") };
}

async function compared(...args: readonly string[]): Promise<Compared> {
	const { code, stdout, stderr } = await cli("--json", ...args);
	if (stdout === "") throw new Error(stderr);
	return { code, ...JSON.parse(stdout) };
}

describe("two replicas", () => {
	it("that followed the same chain and were written the same are equal, with a read a layer", async () => {
		const equal = await compared();
		expect(equal).toMatchObject({ code: 0, differences: [], reads: { left: 4, right: 4 } });
		expect(equal.requests).toBe(2 + 8);
		expect((await cli()).stdout).toContain("equal; 8 nodes in 10 requests");
	});

	it("are found to differ in exactly the memories that differ, with few reads", async () => {
		await write(here, put("only here/ä"));
		await write(there, put("only there", {}, { namespace: "team b" }));
		await write(here, put("other layer", {}, { layer: "episodic" }));
		await write(there, put("other layer"));
		await write(there, { op: "delete", id: "shared:7" });
		await write(there, put("shared:99", { says: "something else" }));
		await block();

		const { code, differences, reads, requests } = await compared();
		expect(code).toBe(5);
		expect(differences.map(nameOf).toSorted()).toEqual([
			"episodic default/other layer left only",
			"semantic default/only here/ä left only",
			"semantic default/other layer right only",
			"semantic default/shared:7 left only",
			"semantic default/shared:99 both",
			"semantic team b/only there right only",
		]);
		// Six differences, six levels deep at most; the trees have some 3,500 nodes and leaves.
		expect(reads.left + reads.right).toBeLessThan(2 * 6 * 8);
		expect(requests).toBeLessThan(30);
		const text = await cli();
		expect(text).toMatchObject({ code: 5 });
		expect(text.stdout).toMatch(/only here .*semantic .*default .*only here\/ä/);
		expect(text.stdout).toMatch(/\n6 differences; \d+ nodes in \d+ requests\n$/);
	});

	it("are compared at any height that both keep", async () => {
		const height = await node.blockNumber();
		expect(await compared("--at", `${height - 1n}`)).toMatchObject({ code: 0, differences: [] });
		const { hash } = await node.request<{ hash: string }>("eth_getBlockByNumber", [
			"latest",
			false,
		]);
		expect((await compared("--at", hash)).differences).toHaveLength(6);
	});

	it("are compared at the lower of two heads, and in the generation that each is in", async () => {
		// A fork that only one of them is there to see.
		await there.service.stop();
		await node.mine(2);
		await here.service.reaches(await node.blockNumber());
		await node.reorg(1);
		await node.mine();
		const head = await node.blockNumber();
		await here.service.reaches(head);
		const { installation } = there;
		const chains = [tokenChain({ rpcUrl: node.rpcUrl, token: token.address })];
		there = { installation, service: await startService({ installation, chains }) };
		await there.service.reaches(head);
		const { left, right, differences } = await compared();
		expect(differences).toHaveLength(6);
		expect([left.at.height, right.at.height]).toEqual([`${head}`, `${head}`]);
		expect([left.at.generation, right.at.generation]).toEqual(["1", "0"]);
	});

	it("cannot be compared where one is not", async () => {
		await there.service.stop();
		expect(await cli()).toMatchObject({ code: 3, stdout: "" });
	});
});

function nameOf({ layer, namespace, id, left, right }: Compared["differences"][number]): string {
	const sides = left === undefined ? "right only" : right === undefined ? "left only" : "both";
	return `${layer} ${namespace}/${id} ${sides}`;
}
