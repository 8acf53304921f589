/** Recorded results as agents see them. */
import { FatalError } from "../../domain/errors.ts";
import type { ChainId } from "../../domain/ids.ts";
import { outputText } from "../../memory/result-output.ts";
import { parsedOutput, type RecordedResults, type StoredResult } from "./recorded-results.ts";
import type { ResultName, ResultsService, ResultView } from "./results-service.ts";

export interface ResultsOptions {
	readonly results: RecordedResults;
	/** Throws `unknown_chain`. */
	readonly chain: (chain: string) => {
		readonly id: ChainId;
		/** Of its handlers; agents record nothing there. */
		readonly namespaces: readonly string[];
	};
}

export class Results implements ResultsService {
	readonly #options: ResultsOptions;

	constructor(options: ResultsOptions) {
		this.#options = options;
	}

	async result(chain: string, name: ResultName): Promise<ResultView> {
		const { id } = this.#options.chain(chain);
		const stored = await this.#options.results.get(id, name);
		if (stored !== undefined) return viewOf(id, name, stored);
		throw new FatalError("result_not_found", {
			message: `nothing is recorded for input ${name.inputHash} of model "${name.model}" in namespace "${name.namespace}"`,
			hint: "ask the model, and record what it answers",
			fields: { ...name },
		});
	}

	async recordResult(chain: string, request: Parameters<ResultsService["recordResult"]>[1]) {
		const { id, namespaces } = this.#options.chain(chain);
		const { namespace, model, inputHash, replace } = request;
		const name = { namespace, model, inputHash };
		if (namespaces.includes(namespace)) throw handlerOwned(name);
		const output = outputText(request.output);
		const { created, ...stored } = await this.#options.results.put(id, name, { output, replace });
		if (stored.output !== output) throw conflict(name);
		return { created, result: viewOf(id, name, stored) };
	}
}

function viewOf(chainId: ChainId, name: ResultName, stored: StoredResult): ResultView {
	const { namespace, model, inputHash } = name;
	const { createdAt } = stored;
	return { chainId, namespace, model, inputHash, output: parsedOutput(stored), createdAt };
}

function handlerOwned(name: ResultName): FatalError {
	return new FatalError("handler_owned", {
		message: `namespace "${name.namespace}" belongs to the chain's handlers`,
		hint: "record results in a namespace of your own",
		fields: { ...name },
	});
}

function conflict(name: ResultName): FatalError {
	return new FatalError("result_conflict", {
		message: `another output is recorded for input ${name.inputHash} of model "${name.model}"`,
		hint: "use what is recorded, or send `replace: true` to put this in its place",
		fields: { ...name },
	});
}
