/**
 * A local Anvil node under explicit control: mining, forks, clocks.
 *
 * The platform's binary is started itself, not its JavaScript launcher: a launcher that is killed
 * leaves its node behind. The node picks its own free port, so no two starts race for one.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Hex } from "viem";
import { type StartedProcess, startProcess } from "./child-process.ts";
import { createRpcClient, type RpcClient } from "./rpc-client.ts";
import { ToolError } from "./tool-error.ts";

export interface AnvilOptions {
	/** Default 31,337. */
	readonly chainId?: number;
	/** Seconds between blocks that the node mines by itself; undefined: see `automine`. */
	readonly blockTime?: number;
	/** One block for each transaction, at once. Default false: blocks come only from `mine`. */
	readonly automine?: boolean;
	/** Default 0: a free one. Give the old one to come back after a stop. */
	readonly port?: number;
	/** Default 127.0.0.1. */
	readonly host?: string;
	/** Finalized is 2 × this under the head, safe 1 ×. Default 32, Anvil's own. */
	readonly slotsInAnEpoch?: number;
	/** By Anvil's name for it, such as "london". Default: Anvil's newest. */
	readonly hardfork?: string;
	/** State is read from this file at the start, if it exists, and written there at the stop. */
	readonly statePath?: string;
	/** Seconds since the epoch of the genesis block: two nodes with one value begin alike. */
	readonly genesisTimestamp?: number;
}

/** A transaction of a new branch, and the new branch's block that holds it: 0 is the first. */
export type ReorgTransaction = readonly [signed: Hex, blockOffset: number];

export interface Anvil {
	readonly rpcUrl: string;
	readonly wsUrl: string;
	readonly port: number;
	readonly pid: number;
	/** Any method that has no name here. Throws ToolError `node_failed` with the node's message. */
	request: RpcClient["request"];
	blockNumber(): Promise<bigint>;
	/** Mines `blocks` blocks (default 1); the first takes everything that is pending. */
	mine(blocks?: number): Promise<void>;
	/** Mines one block with exactly this timestamp, in seconds; it must be above the head's. */
	mineAt(timestamp: number): Promise<void>;
	/** Replaces the last `depth` blocks by as many others, empty but for `transactions`. */
	reorg(depth: number, transactions?: readonly ReorgTransaction[]): Promise<void>;
	/** Drops the last `depth` blocks: the chain gets shorter. */
	rollback(depth: number): Promise<void>;
	/** Answers an id for one `revert`. */
	snapshot(): Promise<Hex>;
	/** Blocks and state of that moment are back; the id is used up, as are those taken later. */
	revert(snapshot: Hex): Promise<void>;
	setAutomine(enabled: boolean): Promise<void>;
	/** The whole chain as one value: with `loadState` the way back to a branch that was left. */
	dumpState(): Promise<Hex>;
	/**
	 * Puts a dumped chain back, whatever is there now: its blocks come back with their hashes. Two
	 * oddities of Anvil's: no reorg or rollback goes below the loaded head afterwards, and receipts
	 * of the branch that was left are still answered by transaction hash. Where that disturbs, run
	 * two nodes: with one `genesisTimestamp` and `mineAt`, equal requests make equal blocks.
	 */
	loadState(state: Hex): Promise<void>;
	stop(): Promise<void>;
}

/** Starts a node. Throws ToolError when there is no binary for this platform or it does not start. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
	const host = options.host ?? "127.0.0.1";
	const node = await startProcess({
		name: "anvil",
		command: anvilBinary(),
		args: anvilArguments(options, host),
		readyPattern: /Listening on \S+?:(\d+)\s/,
	});
	try {
		return await controlOf(node, host);
	} catch (error) {
		await node.stop();
		throw error;
	}
}

async function controlOf(node: StartedProcess, host: string): Promise<Anvil> {
	const port = Number(node.ready[1]);
	const rpcUrl = `http://${host}:${port}`;
	const { request } = createRpcClient(rpcUrl);
	// Its log of every request would cost more than most requests do.
	await request("anvil_setLoggingEnabled", [false]);
	return {
		rpcUrl,
		wsUrl: `ws://${host}:${port}`,
		port,
		pid: node.pid,
		request,
		blockNumber: async () => BigInt(await request<Hex>("eth_blockNumber", [])),
		mine: async (blocks = 1) => void (await request("anvil_mine", [toQuantity(blocks)])),
		mineAt: async (timestamp) => void (await request("evm_mine", [toQuantity(timestamp)])),
		reorg: async (depth, transactions = []) =>
			void (await request("anvil_reorg", [depth, transactions])),
		rollback: async (depth) => void (await request("anvil_rollback", [depth])),
		snapshot: () => request<Hex>("evm_snapshot", []),
		revert: (snapshot) => revert(request, snapshot),
		setAutomine: async (enabled) => void (await request("evm_setAutomine", [enabled])),
		dumpState: () => request<Hex>("anvil_dumpState", []),
		loadState: async (state) => void (await request("anvil_loadState", [state])),
		stop: node.stop,
	};
}

/** The node answers `false` for an id that it does not know, instead of an error. */
async function revert(request: RpcClient["request"], snapshot: Hex): Promise<void> {
	if (await request<boolean>("evm_revert", [snapshot])) return;
	throw new ToolError("node_failed", {
		message: `the node has no snapshot ${snapshot}`,
		hint: "a snapshot can be reverted to once, and not after an older one was",
	});
}

function anvilArguments(options: AnvilOptions, host: string): readonly string[] {
	const given: readonly (readonly [flag: string, value: string | number | undefined])[] = [
		["--host", host],
		["--port", options.port ?? 0],
		["--chain-id", options.chainId ?? 31_337],
		["--block-time", options.blockTime],
		["--slots-in-an-epoch", options.slotsInAnEpoch],
		["--hardfork", options.hardfork],
		["--state", options.statePath],
		["--timestamp", options.genesisTimestamp],
	];
	const values = given.flatMap(([flag, value]) => (value === undefined ? [] : [flag, `${value}`]));
	const onDemand = options.automine !== true && options.blockTime === undefined;
	return onDemand ? [...values, "--no-mining"] : values;
}

function anvilBinary(): string {
	const architecture = process.arch === "x64" ? "amd64" : process.arch;
	const name = `@foundry-rs/anvil-${process.platform}-${architecture}`;
	const file = process.platform === "win32" ? "anvil.exe" : "anvil";
	// npm may nest the platform's package below the launcher's.
	const launcher = createRequire(import.meta.url).resolve("@foundry-rs/anvil/package.json");
	try {
		const manifest = createRequire(launcher).resolve(`${name}/package.json`);
		return join(dirname(manifest), "bin", file);
	} catch (cause) {
		throw new ToolError("platform_unsupported", {
			message: `no Anvil is installed for ${process.platform} ${process.arch} (${name})`,
			hint: "run npm ci on this machine; install Foundry yourself where npm has no build of it",
			cause,
		});
	}
}

function toQuantity(value: number): Hex {
	return `0x${value.toString(16)}`;
}
