/**
 * Takes operations that Recant made itself, by a restore or a merge, into a world's journal, so that the
 * oracle knows them. What they say is read from the log; whether it is right, the tests say.
 */
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { fromWire } from "../../src/memory/operation-codec.ts";
import { CHAIN } from "./recant.ts";
import type { AgentOperation, World } from "./world.ts";

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
				world.adopt(operationId, saidBy(stored, readFrom), readFrom);
			}
		}
		if (position === logPosition) ending.abort();
	}
	return adopted;
}

function saidBy({ operation }: StoredOperation, readFrom: string | undefined): AgentOperation {
	const { namespace, id, ifVersion } = operation;
	const ifRead = readFrom === undefined ? {} : ({ ifVersion: "present" } as const);
	const condition = ifVersion === 0n ? ({ ifVersion: "absent" } as const) : ifRead;
	const target = { namespace, id, ...condition };
	switch (operation.kind) {
		case "put":
			return { ...target, op: "put", ...withoutUndefined(operation.body) };
		case "delete":
			return { ...target, op: "delete" };
		default:
			throw new Error(`nothing makes a ${operation.kind} by itself, as of ${id}`);
	}
}

type Given<Fields> = { readonly [Field in keyof Fields]?: Exclude<Fields[Field], undefined> };

function withoutUndefined<Fields extends object>(fields: Fields): Given<Fields> {
	const given = Object.entries(fields).filter(([, value]) => value !== undefined);
	return Object.fromEntries(given) as Given<Fields>;
}
