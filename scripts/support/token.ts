/**
 * The example token on a local Anvil. Sending never waits for a block, so that several transactions
 * land in one, and never estimates gas, so that one that will revert is sent as well.
 *
 * Transactions are signed here: the signed bytes can be sent again after a fork, with the same hash.
 */
import {
	createTestClient,
	encodeDeployData,
	encodeFunctionData,
	type Hex,
	http,
	keccak256,
	publicActions,
	TransactionReceiptNotFoundError,
} from "viem";
import { tokenAbi, tokenBytecode } from "../../contracts/out/token.ts";
import { devAccount } from "./dev-accounts.ts";
import { ToolError } from "./tool-error.ts";

/** Twice what the dearest call of the token needs, a first transfer to a new holder. */
const CALL_GAS = 120_000n;
/** Twice what the deployment needs. */
const DEPLOY_GAS = 2_000_000n;
/** Above any base fee that full blocks reach on a local chain; the accounts can pay it for weeks. */
const MAX_FEE_PER_GAS = 1_000_000_000_000n;
const MAX_PRIORITY_FEE_PER_GAS = 1_000_000_000n;

export interface CallOptions {
	/** Index of the dev account that signs, 0 to 9; default 0. */
	readonly from?: number;
	/** Default: the account's next one, after its transactions that wait in the pool. */
	readonly nonce?: number;
	/** Gas limit; default 120,000, for a deployment 2,000,000. */
	readonly gas?: bigint;
}

export interface TransferRequest extends CallOptions {
	readonly to: Hex;
	/** In the token's smallest unit. */
	readonly value: bigint;
}

export interface SignedTransaction {
	readonly hash: Hex;
	/** For eth_sendRawTransaction and anvil_reorg. */
	readonly raw: Hex;
}

export interface Token {
	/** Lower case. */
	readonly address: Hex;
	/** Signs a transfer and sends nothing. */
	signTransfer(request: TransferRequest): Promise<SignedTransaction>;
	/** Signs and sends a transfer; it waits in the pool for the next block. */
	transfer(request: TransferRequest): Promise<SignedTransaction>;
	/** Signs and sends a mint, which the token reports as a transfer from the zero address. */
	mint(request: TransferRequest): Promise<SignedTransaction>;
	/** Sends what was signed before, as after a fork that dropped it. */
	send(signed: SignedTransaction): Promise<SignedTransaction>;
	/** At the node's latest block, or at `height`. */
	balanceOf(holder: Hex, height?: bigint): Promise<bigint>;
}

/**
 * Deploys the token and mines a block for it. Sent as account 0's first transaction, its address is
 * the same on every chain: 0x5fbdb2315678afecb367f032d93f642f64180aa3.
 */
export async function deployToken(rpcUrl: string, options: CallOptions = {}): Promise<Token> {
	const node = connect(rpcUrl);
	const args = ["Recant Example", "RCX", 18] as const;
	const data = encodeDeployData({ abi: tokenAbi, bytecode: tokenBytecode, args });
	const signed = await sign(node, { to: undefined, data, gas: DEPLOY_GAS }, options);
	await node.sendRawTransaction({ serializedTransaction: signed.raw });
	if (!(await isMined(node, signed.hash))) await node.mine({ blocks: 1 });
	const receipt = await node.getTransactionReceipt({ hash: signed.hash });
	if (receipt.status === "success" && receipt.contractAddress) {
		return tokenAt(rpcUrl, receipt.contractAddress);
	}
	throw new ToolError("transaction_failed", {
		message: `the token's deployment ${signed.hash} was mined and reverted`,
		hint: "see whether the gas limit was enough",
	});
}

/** The token that stands at `address` already. */
export function tokenAt(rpcUrl: string, address: Hex): Token {
	const node = connect(rpcUrl);
	const signCall = (functionName: "transfer" | "mint", request: TransferRequest) => {
		const args = [request.to, request.value] as const;
		const data = encodeFunctionData({ abi: tokenAbi, functionName, args });
		return sign(node, { to: address, data, gas: CALL_GAS }, request);
	};
	const send = async (signed: SignedTransaction) => {
		await node.sendRawTransaction({ serializedTransaction: signed.raw });
		return signed;
	};
	return {
		address: address.toLowerCase() as Hex,
		signTransfer: (request) => signCall("transfer", request),
		transfer: async (request) => send(await signCall("transfer", request)),
		mint: async (request) => send(await signCall("mint", request)),
		send,
		balanceOf: (holder, height) =>
			node.readContract({
				address,
				abi: tokenAbi,
				functionName: "balanceOf",
				args: [holder],
				...(height === undefined ? {} : { blockNumber: height }),
			}),
	};
}

interface Call {
	/** Undefined: the call deploys `data`. */
	readonly to: Hex | undefined;
	readonly data: Hex;
	/** Gas limit where the options name none. */
	readonly gas: bigint;
}

type Node = ReturnType<typeof connect>;

function connect(rpcUrl: string) {
	return createTestClient({ mode: "anvil", transport: http(rpcUrl) }).extend(publicActions);
}

async function sign(node: Node, call: Call, options: CallOptions): Promise<SignedTransaction> {
	const account = devAccount(options.from ?? 0);
	const [chainId, nonce] = await Promise.all([
		node.getChainId(),
		options.nonce ?? node.getTransactionCount({ address: account.address, blockTag: "pending" }),
	]);
	const raw = await account.signTransaction({
		type: "eip1559",
		chainId,
		nonce,
		to: call.to ?? null,
		data: call.data,
		gas: options.gas ?? call.gas,
		maxFeePerGas: MAX_FEE_PER_GAS,
		maxPriorityFeePerGas: MAX_PRIORITY_FEE_PER_GAS,
	});
	return { raw, hash: keccak256(raw) };
}

async function isMined(node: Node, hash: Hex): Promise<boolean> {
	try {
		await node.getTransactionReceipt({ hash });
		return true;
	} catch (error) {
		if (error instanceof TransactionReceiptNotFoundError) return false;
		throw error;
	}
}
