/** What a handler derived from a block. Its memories are owned by the chain, never by an agent. */
import type { MemoryBody } from "../domain/operation.ts";

export type HandlerOperation =
	| {
			readonly kind: "put";
			readonly namespace: string;
			readonly id: string;
			readonly body: MemoryBody;
	  }
	| { readonly kind: "delete"; readonly namespace: string; readonly id: string };
