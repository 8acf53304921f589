/** Memories of each layer, counted in rows, against the writer's tree. */
import { LAYERS } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { CheckContext } from "../check-context.ts";
import type { ScanRule } from "../rule.ts";
import { BY_REPAIR, subject } from "../subject.ts";

/**
 * Counting reads every version, so beyond LIMITS.basicCountVersions it is left to the full level,
 * which reads them anyway and compares them one by one.
 */
export const layerCounts: ScanRule<CheckContext> = {
	kind: "scan",
	name: "layer-counts",
	level: "basic",
	severity: "critical",
	compares: "the number of visible rows of each layer with the writer's tree",
	async *check({ state, parts, read }) {
		const { frozen } = parts;
		if (frozen === undefined) return;
		if ((await state.estimatedVersions()) > LIMITS.basicCountVersions) return;
		const counted = await state.visibleCounts();
		const held = frozen.tree.counts(frozen.mark);
		await read(LAYERS.reduce((sum, layer) => sum + counted[layer], 0));
		for (const layer of LAYERS) {
			if (counted[layer] === held[layer]) continue;
			yield {
				class: "count_differs",
				subject: subject({ store: "postgres", table: "versions" }),
				message: `${counted[layer]} rows of ${layer} are visible, ${held[layer]} memories were committed`,
				since: undefined,
				remedy: { ...BY_REPAIR, commands: ["recant check --level full", "recant repair"] },
			};
		}
	},
};
