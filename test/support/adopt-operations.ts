/**
 * Takes operations that Recant made itself, by a restore or a merge, into a world's journal, so that the
 * oracle knows them. What they say is read from the log; whether it is right, the tests say.
 */
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { fromWire } from "../../src/memory/operation-codec.ts";
import type { OperationRequest } from "../../src/service/recant-service.ts";
import { CHAIN } from "./recant.ts";
import type { World } from "./world.ts";

/** Every operation of the log that the journal does not know. */
export async function adoptOperations(world: World): Promise<readonly StoredOperation[]> {
	const { service, journal } = world;
	const { chainId, logPosition } = await service.chain(CHAIN);
	const known = new Set(journal.map(({ operationId }) => operationId));
	const at = new Map<string, string>();
	const adopted: StoredOperation[] = [];
	const ending = new AbortController();
	const query = { after: new Map([[chainId, 0n]]), chains: undefined, types: undefined };
	for await (const { type, data, position } of service.events(query, ending.signal)) {
		const { operationId, conditionPosition } = data;
		if (type === "operation" && typeof operationId === "string") {
			at.set(`${position}`, operationId);
			if (!known.has(operationId)) {
				const stored = fromWire(data);
				adopted.push(stored);
				const readFrom =
					conditionPosition === undefined ? undefined : at.get(`${conditionPosition}`);
				const requestIndex = journal.length;
				journal.push({ operationId, request: requestOf(stored), readFrom, requestIndex });
			}
		}
		if (position === logPosition) ending.abort();
	}
	return adopted;
}

function requestOf({ operation }: StoredOperation): OperationRequest & { readonly id: string } {
	const { namespace, id, ifVersion } = operation;
	const target = { namespace, id, ifVersion, anchor: undefined };
	switch (operation.kind) {
		case "put":
			return { ...target, kind: "put", ...operation.body };
		case "delete":
			return { ...target, kind: "delete" };
		case "patch":
			throw new Error(`nothing makes patches by itself, as of ${id}`);
	}
}
