/** `recant chains add`: a chain's file from an address and an ABI, and a node that says the rest. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { type ChainFile, chainFileText } from "../follower/chain-file.ts";
import type { ContractDefinition } from "../follower/define-chain.ts";
import { findDeployment } from "../follower/find-deployment.ts";
import type { InspectedNode } from "../follower/inspected-node.ts";
import { NETWORK_NAMES, NETWORKS, type NetworkName } from "../follower/networks.ts";
import { inspectNode } from "../rpc/node-inspection.ts";

const TIMEOUT_MS = 15_000;
/** Where Recant is not a package of its own: its source beside the folder of chains. */
const SOURCE = ["src", "follower", "define-chain.ts"];

export interface ChainRequest {
	readonly address: Hex;
	/** A list, or what a compiler wrote: an object with `abi`. */
	readonly abiFile: string;
	/** Of chain and file; undefined: the contract's. */
	readonly name: string | undefined;
	readonly network: NetworkName | undefined;
	/** Undefined: the public one of the network. */
	readonly rpcUrl: string | undefined;
	readonly startBlock: Height | undefined;
	readonly force: boolean;
	readonly folder: string;
}

export interface AddedChain {
	readonly path: string;
	readonly name: string;
	readonly startBlock: Height;
	readonly events: number;
}

export async function addChain(request: ChainRequest): Promise<AddedChain> {
	const { abiFile, folder, force } = request;
	const { abi, contract } = await readAbi(abiFile);
	const name = request.name ?? contract.toLowerCase();
	const path = join(folder, `${name}.ts`);
	if (!force && existsSync(path)) throw exists(path);
	const rpcUrl = request.rpcUrl ?? (await publicUrl(request.network));
	const node = inspectNode(rpcUrl, { timeoutMs: TIMEOUT_MS });
	try {
		const address = request.address.toLowerCase() as Hex;
		const chain = await chainOf(request.network, node);
		const startBlock = request.startBlock ?? (await startOf(node, address));
		const from = importOf(path);
		const rest = { rpcUrl, startBlock, from };
		const file: ChainFile = { name, contract, address, abi, chain, ...rest };
		await mkdir(dirname(path), { recursive: true });
		await writeNew(path, chainFileText(file), force);
		const events = abi.filter(({ type }) => type === "event").length;
		return { path, name, startBlock, events };
	} finally {
		node.close();
	}
}

/** The name of the contract is the artefact's, else the file's. */
async function readAbi(
	path: string,
): Promise<{ readonly abi: ContractDefinition["abi"]; readonly contract: string }> {
	const artefact = await readJson(path);
	const named = isRecord(artefact) ? artefact : {};
	const abi = Array.isArray(artefact) ? artefact : named["abi"];
	const isAbi = Array.isArray(abi) && abi.every((item) => isRecord(item) && "type" in item);
	if (!isAbi || !abi.some(({ type }) => type === "event"))
		throw invalid(
			`${path} holds no ABI with an event`,
			"give a JSON list, or an object with `abi`",
		);
	const given = named["contractName"];
	const stem = path.split(/[\\/]/).at(-1)?.split(".")[0] ?? "";
	const contract = (typeof given === "string" ? given : stem).replaceAll(/\W/g, "");
	return { abi, contract: /^[A-Za-z]/.test(contract) ? contract : "Contract" };
}

async function readJson(path: string): Promise<unknown> {
	try {
		return JSON.parse(await readFile(path, "utf8"));
	} catch (error) {
		throw invalid(`${path} cannot be read as JSON: ${messageOf(error)}`, "see --abi", error);
	}
}

/** Of viem's list, which is loaded for this alone: it is long. */
async function publicUrl(network: NetworkName | undefined): Promise<string> {
	if (network === undefined)
		throw invalid("neither a node nor a network was named", "give --rpc, --network or both");
	const { id } = NETWORKS[network];
	const known = Object.values(await import("viem/chains")).find((chain) => chain.id === id);
	const url = known?.rpcUrls.default.http[0];
	if (url !== undefined) return url;
	throw invalid(`no public node of ${network} is known`, "give --rpc");
}

async function chainOf(
	network: NetworkName | undefined,
	node: InspectedNode,
): Promise<ChainFile["chain"]> {
	const id = await node.chainId();
	const known = network ?? NETWORK_NAMES.find((each) => NETWORKS[each].id === id);
	if (known === undefined) return { id };
	if (NETWORKS[known].id === id) return { network: known };
	throw invalid(
		`${node.provider} serves chain ${id}, and ${known} is ${NETWORKS[known].id}`,
		"see whether --network and --rpc belong together",
	);
}

async function startOf(node: InspectedNode, address: Hex): Promise<Height> {
	const found = await findDeployment(node, address);
	if (found !== undefined) return found;
	throw invalid(
		`${node.provider} cannot tell since when ${address} has code: it has no old contract state`,
		"give --start-block, or a node with history",
	);
}

/** Beside Recant's own source that is imported, else the package. */
function importOf(path: string): string {
	const folder = dirname(resolve(path));
	const source = join(dirname(folder), ...SOURCE);
	if (!existsSync(source)) return "recant";
	return relative(folder, source).split(sep).join("/");
}

async function writeNew(path: string, text: string, force: boolean): Promise<void> {
	try {
		await writeFile(path, text, { flag: force ? "w" : "wx" });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") throw exists(path);
		throw invalid(`${path} cannot be written: ${messageOf(error)}`, "see RECANT_CHAINS_DIR", error);
	}
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

function exists(path: string): FatalError {
	return invalid(
		`${path} is there already`,
		"say --force to write it anew, or give another --name",
	);
}

function invalid(message: string, hint: string, cause?: unknown): FatalError {
	return new FatalError("configuration_invalid", { message, hint, cause });
}
