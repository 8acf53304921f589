/** Asks a running service for proofs, over HTTP, and checks each with nothing but the proof. */
import type { StateProof } from "../../src/commitment/proof.ts";
import { verifyProof } from "../../src/commitment/verify-proof.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { CHAIN_ID, type RunningService } from "./running-service.ts";

export interface Proved {
	readonly checkpoint: "stored" | "rebuilt";
	readonly at: { readonly height: string; readonly generation: string; readonly blockHash?: Hex };
	readonly proof: StateProof;
}

export interface ProofQuery {
	readonly namespace?: string;
	readonly at?: bigint | number | string;
	readonly generation?: bigint | number;
}

function pathOfProof(id: string, { namespace, at, generation }: ProofQuery): string {
	const query = new URLSearchParams();
	if (namespace !== undefined) query.set("namespace", namespace);
	if (at !== undefined) query.set("at", at.toString());
	if (generation !== undefined) query.set("generation", generation.toString());
	return `/memories/${encodeURIComponent(id)}/proof?${query}`;
}

/** The proof, checked against the state root that the reader trusts, if one is given. */
export async function prove(
	service: RunningService,
	id: string,
	query: ProofQuery = {},
	trusted?: Hex,
): Promise<Proved> {
	const answer = await service.chain(pathOfProof(id, query));
	if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
	const proved = answer.body as Proved;
	const verdict = verifyProof(proved.proof, { stateRoot: trusted, blockHash: undefined });
	if (!verdict.valid) throw new Error(`${id}: ${verdict.fault}: ${verdict.message}`);
	if (proved.proof.chainId !== CHAIN_ID)
		throw new Error(`a proof of chain ${proved.proof.chainId}`);
	return proved;
}

/** The code with which a proof is refused. */
export async function refusal(
	service: RunningService,
	id: string,
	query: ProofQuery = {},
): Promise<string> {
	const answer = await service.chain(pathOfProof(id, query));
	if (answer.status === 200) throw new Error(`it was proved: ${answer.text}`);
	return answer.body.code;
}
