/** What namespaces ask of Postgres. The adapter is store/layers/postgres-namespace-store.ts. */
import type { ChainId, Height } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";

export interface RegisteredSettings {
	readonly settings: NamespaceSettings;
	readonly updatedAt: Date;
}

export interface NamespaceSettingsStore {
	/** Differs from what it was whenever settings of the chain were registered since. */
	revision(chainId: ChainId): Promise<string>;
	/** Of every namespace that has some. */
	all(chainId: ChainId): Promise<ReadonlyMap<string, NamespaceSettings>>;
	one(chainId: ChainId, namespace: string): Promise<RegisteredSettings | undefined>;
	/** Puts them in the place of those before. Throws `limit_exceeded` past LIMITS.settingsNamespaces. */
	register(chainId: ChainId, namespace: string, settings: NamespaceSettings): Promise<void>;
	/**
	 * Names in order, after `after`, of namespaces in which something was ever written or that have settings,
	 * and those of `also`.
	 */
	names(
		chainId: ChainId,
		query: {
			/** Only of these; undefined: of all. */
			readonly of: readonly string[] | undefined;
			readonly also: readonly string[];
			readonly after: string | undefined;
			readonly limit: number;
		},
	): Promise<readonly string[]>;
	/** Memories that are visible at `pending`, links left out. Reads every version of these namespaces. */
	counts(
		chainId: ChainId,
		namespaces: readonly string[],
	): Promise<{
		readonly slot: Height;
		readonly counts: ReadonlyMap<string, Readonly<Record<Layer, number>>>;
	}>;
}
