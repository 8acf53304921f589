/** The message that tells of a chain that halted, or goes on. */
import type { ChainId } from "../domain/ids.ts";
import type { Told } from "./delivery.ts";

export interface ToldOfHalt {
	readonly told: Exclude<Told, { readonly kind: "rollback.committed" }>;
	readonly chainId: ChainId;
	readonly at: Date;
	/** Where people and programs reach this service; undefined: links are paths. */
	readonly publicUrl: string | undefined;
}

/** JSON of the message; the same at every try. */
export function haltMessage({ told, chainId, at, publicUrl }: ToldOfHalt): string {
	const status = `${publicUrl ?? ""}/v1/chains/${chainId}`;
	const data = { chainId, status, ...told.data };
	return JSON.stringify({ type: told.kind, timestamp: at.toISOString(), data });
}
