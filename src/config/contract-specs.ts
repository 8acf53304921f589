/** A definition's contracts, factories and block handlers, checked, as the follower takes them. */
import { type AbiEvent, isAddress, toEventSignature } from "viem";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type {
	ContractSpec,
	EventHandler,
	EventSpec,
	FactorySpec,
	IntervalSpec,
} from "../follower/chain-spec.ts";
import type {
	ChainDefinition,
	ContractDefinition,
	FactoryDefinition,
	Handler,
} from "../follower/define-chain.ts";
import { byTopic, decoderOf, eventsNamed, filtersOf, type Invalid } from "./event-handlers.ts";

/** In front of a factory contract's own namespace: what it made. */
const FACTORY_NAMESPACE = "factory:";

/** A handler by its key in the chain's file. */
interface KeyedHandler {
	readonly key: string;
	readonly contract: string;
	readonly event: string;
	readonly run: Handler;
	/** Place in the list. */
	readonly order: number;
}

/** Contracts with at least one handler; what nobody handles is not asked for. */
export function contractSpecs(chain: ChainDefinition, invalid: Invalid): readonly ContractSpec[] {
	const handlers = keyedHandlers(chain, invalid);
	return Object.entries(chain.contracts).flatMap(([name, contract]) => {
		const own = handlers.filter((each) => each.contract === name);
		const filters = Object.keys(contract.filter ?? {});
		const strange = filters.find((key) => eventsNamed(contract.abi, key).length === 0);
		if (strange !== undefined) {
			throw invalid(`contracts.${name}.filter: its ABI has no event "${strange}"`);
		}
		if (own.length === 0) return [];
		return [contractSpec(chain, { name, contract, handlers: own }, invalid)];
	});
}

function keyedHandlers(chain: ChainDefinition, invalid: Invalid): readonly KeyedHandler[] {
	const entries = Object.entries(chain.handlers) as [string, Handler][];
	if (entries.length > LIMITS.chainHandlers) {
		throw invalid(`handlers: ${entries.length} of them, at most ${LIMITS.chainHandlers}`);
	}
	return entries.map(([key, run], order) => {
		const [contract = "", event = ""] = key.split(":");
		if (chain.contracts[contract] === undefined)
			throw invalid(`handlers.${key}: there is no contract "${contract}"`);
		return { key, contract, event, run, order };
	});
}

function contractSpec(
	chain: ChainDefinition,
	own: {
		readonly name: string;
		readonly contract: ContractDefinition;
		readonly handlers: readonly KeyedHandler[];
	},
	invalid: Invalid,
): ContractSpec {
	const { name, contract } = own;
	const wrong: Invalid = (problem) => invalid(`contracts.${name}: ${problem}`);
	const { address, factory } = contract;
	if ((address === undefined) === (factory === undefined))
		throw wrong("it needs either an address or a factory");
	const place = heights(chain, contract, wrong);
	return {
		name,
		...place,
		addresses: addressesOf(address ?? []),
		factory: factory === undefined ? undefined : factorySpec({ name, factory, chain }, wrong),
		events: eventSpecs(own, invalid),
		namespaces: namespacesOf(chain, contract.namespaces, wrong),
	};
}

function eventSpecs(
	{
		name,
		contract,
		handlers,
	}: {
		readonly name: string;
		readonly contract: ContractDefinition;
		readonly handlers: readonly KeyedHandler[];
	},
	invalid: Invalid,
): readonly EventSpec[] {
	const named = new Set(handlers.map(({ event }) => event));
	return handlers.flatMap(({ key, event, run, order }) => {
		const all = eventsNamed(contract.abi, event);
		if (all.length === 0)
			throw invalid(`handlers.${key}: the ABI of "${name}" has no event "${event}"`);
		// A name leaves out what has a handler by its signature.
		const meant = all.filter((item) => item.name !== event || !named.has(toEventSignature(item)));
		if (meant.every(({ anonymous }) => anonymous === true) && meant.length > 0)
			throw invalid(
				`handlers.${key}: the event is anonymous, so its logs cannot be told from others`,
			);
		return byTopic(meant).flatMap(({ topic, items }) => {
			const handler: EventHandler = { name: key, decode: decoderOf(items), run };
			const filters = filtersOf(contract, firstOf(items), invalid);
			return [{ topic, filters, handler, order }];
		});
	});
}

