/**
 * Types of a contract's events, from its ABI. An event has two keys: its name, which stands for all of its
 * overloads, and its signature, `Transfer(address,address,uint256)`, which stands for itself.
 */
import type {
	Abi,
	AbiEvent,
	AbiParameter,
	ContractEventArgs,
	ContractEventArgsFromTopics,
	ContractEventName,
} from "viem";

type Events<ContractAbi extends Abi> = Extract<ContractAbi[number], { readonly type: "event" }>;

type TypeOf<Parameter> = Parameter extends {
	readonly type: `tuple${infer Dimensions}`;
	readonly components: infer Components extends readonly AbiParameter[];
}
	? `(${TypesOf<Components>})${Dimensions}`
	: Parameter extends { readonly type: infer Type extends string }
		? Type
		: never;

type TypesOf<Parameters extends readonly AbiParameter[]> = Parameters extends readonly [
	infer First,
	...infer Rest extends readonly AbiParameter[],
]
	? Rest extends readonly []
		? TypeOf<First>
		: `${TypeOf<First>},${TypesOf<Rest>}`
	: "";

type SignatureOf<Event> = Event extends {
	readonly name: infer Name extends string;
	readonly inputs: infer Inputs extends readonly AbiParameter[];
}
	? `${Name}(${TypesOf<Inputs>})`
	: never;

type Named<Event, Key> = Event extends AbiEvent
	? Event["name"] extends Key
		? Event
		: SignatureOf<Event> extends Key
			? Event
			: string extends Event["name"]
				? Event
				: never
	: never;

/** Names and signatures of an ABI's events. */
export type EventKey<ContractAbi extends Abi> =
	| Events<ContractAbi>["name"]
	| SignatureOf<Events<ContractAbi>>;

type ArgsOfEvent<Event> = Event extends AbiEvent
	? ContractEventArgsFromTopics<readonly [Event], ContractEventName<readonly [Event]>>
	: never;

/** Decoded arguments; of a name that is overloaded, those of any of its events. */
export type EventArgs<ContractAbi extends Abi, Key extends string> = ArgsOfEvent<
	Named<Events<ContractAbi>, Key>
>;

type FilterOfEvent<Event> = Event extends AbiEvent
	? { readonly args: ContractEventArgs<readonly [Event], ContractEventName<readonly [Event]>> }
	: never;

/** Of indexed arguments: a value, several, or null for any. */
export type EventFilter<ContractAbi extends Abi, Key extends string> = FilterOfEvent<
	Named<Events<ContractAbi>, Key>
>;

type AddressOf<Input> = Input extends {
	readonly type: "address";
	readonly name: infer Name extends string;
}
	? Name
	: never;

/** Names of parameters that are addresses, of any of an ABI's events. */
export type AddressParameter<ContractAbi extends Abi> = AddressOf<
	Events<ContractAbi>["inputs"][number]
>;
