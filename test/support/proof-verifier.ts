/** The Solidity verifier on a local node, and how a proof's JSON becomes its arguments. */
import {
	createTestClient,
	encodeFunctionData,
	type Hex,
	http,
	publicActions,
	walletActions,
} from "viem";
import {
	stateProofVerifierAbi as abi,
	stateProofVerifierBytecode as bytecode,
} from "../../contracts/out/state-proof-verifier.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import type {
	ExclusionProof,
	InclusionProof,
	ProofPath,
	StateProof,
} from "../../src/commitment/proof.ts";
import { LAYERS } from "../../src/domain/layer.ts";

const ZERO_KEY: Hex = `0x${"0".repeat(32)}`;
const ZERO_HASH: Hex = `0x${"0".repeat(64)}`;
const ANSWERS: ReadonlyMap<Hex, Verdict> = new Map<Hex, Verdict>([
	[`0x${"0".repeat(63)}1`, "accepted"],
	[`0x${"0".repeat(64)}`, "refused"],
]);
/** Calls that are under way at a time. */
const CALLS = 32;

export type Verdict = "accepted" | "refused" | "reverted";

export interface ProofVerifier {
	readonly address: Hex;
	verdict(calldata: Hex): Promise<Verdict>;
	accepts(calldata: Hex): Promise<boolean>;
	/** Of those calls, which it accepts; by their index. */
	accepted(calldata: readonly Hex[]): Promise<readonly number[]>;
	/** Gas of a transaction with that calldata, as eth_estimateGas has it. */
	gas(calldata: Hex): Promise<bigint>;
}

/** Deploys it from dev account 9, in a block of its own. */
export async function deployVerifier(rpcUrl: string): Promise<ProofVerifier> {
	const account = devAccount(9);
	const node = createTestClient({ mode: "anvil", transport: http(rpcUrl, { retryCount: 0 }) })
		.extend(publicActions)
		.extend(walletActions);
	const hash = await node.deployContract({ abi, bytecode, account, chain: null });
	await node.mine({ blocks: 1 });
	const { contractAddress: address, status } = await node.getTransactionReceipt({ hash });
	if (address === undefined || address === null || status !== "success") {
		throw new Error("the verifier was not deployed");
	}
	const verdict = async (data: Hex): Promise<Verdict> => {
		try {
			const answer = ANSWERS.get((await node.call({ to: address, data })).data ?? "0x");
			if (answer === undefined) throw new Error("the verifier answers neither true nor false");
			return answer;
		} catch (error) {
			// Calldata that the ABI refuses reverts; everything else is the test's own trouble.
			if (/revert/i.test(String(error))) return "reverted";
			throw error;
		}
	};
	const accepts = async (data: Hex) => (await verdict(data)) === "accepted";
	return {
		address,
		verdict,
		accepts,
		accepted: async (calldata) => {
			const found: number[] = [];
			for (let from = 0; from < calldata.length; from += CALLS) {
				const part = calldata.slice(from, from + CALLS);
				const answers = await Promise.all(part.map(accepts));
				for (const [at, isAccepted] of answers.entries()) if (isAccepted) found.push(from + at);
			}
			return found;
		},
		gas: (data) => node.estimateGas({ account: account.address, to: address, data }),
	};
}

/** What the verifier is called with for a proof of either kind. */
export function calldataOf(proof: StateProof): Hex {
	const { stateRoot } = proof;
	const key = keyBytes(proof.memoryKey);
	if (proof.type === "inclusion") {
		const { siblings } = pathOf(proof);
		const layer = BigInt(LAYERS.indexOf(proof.memory.layer));
		return encodeFunctionData({
			abi,
			functionName: "verifyInclusion",
			args: [stateRoot, checkpointOf(proof), layer, key, proof.contentHash, siblings],
		});
	}
	const { short_term, long_term, episodic, semantic } = proof.paths;
	return encodeFunctionData({
		abi,
		functionName: "verifyExclusion",
		args: [
			stateRoot,
			checkpointOf(proof),
			key,
			[
				verifierPath(short_term),
				verifierPath(long_term),
				verifierPath(episodic),
				verifierPath(semantic),
			],
		],
	});
}

/** Absence from one layer alone; `path` stands in for the proof's own. */
export function layerCalldataOf(
	proof: ExclusionProof,
	layer: number,
	path: VerifierPath = verifierPath(proof.paths[LAYERS[layer] ?? "semantic"]),
): Hex {
	const args = [
		proof.stateRoot,
		checkpointOf(proof),
		BigInt(layer),
		keyBytes(proof.memoryKey),
		path,
	] as const;
	return encodeFunctionData({ abi, functionName: "verifyExclusionFromLayer", args });
}

function checkpointOf({ chainId, height, blockHash, roots }: StateProof) {
	const { short_term, long_term, episodic, semantic } = roots;
	return {
		chainId: BigInt(chainId),
		height: BigInt(height),
		blockHash,
		roots: [short_term, long_term, episodic, semantic],
	} as const;
}

export function pathOf({ memory, paths }: InclusionProof): ProofPath {
	const path = paths[memory.layer];
	if (path === undefined) throw new Error(`the proof has no path of ${memory.layer}`);
	return path;
}

export interface VerifierPath {
	readonly siblings: ProofPath["siblings"];
	readonly endsInLeaf: boolean;
	readonly leafKey: Hex;
	readonly leafContentHash: Hex;
}

export function verifierPath({ siblings, terminal }: ProofPath): VerifierPath {
	const endsInLeaf = terminal.type === "leaf";
	return {
		siblings,
		endsInLeaf,
		leafKey: endsInLeaf ? keyBytes(terminal.memoryKey) : ZERO_KEY,
		leafContentHash: endsInLeaf ? terminal.contentHash : ZERO_HASH,
	};
}

/** 16 bytes of a UUID. */
export function keyBytes(uuid: string): Hex {
	return `0x${uuid.replaceAll("-", "")}`;
}