/** Overloads that share a topic differ in what they index, and so in what a filter means: the first counts. */
function firstOf(items: readonly AbiEvent[]): AbiEvent {
	return items[0] as AbiEvent;
}

function factorySpec(
	{
		name,
		factory,
		chain,
	}: {
		readonly name: string;
		readonly factory: FactoryDefinition;
		readonly chain: ChainDefinition;
	},
	wrong: Invalid,
): FactorySpec {
	const { event, parameter } = factory;
	const topics = byTopic(eventsNamed(factory.abi, event));
	const [only, ...others] = topics;
	if (only === undefined) throw wrong(`the factory's ABI has no event "${event}"`);
	if (others.length > 0) {
		throw wrong(`the factory's ABI has several events "${event}": give the signature of one`);
	}
	const input = only.items[0]?.inputs.find((each) => each.name === parameter);
	if (input?.type !== "address")
		throw wrong(`"${parameter}" is no address among the parameters of "${event}"`);
	const namespace = `${FACTORY_NAMESPACE}${name}`;
	if (chain.namespaces.includes(namespace))
		throw wrong(`the namespace "${namespace}" is for what its factory makes`);
	const decode = decoderOf(only.items);
	return {
		addresses: addressesOf(factory.address),
		topic: only.topic,
		startBlock: atLeast(factory.startBlock, chain.startBlock ?? 0n, wrong),
		childOf: (log) => childIn(decode(log), parameter),
		namespace,
	};
}

function childIn(args: ReturnType<EventHandler["decode"]>, parameter: string): Hex | undefined {
	if (typeof args !== "object" || args === null) return undefined;
	const value = (args as Readonly<Record<string, unknown>>)[parameter];
	return typeof value === "string" && isAddress(value, { strict: false })
		? lowerCase(value)
		: undefined;
}

/** Handlers of blocks, in the file's order. */
export function intervalSpecs(chain: ChainDefinition, invalid: Invalid): readonly IntervalSpec[] {
	return Object.entries(chain.blocks ?? {}).map(([key, block]) => {
		const wrong: Invalid = (problem) => invalid(`blocks.${key}: ${problem}`);
		return {
			name: `blocks.${key}`,
			interval: BigInt(block.interval),
			...heights(chain, block, wrong),
			namespaces: namespacesOf(chain, block.namespaces, wrong),
			run: block.handler,
		};
	});
}

function heights(
	chain: ChainDefinition,
	own: { readonly startBlock?: Height; readonly endBlock?: Height },
	wrong: Invalid,
): { readonly startBlock: Height; readonly endBlock: Height | undefined } {
	const startBlock = atLeast(own.startBlock, chain.startBlock ?? 0n, wrong);
	const ends = [own.endBlock, chain.endBlock].filter((each) => each !== undefined);
	const endBlock = ends.length === 0 ? undefined : ends.reduce((a, b) => (a < b ? a : b));
	if (endBlock !== undefined && endBlock < startBlock)
		throw wrong(`endBlock ${endBlock} is below startBlock ${startBlock}`);
	return { startBlock, endBlock };
}

function atLeast(own: Height | undefined, least: Height, wrong: Invalid): Height {
	if (own === undefined) return least;
	if (own < least) throw wrong(`startBlock ${own} is below the chain's own, ${least}`);
	return own;
}

function namespacesOf(
	{ namespaces }: ChainDefinition,
	own: readonly string[] | undefined,
	wrong: Invalid,
): readonly [string, ...string[]] {
	const [first, ...rest] = own ?? namespaces;
	if (first === undefined) throw wrong("namespaces: must not be empty");
	const strange = [first, ...rest].find((each) => !namespaces.includes(each));
	if (strange === undefined) return [first, ...rest];
	throw wrong(`namespaces: "${strange}" is not one of the chain's`);
}

function addressesOf(given: Hex | readonly Hex[]): ReadonlySet<Hex> {
	return new Set([given].flat().map(lowerCase));
}

function lowerCase(hex: string): Hex {
	return `0x${hex.slice(2).toLowerCase()}`;
}

/** What of a contract's settings decides what is derived, for hashes. */
export function settingsText(contract: ContractSpec): string {
	const { factory } = contract;
	return JSON.stringify([
		contract.name,
		`${contract.startBlock}`,
		`${contract.endBlock}`,
		[...contract.addresses].sort(),
		factory === undefined
			? null
			: [[...factory.addresses].sort(), factory.topic, `${factory.startBlock}`],
		contract.namespaces,
	]);
}
