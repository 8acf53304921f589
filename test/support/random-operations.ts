/** Draws what agents and blocks do in a provenance test, from what the reference model believes. */
import type { Hex } from "../../src/domain/ids.ts";
import type { NodeBlock, NodeTransaction, NodeWrite } from "./memory-node.ts";
import type { Random } from "./random.ts";
import { visibleIn } from "./reference-history.ts";
import type { ModelOperation, ReferenceModel } from "./reference-model.ts";

const IDS = ["a", "b", "c", "d"];
const HANDLER_IDS = ["x", "y"];
/** Of which a transaction that comes back has other effects. */
const OTHER_EFFECTS = 0.25;

type Parts = Pick<ModelOperation, "kind" | "id" | "says" | "patch">;

export class RandomOperations {
	readonly #random: Random;
	readonly #model: ReferenceModel;
	#transactions = 0;
	#said = 0;

	constructor(random: Random, model: ReferenceModel) {
		this.#random = random;
		this.#model = model;
	}

	/** A block's transactions: some of those that were orphaned, and new ones. */
	content(branch: readonly NodeBlock[], orphaned: readonly NodeTransaction[]): NodeTransaction[] {
		const random = this.#random;
		const mined = new Set(branch.flatMap((block) => block.transactions));
		const again = orphaned.filter(({ hash }) => !mined.has(hash) && random.chance(0.4));
		const fresh = Array.from({ length: random.between(0, 1) }, () => {
			this.#transactions += 1;
			const hash: Hex = `0x${(2 ** 40 + this.#transactions).toString(16).padStart(64, "0")}`;
			return { hash, writes: this.#writes() };
		});
		return [
			...again.map((each) =>
				random.chance(OTHER_EFFECTS) ? { ...each, writes: this.#writes() } : each,
			),
			...fresh,
		];
	}

	operation(operationId: string): ModelOperation {
		const random = this.#random;
		const parts = this.#parts();
		const name = { namespace: "default", id: parts.id };
		return {
			operationId,
			...name,
			...parts,
			link: undefined,
			condition: random.chance(0.15) ? this.#condition(name) : undefined,
			mode: "all",
			anchors: random.chance(0.4) ? this.#anchors() : [],
			sources: [],
			onLoss: "recant",
			isAction: false,
		};
	}

	#parts(): Parts {
		const random = this.#random;
		const id = random.oneOf(IDS);
		const draw = random.next();
		if (draw < 0.12) return { kind: "delete", id, says: undefined, patch: undefined };
		if (draw < 0.3) {
			const content = { [`patch ${random.between(0, 2)}`]: random.between(0, 2) };
			return { kind: "patch", id, says: undefined, patch: { content } };
		}
		const layer = id === "a" ? "short_term" : random.chance(0.9) ? "semantic" : "long_term";
		const soon = this.#model.pending + BigInt(random.between(1, 3));
		const ends = random.chance(0.2) ? { expiresAtBlock: soon } : {};
		return { kind: "put", id, patch: undefined, says: { layer, content: this.#content(), ...ends } };
	}

	#content(): { readonly n: number } {
		this.#said += 1;
		return { n: this.#random.chance(0.5) ? this.#random.between(0, 3) : this.#said };
	}

	#writes(): readonly NodeWrite[] {
		const random = this.#random;
		return Array.from({ length: random.between(0, 2) }, () => {
			const id = random.oneOf(HANDLER_IDS);
			if (random.chance(0.15)) return { id, says: undefined };
			return { id, says: { layer: "semantic", content: { n: random.between(0, 3) } } };
		});
	}

	#condition(name: { readonly namespace: string; readonly id: string }) {
		const present = visibleIn(this.#model.history, name, this.#model.pending);
		const writer = present && this.#model.operationOf(present.order);
		if (writer === undefined) return { type: "absent" } as const;
		return { type: "written_by", operationId: writer } as const;
	}

	#anchors(): ModelOperation["anchors"] {
		const random = this.#random;
		const blocks = this.#model.chain.slice(-4);
		const transactions = blocks.flatMap((block) => [...block.effects.keys()]);
		if (transactions.length > 0 && random.chance(0.75)) {
			return [{ transaction: random.oneOf(transactions) }];
		}
		return [{ block: random.oneOf(blocks).hash }];
	}
}
