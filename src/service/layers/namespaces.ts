/** Namespaces of agents: which there are, and what each is told to do. */
import { FatalError, type RequestProblem } from "../../domain/errors.ts";
import type { ChainId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type NamespaceSettings, NO_SETTINGS } from "../../domain/namespace-settings.ts";
import type { ChainSpec } from "../../follower/chain-spec.ts";
import { cursorBinding, decodeCursor, encodeCursor, requireBinding } from "../reading/cursor.ts";
import { servedChain } from "../reading/served-chain.ts";
import type { Page } from "../recant-service.ts";
import type { ContentSchemas } from "../writing/content-schemas.ts";
import type { KnownSettings } from "./known-settings.ts";
import type { NamespaceListView, NamespaceService, NamespaceView } from "./namespace-service.ts";
import type { NamespaceSettingsStore } from "./namespace-settings-store.ts";
import { settingsProblems } from "./settings-problems.ts";

/** Problems that one answer lists. */
const LISTED_PROBLEMS = 100;

export interface NamespacesOptions {
	readonly chains: readonly {
		readonly spec: Pick<ChainSpec, "id" | "name" | "namespaces" | "memory" | "consolidations">;
		/** What this process knows of the chain's settings; it is told of changes. */
		readonly settings: Pick<KnownSettings, "changed">;
	}[];
	readonly store: NamespaceSettingsStore;
	readonly schemas: Pick<ContentSchemas, "problemsOfSchema">;
}

type Chain = NamespacesOptions["chains"][number];
type Counts = Awaited<ReturnType<NamespaceSettingsStore["counts"]>>["counts"];

export class Namespaces implements NamespaceService {
	readonly #options: NamespacesOptions;

	constructor(options: NamespacesOptions) {
		this.#options = options;
	}

	async namespaces(
		chain: string,
		query: Parameters<NamespaceService["namespaces"]>[1],
	): Promise<Page<NamespaceListView>> {
		const { spec } = this.#find(chain);
		const { store } = this.#options;
		const binding = cursorBinding([spec.id, query.reader, query.of, `${query.counts}`]);
		const after = query.cursor === undefined ? undefined : placeAfter(query.cursor, binding);
		const also = [...spec.memory.keys(), ...spec.namespaces];
		// One more than is asked for tells whether there is a next page.
		const limit = query.limit + 1;
		const names = await store.names(spec.id, { of: query.of, also, after, limit });
		const shown = names.slice(0, query.limit);
		const last = names.length > query.limit ? shown.at(-1) : undefined;
		return {
			items: await this.#items(spec, shown, query.counts),
			cursor: last === undefined ? undefined : encodeCursor({ after: last, binding }),
		};
	}

	async namespace(chain: string, namespace: string): Promise<NamespaceView> {
		const { spec } = this.#find(chain);
		return this.#view(spec, namespace);
	}

	async setNamespace(
		chain: string,
		namespace: string,
		settings: NamespaceSettings,
	): Promise<NamespaceView> {
		const { spec, settings: known } = this.#find(chain);
		requireAgents(spec, namespace);
		const functions = [...spec.consolidations.keys()];
		const { schemas, store } = this.#options;
		const problems = settingsProblems(settings, { schemas, functions }, "body");
		if (problems.length > 0) throw invalidSettings(namespace, problems);
		await store.register(spec.id, namespace, settings);
		known.changed();
		return this.#view(spec, namespace);
	}

	async #view(spec: Chain["spec"], namespace: string): Promise<NamespaceView> {
		const registered = await this.#options.store.one(spec.id, namespace);
		if (registered !== undefined) return { namespace, source: "registered", ...registered };
		const declared = spec.memory.get(namespace);
		const source = declared === undefined ? "none" : "declared";
		return { namespace, source, settings: declared ?? NO_SETTINGS, updatedAt: undefined };
	}

	async #items(
		spec: Chain["spec"],
		names: readonly string[],
		counted: boolean,
	): Promise<readonly NamespaceListView[]> {
		const registered = await this.#registered(spec.id, names);
		const counts = counted ? (await this.#options.store.counts(spec.id, names)).counts : undefined;
		return names.map((namespace) => ({
			namespace,
			owner: spec.namespaces.includes(namespace) ? "handler" : "agent",
			hasSettings: registered.has(namespace) || spec.memory.has(namespace),
			memories: counts && countsOf(counts, namespace),
		}));
	}

	async #registered(chainId: ChainId, names: readonly string[]): Promise<ReadonlySet<string>> {
		const all = names.length === 0 ? new Map() : await this.#options.store.all(chainId);
		return new Set(names.filter((name) => all.has(name)));
	}

	#find(chain: string): Chain {
		return servedChain(this.#options.chains, chain);
	}
}

function countsOf(counts: Counts, namespace: string): NamespaceListView["memories"] {
	return counts.get(namespace) ?? { short_term: 0, long_term: 0, episodic: 0, semantic: 0 };
}

function placeAfter(cursor: string, binding: string): string {
	const place = decodeCursor(cursor, ["after", "binding"]);
	requireBinding(place.binding, binding);
	return place.after;
}

function requireAgents(spec: Chain["spec"], namespace: string): void {
	if (!spec.namespaces.includes(namespace)) return;
	throw new FatalError("handler_owned", {
		message: `namespace "${namespace}" belongs to the chain's handlers and has no settings`,
		hint: "what handlers write is decided in the chain's file",
		fields: { namespace },
	});
}

function invalidSettings(namespace: string, problems: readonly RequestProblem[]): FatalError {
	const [first] = problems;
	const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
	return new FatalError("invalid_request", {
		message: `settings of namespace "${namespace}": ${first?.path} ${first?.message}${more}`,
		hint: `correct what \`problems\` names; a schema has at most ${LIMITS.schemaBytes} bytes`,
		fields: { namespace, problemCount: problems.length },
		problems: problems.slice(0, LISTED_PROBLEMS),
	});
}
