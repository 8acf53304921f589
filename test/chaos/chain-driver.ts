/**
 * What the chain does during the load: blocks with transfers, forks of every make, and rollbacks that an
 * operator asks for. It alone works on the chain; others read what it says has happened.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { SignedTransaction } from "../../scripts/support/token.ts";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecordedBlock } from "../support/chain-record.ts";
import type { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import type { TestChain } from "../support/test-chain.ts";
import type { ChaosWorld } from "./chaos-world.ts";

/** Lowest block that a fork leaves: the accounts have their tokens there. */
const ROOT = 2;
/** Deepest fork. */
const DEPTH = 6;
const PAUSE_MS = { min: 120, max: 420 };
/** Blocks that agents may still anchor to. */
const RECENT = 6;

export class ChainDriver {
	readonly #chaos: ChaosWorld;
	readonly #random: Random;
	/** Signed before, on whatever branch. */
	readonly #sent: SignedTransaction[] = [];
	#recent: readonly RecordedBlock[] = [];
	#snapshot: { readonly id: `0x${string}`; readonly height: bigint } | undefined;
	#running = false;
	#loop: Promise<void> = Promise.resolve();
	forks = 0;
	manualRollbacks = 0;

	constructor(chaos: ChaosWorld, random: Random) {
		this.#chaos = chaos;
		this.#random = random;
	}

	/** Newest canonical blocks. */
	get recent(): readonly RecordedBlock[] {
		return this.#recent;
	}

	start(): void {
		this.#running = true;
		this.#loop = this.#run();
		// Whoever awaits `stop` hears of it; until then it must not end the process.
		this.#loop.catch(() => undefined);
	}

	/** Ends what is under way; the chain stands still from then on. */
	async stop(): Promise<void> {
		this.#running = false;
		await this.#loop;
	}

	async #run(): Promise<void> {
		while (this.#running) {
			await this.#step();
			const { chain } = this.#chaos.world;
			this.#recent = chain.record.branch((await chain.head()).hash).slice(-RECENT);
			await sleep(this.#random.between(PAUSE_MS.min, PAUSE_MS.max));
		}
	}

	async #step(): Promise<void> {
		const { world } = this.#chaos;
		const draw = this.#random.next();
		if (draw < 0.6) return this.#mine(world.chain, this.#random.between(1, 2));
		if (draw < 0.9) return void (await world.gate.hold(() => this.#fork(world.chain)));
		await this.#rollBack();
	}

	async #fork(chain: TestChain): Promise<void> {
		const head = Number((await chain.head()).number);
		const deepest = Math.min(DEPTH, head - ROOT);
		if (deepest < 1) return this.#mine(chain, 1);
		this.forks += 1;
		const depth = this.#random.between(1, deepest);
		const draw = this.#random.next();
		if (draw < 0.3) {
			this.#snapshot = undefined;
			return chain.reorg(depth);
		}
		if (draw < 0.55) return this.#revert(chain, head);
		this.#snapshot = undefined;
		await chain.drop(depth);
		// Not shorter: a chain that only shrinks is taken for a lagging node for seconds.
		await this.#mine(chain, this.#random.between(depth, depth + 2));
	}

	/** Back to a moment of before, if one is kept that is not too long ago; else keeps this one. */
	async #revert(chain: TestChain, head: number): Promise<void> {
		const snapshot = this.#snapshot;
		const depth = head - Number(snapshot?.height ?? 0n);
		if (snapshot === undefined || depth > DEPTH || depth < 1) {
			this.#snapshot = { id: await chain.node.snapshot(), height: BigInt(head) };
			return this.#mine(chain, 1);
		}
		this.#snapshot = undefined;
		await chain.node.revert(snapshot.id);
		await this.#mine(chain, depth + this.#random.between(0, 1));
	}

	async #mine(chain: TestChain, blocks: number): Promise<void> {
		for (let index = 0; index < blocks; index += 1) {
			const again = this.#sent.slice(-6).filter(() => this.#random.chance(0.25));
			for (const signed of again) await chain.token.send(signed).catch(ignoreRefusal);
			const transfers = Array.from({ length: this.#random.between(0, 2) }, () => ({
				from: this.#random.between(1, 3),
				to: this.#random.between(1, 4),
				value: BigInt(this.#random.between(1, 900)),
			}));
			const { sent } = await chain.block(...transfers);
			this.#sent.push(...sent);
		}
	}

	async #rollBack(): Promise<void> {
		const [client] = this.#chaos.clients;
		if (client === undefined) return;
		try {
			const { head } = await client.chain(CHAIN);
			const height = Number(head?.height ?? ROOT);
			const toBlock = this.#random.between(Math.max(ROOT, height - DEPTH), height);
			await client.startRollback(CHAIN, toBlock);
			this.manualRollbacks += 1;
		} catch (error) {
			// Refused, or hit by a fault: an operator would ask again.
			if (!(error instanceof RecantApiError)) throw error;
		}
	}
}

/** The account's nonce has moved on: another transaction took its place on this branch. */
function ignoreRefusal(error: unknown): void {
	if (!(error instanceof Error && /nonce|already|known|underpriced/i.test(error.message))) {
		throw error;
	}
}
