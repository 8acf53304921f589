/** The parts of one chain that the service asks. main.ts builds them. */
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { ProviderHealth } from "../follower/chain-source.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { CollectionIndex } from "../writer/collection-index.ts";
import type { ChainStatus } from "./chain-standing.ts";
import type { AgentWrites } from "./writing/agent-writes.ts";

export interface ChainRuntime {
	readonly spec: ChainSpec;
	readonly writes: AgentWrites;
	/** What a namespace is told to do. */
	settings(namespace: string): NamespaceSettings;
	/** Whichever process follows it. */
	status(): Promise<ChainStatus>;
	/** Whether this process holds its lease. */
	isFollowedHere(): boolean;
	providers(): readonly ProviderHealth[];
	/** How each collection is searched; empty while another process holds the chain. */
	indexes?(): ReadonlyMap<string, CollectionIndex>;
	/** A rollback of this chain was recorded. */
	rollbackDue(): void;
}
