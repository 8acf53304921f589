/** What is checked of answers, on a real Anvil of every fork: none of it is refused, and all of it is looked at. */
import { createWalletClient, type Hex, http, keccak256, toHex } from "viem";
import { foundry } from "viem/chains";
import { describe, expect, test } from "vitest";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { deployToken } from "../../scripts/support/token.ts";
import type { ChainSource, LogFilter, Trust } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { bloomOf } from "../../src/rpc/log-bloom.ts";
import { startAnvil } from "../support/anvil.ts";
import { atTestEnd } from "../support/test-end.ts";

const BEFORE_TYPES = ["frontier", "byzantium"];
const FORKS = [...BEFORE_TYPES, "london", "paris", "shanghai", "cancun", "prague", "osaka"];
const CHECKED: Trust = { headerHash: true, logsBloom: true, receipts: false };
const PROVED: Trust = { ...CHECKED, receipts: true, transactions: true };
const TRANSFER = keccak256(toHex("Transfer(address,address,uint256)"));
/** Whichever contract, whichever event. */
const EVERYTHING: LogFilter = { addresses: undefined, topics: [] };
const BOB = devAccount(2).address;
/** Its constructor logs without topic, with topic 7, and with topics 7 and 9; it leaves no code. */
const LOGGING_CODE = "0x60006000a0600760006000a1600960076000600aa200";

function sourceOf(url: string, trust: Trust): ChainSource {
	const source = createChainSource({
		urls: [url],
		pollIntervalMs: 600_000,
		timeoutMs: 5_000,
		trust,
	});
	atTestEnd(() => source.close());
	return source;
}

/** Four transactions with nine logs in block 1; one of type 2 where the fork has it. */
async function startLogging(hardfork: string) {
	const node = await startAnvil({ hardfork });
	const [from, other] = (await node.request("eth_accounts", [])) as readonly Hex[];
	const send = (fields: object) =>
		node.request("eth_sendTransaction", [
			{ from, gas: "0x30d40", gasPrice: "0x77359400", ...fields },
		]);
	await send({ data: LOGGING_CODE });
	await send({
		data: LOGGING_CODE,
		...(!BEFORE_TYPES.includes(hardfork) && { gasPrice: undefined }),
	});
	await send({ to: other, value: "0x1" });
	await send({ data: LOGGING_CODE });
	await node.mine(2);
	return node;
}

describe.each(FORKS)("on %s", (hardfork) => {
	test("headers give their hashes, logs fill the bloom, and receipts give the root", async () => {
		const node = await startLogging(hardfork);
		const checked = sourceOf(node.rpcUrl, CHECKED);
		const proved = sourceOf(node.rpcUrl, PROVED);
		const blocks = await checked.blocksByNumber([0n, 1n, 2n]);
		expect(blocks.map((block) => block?.number)).toEqual([0n, 1n, 2n]);
		const block = blocks[1];
		if (block === undefined) throw new RangeError("block 1 was mined");

		const logs = await checked.logsOfBlock(block, EVERYTHING);
		expect(logs).toHaveLength(9);
		expect(bloomOf(logs)).toBe(block.logsBloom);
		expect(await proved.logsOfBlock(block, EVERYTHING)).toEqual(logs);
		const range = { from: 0n, to: 2n };
		expect(await proved.logsOfRange(range, EVERYTHING)).toEqual(
			await checked.logsOfRange(range, EVERYTHING),
		);
		for (const hash of block.transactions)
			expect(await proved.receipt(hash)).toEqual(await checked.receipt(hash));
		expect([checked, proved].flatMap((source) => source.health())).toMatchObject([
			{ state: "ok" },
			{ state: "ok" },
		]);
	});
});

test("transactions of type 1, 2 and 4 beside old ones give the root of their block", async () => {
	const node = await startAnvil();
	const account = devAccount(3);
	const wallet = createWalletClient({ account, chain: foundry, transport: http(node.rpcUrl) });
	const [from] = (await node.request("eth_accounts", [])) as readonly Hex[];
	const fields = { from, gas: "0x30d40", gasPrice: "0x77359400", data: LOGGING_CODE };
	await node.request("eth_sendTransaction", [fields]);
	await node.request("eth_sendTransaction", [{ ...fields, accessList: [] }]);
	const authorization = await wallet.signAuthorization({ contractAddress: BOB, executor: "self" });
	await wallet.sendTransaction({
		authorizationList: [authorization],
		to: account.address,
		gas: 100_000n,
	});
	await node.mine();
	const receipts = (await node.request("eth_getBlockReceipts", ["0x1"])) as readonly {
		type: Hex;
	}[];
	expect(receipts.map(({ type }) => type).sort()).toEqual(["0x0", "0x1", "0x4"]);
	const source = sourceOf(node.rpcUrl, PROVED);
	const block = await source.latest();
	expect(await source.logsOfBlock(block, EVERYTHING)).toHaveLength(6);
});

test("the example token's logs are the same by every way, and three hundred headers pass", async () => {
	const node = await startAnvil();
	const token = await deployToken(node.rpcUrl);
	for (let round = 0; round < 20; round += 1) {
		await token.mint({ to: BOB, value: BigInt(round + 1) });
		await node.mine(15);
	}
	const filter: LogFilter = { addresses: [token.address], topics: [TRANSFER] };
	const [checked, proved] = [CHECKED, PROVED].map((trust) => sourceOf(node.rpcUrl, trust));
	if (checked === undefined || proved === undefined) throw new RangeError("both are made");
	const { number: to } = await checked.latest();
	const range = { from: 0n, to };
	const found = await checked.logsOfRange(range, filter);
	expect(found.logs).toHaveLength(20);
	expect(await proved.logsOfRange(range, filter)).toEqual(found);
	const heights = Array.from({ length: Number(to) + 1 }, (_, height) => BigInt(height));
	const blocks = await checked.blocksByNumber(heights);
	const one = await Promise.all(
		blocks.map(async (block) =>
			block === undefined ? [] : await checked.logsOfBlock(block, filter),
		),
	);
	expect(one.flat()).toEqual(found.logs);
});
