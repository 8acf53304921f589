/** What a version says that only says that its memory is gone. */
import type { Version } from "../domain/memory.ts";

export const NOTHING_SAID = {
	content: undefined,
	text: undefined,
	collection: undefined,
	importance: undefined,
	confidence: undefined,
	vectorHash: undefined,
	expiresBlock: undefined,
	expiresTime: undefined,
} as const satisfies Partial<Version>;
