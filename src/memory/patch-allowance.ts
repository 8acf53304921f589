/**
 * How much the patches of one request may leave behind. A patch of a few bytes writes its memory whole, so a
 * small request could otherwise ask for a thousand times its size.
 */
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";

export interface PatchExcess {
	readonly code: "limit_exceeded";
	readonly message: string;
	readonly fields: Readonly<Record<string, string | number>>;
}

export class PatchAllowance {
	#bytes = 0;

	/** What a patch leaves; undefined: it fits. Counted in characters of JSON, close enough to bytes. */
	take(content: JsonObject): PatchExcess | undefined {
		this.#bytes += JSON.stringify(content).length;
		if (this.#bytes <= LIMITS.patchedBytes) return undefined;
		return {
			code: "limit_exceeded",
			message: `the patches of this request leave more than ${LIMITS.patchedBytes} bytes of content`,
			fields: { limit: "patchedBytes", max: LIMITS.patchedBytes },
		};
	}

	/** Nothing more is taken, so there is no need to look. */
	get isSpent(): boolean {
		return this.#bytes > LIMITS.patchedBytes;
	}
}
