/**
 * What keeps the follower from going on although the node answers: a fork that is not sure, a mark that is off
 * the chain, another chain. Says what is waited for, has it looked at again soon, and halts the chain when what
 * incidents.ts weighs is confirmed.
 */
import type { Halt, Unconfirmed, Wait } from "../chain/decision.ts";
import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { Problem } from "../writer/writer-store.ts";
import { contradicting, problemOf, unconfirmedFork, wrongChain } from "./follower-problems.ts";
import { type ForkJudge, lookMs } from "./fork-judge.ts";
import { type Incident, Incidents, type IncidentsOptions, type NodeTags } from "./incidents.ts";

export interface DoubtsOptions extends IncidentsOptions {
	readonly forks: ForkJudge;
	readonly log: Logger;
	/** The chain waits, for this. */
	readonly onWait: (problem: Problem) => void;
	/** The node is to be looked at again. */
	readonly onLook: () => void;
}

export class Doubts {
	readonly #options: DoubtsOptions;
	readonly #incidents: Incidents;
	/** Takes back the look that comes by itself. */
	#cancelLook: () => void = () => undefined;
	/** What the node answered last for its marks, until it is looked at. */
	#tags: NodeTags | undefined;
	/** Fork that was last said to be waited for. */
	#toldOf: string | undefined;
	#checkedChain = false;

	constructor(options: DoubtsOptions) {
		this.#options = options;
		this.#incidents = new Incidents(options);
	}

	stop(): void {
		this.#cancelLook();
	}

	/** What the node answers for its marks. */
	tagsAre(tags: NodeTags): void {
		this.#tags = tags;
	}

	/** A look that may be at a fork, or was at none. */
	looked(decision: { readonly type: string }): void {
		if (decision.type !== "halt") this.#incidents.clear("fork");
	}

	/**
	 * Once: a node that serves another chain meanwhile is found by its blocks. Throws
	 * `FatalError("chain_id_mismatch")`, and `RetryableError("rpc_failed")` while another genesis is looked at.
	 */
	async checkChain(): Promise<void> {
		if (this.#checkedChain) return;
		const { source, spec } = this.#options;
		const answered = await source.chainId();
		if (answered !== spec.id) throw wrongChain(spec, answered);
		const other = await this.#incidents.otherGenesis();
		if (other !== undefined) {
			await this.#suspect("genesis", other);
			throw contradicting(other.error.message);
		}
		this.#checkedChain = true;
	}

	/**
	 * The marks that were asked for in this round: one that is off the chain speaks of a fork, or of worse.
	 * Answers whether they are to be asked for again, though the head stays.
	 */
	async lookAtTags(): Promise<boolean> {
		const tags = this.#tags;
		this.#tags = undefined;
		if (tags === undefined) return false;
		const { places, incident } = await this.#incidents.lookAtTags(tags);
		if (places.includes("off_chain")) {
			this.#options.forks.notice("tag_off_chain");
			this.#lookAgain();
		}
		if (incident === undefined) {
			this.#incidents.clear("tag");
			return false;
		}
		await this.#suspect("tag", incident);
		return true;
	}

	/** A head that is too low. Answers whether the node serves another chain, as it seems. */
	async isOfAnother({ reason }: Wait): Promise<boolean> {
		if (reason === "unconfirmed_shrink") return false;
		// A chain that was begun anew is lower than ours, and no header of it need be asked for.
		const other = await this.#incidents.otherGenesis();
		if (other !== undefined) await this.#suspect("genesis", other);
		return other !== undefined;
	}

	/** A fork that is not followed yet. */
	unconfirmed(fork: Unconfirmed): void {
		const { ancestor, because, evidence } = fork;
		const problem = unconfirmedFork(fork);
		const what = `${because} ${ancestor.hash}`;
		if (this.#toldOf !== what) this.#options.log.info({ ...evidence }, problem.message);
		this.#toldOf = what;
		this.#options.onWait(problem);
		this.#lookAgain();
	}

	/** A fork that may not be followed: of another chain, or too deep. */
	async hopeless(decision: Halt, head: BlockHeader): Promise<void> {
		const other = await this.#incidents.otherGenesis();
		if (other !== undefined) return this.#suspect("genesis", other);
		await this.#suspect("fork", { error: new FatalError(decision.code, decision), shown: head });
	}

	async #suspect(kind: "fork" | "genesis" | "tag", incident: Incident): Promise<void> {
		const { error } = incident;
		const { log, onWait, writer } = this.#options;
		const weighed = await this.#incidents.weigh(kind, incident);
		if (weighed !== "confirmed") {
			onWait(problemOf(error));
			return this.#lookAgain();
		}
		if (writer.halted !== undefined) return;
		await writer.halt(problemOf(error));
		log.error({ code: error.code, ...error.fields }, error.message);
	}

	/** Sooner than the next poll, where that is far. */
	#lookAgain(): void {
		const { clock, onLook, spec } = this.#options;
		this.#cancelLook();
		this.#cancelLook = clock.after(lookMs(spec), onLook);
	}
}
