/** The head's checkpoint: present, of that block, and with the roots that the writer sealed. */
import { differingLayers } from "../../commitment/state-root.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { BY_REPAIR, subject } from "../subject.ts";

export const headCheckpoint: ScanRule<CheckContext> = {
	kind: "scan",
	name: "head-checkpoint",
	level: "basic",
	severity: "critical",
	compares: "the head's checkpoint and the recorded roots with the writer's tree",
	async *check({ state, at, parts, read }) {
		await read(1);
		const checkpoint = await state.checkpoint(at.height);
		const place = { fromBlock: at.height, since: at.height };
		if (checkpoint === undefined) yield corrupt(place, `block ${at.height} has none`);
		else if (checkpoint.blockHash !== at.blockHash)
			yield corrupt(place, `it is of block ${checkpoint.blockHash}, the head is ${at.blockHash}`);
		else if (checkpoint.roots === undefined) yield corrupt(place, "its roots cannot be read");
		const { frozen } = parts;
		if (frozen === undefined) return;
		if (frozen.headRoots !== undefined && checkpoint?.roots !== undefined) {
			const layers = differingLayers(checkpoint.roots, frozen.headRoots);
			if (layers.length > 0)
				yield corrupt(place, `its roots of ${layers.join(", ")} are not those that were sealed`);
		}
		const recorded = state.chain.roots;
		const layers =
			recorded === undefined
				? ["every layer"]
				: differingLayers(recorded, frozen.tree.roots(frozen.mark));
		if (layers.length === 0) return;
		yield {
			class: "watermark_wrong",
			subject: subject({ store: "postgres", table: "chains" }),
			message: `the recorded roots of ${layers.join(", ")} are not those of the last commit`,
			since: at.height,
			remedy: BY_REPAIR,
		};
	},
};

function corrupt(
	place: { readonly fromBlock: bigint; readonly since: bigint },
	what: string,
): RuleFinding {
	return {
		class: "checkpoint_corrupt",
		subject: subject({ store: "postgres", table: "checkpoints", fromBlock: place.fromBlock }),
		message: `the head's checkpoint is wrong: ${what}`,
		since: place.since,
		remedy: BY_REPAIR,
	};
}
