/** The new branch's blocks, applied one after the other as far as agents' operations need them. */
import type { Height } from "../domain/ids.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { SystemWork } from "../writer/system-work.ts";
import type { ReportBuilder } from "./report.ts";

export interface BranchContext {
	readonly ancestor: Height;
	readonly blocks: readonly DerivedBlock[];
	readonly system: SystemWork;
	readonly report: ReportBuilder;
}

export class BranchBlocks {
	readonly #assembly: Assembly;
	readonly #context: BranchContext;
	/** The next to be begun. */
	#next = 0;
	/** Begun, and not sealed. */
	#open: DerivedBlock | undefined;
	/** Agents' operations in the open block. */
	#carried = 0;

	constructor(assembly: Assembly, context: BranchContext) {
		this.#assembly = assembly;
		this.#context = context;
	}

	/** Comes to that slot: what is below it is sealed, and its block's handlers are done. Slots rise. */
	async enter(slot: Height): Promise<void> {
		const { blocks } = this.#context;
		if (this.#open !== undefined && this.#open.header.number < slot) await this.#seal();
		let block = blocks[this.#next];
		for (; block !== undefined && block.header.number <= slot; block = blocks[this.#next]) {
			await this.#seal();
			this.#begin(block);
			this.#next += 1;
			if (block.header.number < slot) await this.#seal();
		}
		if (this.#open === undefined) this.#assembly.reach(slot);
	}

	/** Says that agents' operations were applied in the slot that was entered last. */
	carried(operations: number): void {
		if (this.#open !== undefined) this.#carried += operations;
	}

	/** Applies and seals what is left. */
	async finish(): Promise<void> {
		const last = this.#context.blocks.at(-1)?.header.number ?? this.#context.ancestor;
		await this.enter(last + 1n);
	}

	#begin(block: DerivedBlock): void {
		const { number: slot } = block.header;
		this.#assembly.reach(slot);
		for (const operation of block.operations) {
			this.#assembly.derive(operation, slot, true);
			const { namespace, id } = operation;
			this.#context.report.derived({ namespace, id, slot });
		}
		this.#open = block;
	}

	async #seal(): Promise<void> {
		const block = this.#open;
		if (block === undefined) return;
		await this.#context.system.endOfBlock(block.header);
		const operations = block.operations.length + this.#carried;
		this.#assembly.seal(block.header, { checkpoint: true, logged: true, operations });
		this.#open = undefined;
		this.#carried = 0;
	}
}
