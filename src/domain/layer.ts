/** The four layers of an agent's memory. */
export const LAYERS = ["short_term", "long_term", "episodic", "semantic"] as const;
export type Layer = (typeof LAYERS)[number];

/** Who wrote a memory: derived from blocks, or written from outside. Never both for one memory. */
export type Owner = "handler" | "agent";

export function isLayer(value: unknown): value is Layer {
	return typeof value === "string" && (LAYERS as readonly string[]).includes(value);
}
