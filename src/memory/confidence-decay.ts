/**
 * Confidence that fades: a long-term memory that says in how many blocks its confidence halves is less
 * sure at every height above the one at which it was last supported.
 *
 *     now = confidence × 2^(−(height − lastSupportedBlock) / halfLifeBlocks)
 *
 * Exponential decay, because then it does not matter at which heights one looks: what fades for a blocks and
 * then for b has faded for a + b. The stored confidence never changes, so that reading writes nothing.
 */
import type { Height } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject } from "../domain/operation.ts";

/** Past so many half-lives nothing is left that a double could tell from 0. */
const MOST_HALF_LIVES = 1_074n;

export interface FadingConfidence {
	/** In [0, 1], as it was at `lastSupportedBlock`. */
	readonly confidence: number;
	readonly lastSupportedBlock: Height;
	/** A positive whole number; undefined: it does not fade. */
	readonly halfLifeBlocks: number | undefined;
}

/** In [0, `confidence`]; below `lastSupportedBlock` it has not begun to fade. */
export function confidenceAt(fading: FadingConfidence, height: Height): number {
	const { confidence, lastSupportedBlock, halfLifeBlocks } = fading;
	if (halfLifeBlocks === undefined || height <= lastSupportedBlock) return confidence;
	const blocks = height - lastSupportedBlock;
	if (blocks / BigInt(halfLifeBlocks) >= MOST_HALF_LIVES) return 0;
	return confidence * 2 ** (-Number(blocks) / halfLifeBlocks);
}

/**
 * The confidence of a version as it is at a height where the version is visible; undefined: it has none.
 *
 * Fading is a property of long_term memories whose content says `halfLifeBlocks`, whoever wrote them.
 * `lastSupportedBlock` (decimal) left out: the height at which the version begins.
 */
export function confidenceNow(
	version: Pick<Version, "layer" | "content" | "confidence" | "fromBlock">,
	height: Height,
): number | undefined {
	const { layer, content, confidence, fromBlock } = version;
	if (confidence === undefined) return undefined;
	if (layer !== "long_term" || content === undefined) return confidence;
	const halfLifeBlocks = halfLifeOf(content);
	const lastSupportedBlock = heightOf(content["lastSupportedBlock"]) ?? fromBlock;
	return confidenceAt({ confidence, lastSupportedBlock, halfLifeBlocks }, height);
}

/** Undefined where the content says none that could be one. */
function halfLifeOf(content: JsonObject): number | undefined {
	const blocks = content["halfLifeBlocks"];
	return typeof blocks === "number" && Number.isSafeInteger(blocks) && blocks > 0
		? blocks
		: undefined;
}

/** A height in content: 18 digits are below the largest bigint of Postgres. */
export function heightOf(value: unknown): Height | undefined {
	return typeof value === "string" && /^(?:0|[1-9][0-9]{0,17})$/.test(value)
		? BigInt(value)
		: undefined;
}
