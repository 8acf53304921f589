/** Consolidation on demand: agents' operations that run a namespace's rules in the pending slot. */
import { FatalError } from "../../domain/errors.ts";
import type { ConsolidationRule } from "../../domain/namespace-settings.ts";
import type { ChainSpec } from "../../follower/chain-spec.ts";
import { servedChain } from "../reading/served-chain.ts";
import type { WriteAnswer } from "../recant-service.ts";
import type {
	ConsolidationMode,
	ConsolidationRequest,
	ConsolidationService,
} from "./consolidation-service.ts";
import type { KnownSettings } from "./known-settings.ts";

export interface ConsolidationsOptions {
	readonly chains: readonly {
		readonly spec: Pick<ChainSpec, "id" | "name" | "namespaces">;
		readonly settings: Pick<KnownSettings, "of" | "refresh">;
	}[];
	/** Writes an operation of kind `consolidate`. */
	readonly submit: (
		chain: string,
		request: ConsolidationRequest,
		mode: ConsolidationMode,
	) => Promise<WriteAnswer>;
}

export class Consolidations implements ConsolidationService {
	readonly #options: ConsolidationsOptions;

	constructor(options: ConsolidationsOptions) {
		this.#options = options;
	}

	async consolidate(
		chain: string,
		{ namespace, rule }: ConsolidationRequest,
		mode: ConsolidationMode,
	): Promise<WriteAnswer> {
		const { spec, settings } = servedChain(this.#options.chains, chain);
		if (spec.namespaces.includes(namespace)) throw handlerOwned(namespace);
		await settings.refresh();
		const known = settings.of(namespace).consolidation;
		const rules = rule === undefined ? known : known.filter(({ name }) => name === rule);
		if (rules.length === 0) throw noRule(namespace, rule, known);
		return this.#options.submit(chain, { namespace, rule }, mode);
	}
}

function handlerOwned(namespace: string): FatalError {
	return new FatalError("handler_owned", {
		message: `namespace "${namespace}" belongs to the chain's handlers`,
		hint: "consolidate a namespace of agents",
		fields: { namespace },
	});
}

function noRule(
	namespace: string,
	rule: string | undefined,
	known: readonly ConsolidationRule[],
): FatalError {
	const which = rule === undefined ? "no consolidation rule" : `no consolidation rule "${rule}"`;
	const names = known.map(({ name }) => name).join(", ");
	return new FatalError("invalid_request", {
		message: `namespace "${namespace}" has ${which}`,
		hint: known.length === 0 ? "register one in the namespace's settings" : `it has: ${names}`,
		fields: { namespace, rule: rule ?? null },
	});
}
