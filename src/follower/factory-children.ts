/**
 * The contracts that factories made, as handler-owned memories in a namespace of each factory contract:
 * `children` has their number, and as long as they are few their addresses; `child:{address}` is there for
 * each. So what is known at a block is state like all other: a rollback forgets what orphaned blocks made,
 * snapshots carry it, and a start needs to derive nothing.
 *
 * 1. Only `FactoryChildren` writes it, while blocks are derived; no handler can.
 * 2. `KnownChildren` is what to ask the node for. It may know too many, of blocks that are not derived yet,
 *    never too few; who counts is decided again while blocks are derived.
 */
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { ContractSpec, FactorySpec } from "./chain-spec.ts";
import type { HandlerMemory, HandlerMemoryAccess } from "./define-chain.ts";

const SUMMARY = "children";

/** A contract that a factory tells of. */
export type MadeContract = ContractSpec & { readonly factory: FactorySpec };

interface Summary {
	readonly count: number;
	/** In the order in which they were made; undefined: too many to list. */
	readonly listed: readonly Hex[] | undefined;
}

export function isMade(contract: ContractSpec): contract is MadeContract {
	return contract.factory !== undefined;
}

function childId(address: Hex): string {
	return `child:${address}`;
}

function summaryOf(memory: HandlerMemory | undefined): Summary {
	if (memory === undefined) return { count: 0, listed: [] };
	const { count, listed } = memory.content;
	return {
		count: Number(count),
		listed: Array.isArray(listed) ? listed.map((each) => String(each) as Hex) : undefined,
	};
}

/** Addresses by the content that lists them, which stays the same object for as long as it holds. */
const listedIn = new WeakMap<JsonObject, ReadonlySet<Hex>>();

function listOf(memory: HandlerMemory): ReadonlySet<Hex> | undefined {
	const known = listedIn.get(memory.content);
	if (known !== undefined) return known;
	const { listed } = summaryOf(memory);
	if (listed === undefined) return undefined;
	const addresses = new Set(listed);
	listedIn.set(memory.content, addresses);
	return addresses;
}

/** While one block is derived. `access` is to the contract's registry. */
export class FactoryChildren {
	readonly #access: (contract: MadeContract) => HandlerMemoryAccess;

	constructor(access: (contract: MadeContract) => HandlerMemoryAccess) {
		this.#access = access;
	}

	async has(contract: MadeContract, address: Hex): Promise<boolean> {
		const registry = this.#access(contract);
		const summary = await registry.get(SUMMARY);
		if (summary === undefined) return false;
		const listed = listOf(summary);
		return listed?.has(address) ?? (await registry.get(childId(address))) !== undefined;
	}

	/** Does nothing for one that is known. Throws `FatalError("limit_exceeded")`. */
	async add(
		contract: MadeContract,
		made: { readonly address: Hex; readonly block: Height; readonly by: Hex },
	): Promise<void> {
		if (await this.has(contract, made.address)) return;
		const registry = this.#access(contract);
		const before = summaryOf(await registry.get(SUMMARY));
		const count = before.count + 1;
		if (count > LIMITS.factoryChildren) throw tooMany(contract, made.block);
		const listed =
			count > LIMITS.factoryListedChildren ? undefined : before.listed?.concat(made.address);
		await registry.put({
			layer: "semantic",
			id: childId(made.address),
			content: {
				contract: contract.name,
				address: made.address,
				factory: made.by,
				block: made.block.toString(),
			},
		});
		await registry.put({
			layer: "semantic",
			id: SUMMARY,
			content: {
				contract: contract.name,
				count,
				listed: listed === undefined ? null : [...listed],
			},
		});
	}
}

/**
 * What to ask the node for: what the state on which a fetch is based knows, and what earlier fetches found
 * above it. One instance serves fetches that follow one another on one branch; after a failure or a rollback
 * it is thrown away.
 */
export class KnownChildren {
	readonly #read: (key: MemoryKey) => Promise<HandlerMemory | undefined>;
	readonly #base = new Map<string, Promise<Summary>>();
	readonly #found = new Map<string, Set<Hex>>();

	constructor(read: (key: MemoryKey) => Promise<HandlerMemory | undefined>) {
		this.#read = read;
	}

	/** Addresses to ask for; undefined: too many, so by topics alone. */
	async asked(contract: MadeContract): Promise<readonly Hex[] | undefined> {
		const { listed } = await this.#summary(contract);
		const found = this.#found.get(contract.name);
		if (listed === undefined) return undefined;
		if (found === undefined) return listed;
		const all = [...new Set([...listed, ...found])];
		return all.length > LIMITS.factoryListedChildren ? undefined : all;
	}

	async has(contract: MadeContract, address: Hex): Promise<boolean> {
		if (this.#found.get(contract.name)?.has(address)) return true;
		const { listed } = await this.#summary(contract);
		if (listed !== undefined) return listed.includes(address);
		const key = memoryKey(contract.factory.namespace, childId(address));
		return (await this.#read(key)) !== undefined;
	}

	/** Notes that a block that was fetched made it. */
	found(contract: MadeContract, address: Hex): void {
		const found = this.#found.get(contract.name) ?? new Set();
		this.#found.set(contract.name, found.add(address));
	}

	#summary(contract: MadeContract): Promise<Summary> {
		const known = this.#base.get(contract.name);
		if (known !== undefined) return known;
		const summary = this.#read(memoryKey(contract.factory.namespace, SUMMARY)).then(summaryOf);
		this.#base.set(contract.name, summary);
		return summary;
	}
}

function tooMany({ name }: ContractSpec, block: Height): FatalError {
	const limit = LIMITS.factoryChildren;
	return new FatalError("limit_exceeded", {
		message: `block ${block} makes more contracts of "${name}" than ${limit} (limit factoryChildren)`,
		hint: "follow fewer: set endBlock, or list the addresses that matter",
		fields: { limit: "factoryChildren", value: limit + 1, allowed: limit, contract: name },
	});
}
