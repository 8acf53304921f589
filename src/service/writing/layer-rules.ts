/**
 * What a memory must be to belong to its layer, beyond its form. Few things, each because the layer would
 * silently not do what it is for:
 *
 * - long_term: `halfLifeBlocks` is a positive whole number and `lastSupportedBlock` a height in decimal, else
 *   confidence would not fade as the writer meant; and what is to fade must have a confidence.
 *
 * Short-term memories, episodes and semantic memories may say anything. That episodes are only added to,
 * links only join what is there, and hierarchies have no circles depends on the state, see writer/.
 */
import type { MemoryBody } from "../../domain/operation.ts";
import { heightOf } from "../../memory/confidence-decay.ts";
import type { ContentProblem } from "./content-schemas.ts";

/** `path` is from the body's root. */
export function layerProblems({
	layer,
	content,
	confidence,
}: MemoryBody): readonly ContentProblem[] {
	if (layer !== "long_term") return [];
	const problems: ContentProblem[] = [];
	const { halfLifeBlocks, lastSupportedBlock } = content;
	if (halfLifeBlocks !== undefined) {
		const isWhole = typeof halfLifeBlocks === "number" && Number.isSafeInteger(halfLifeBlocks);
		if (!isWhole || halfLifeBlocks < 1) {
			const message = "must be a whole number of blocks from 1";
			problems.push({ path: ["content", "halfLifeBlocks"], message });
		} else if (confidence === undefined) {
			const message = "must be there: content.halfLifeBlocks says how fast it fades";
			problems.push({ path: ["confidence"], message });
		}
	}
	if (lastSupportedBlock !== undefined && heightOf(lastSupportedBlock) === undefined) {
		const message = "must be a height as a decimal string";
		problems.push({ path: ["content", "lastSupportedBlock"], message });
	}
	return problems;
}
