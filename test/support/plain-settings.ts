/** A chain whose namespaces are told nothing: no capacity, no rules. */
import type { Consolidator, WriterSettings } from "../../src/writer/system-work.ts";

export const PLAIN_SETTINGS: WriterSettings = {
	refresh: async () => undefined,
	all: () => new Map(),
	contentProblem: () => undefined,
};

export const NO_CONSOLIDATOR: Consolidator = { consolidate: async () => [] };
