/**
 * The settings of one chain's namespaces as a process knows them: what was registered, else what the chain's
 * file declares, else none. The writer asks it for every commit, so it answers without waiting.
 *
 * Settings that this process registers are known to it at once; those of another within
 * LIMITS.settingsStalenessMs. What was written by then was written under the settings before.
 */
import type { ChainId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type NamespaceSettings, NO_SETTINGS } from "../../domain/namespace-settings.ts";
import type { NamespaceSettingsStore } from "./namespace-settings-store.ts";

export interface KnownSettingsOptions {
	readonly chainId: ChainId;
	readonly store: Pick<NamespaceSettingsStore, "all" | "revision">;
	/** What the chain's file declares. */
	readonly declared: ReadonlyMap<string, NamespaceSettings>;
}

export class KnownSettings {
	readonly #options: KnownSettingsOptions;
	#registered: ReadonlyMap<string, NamespaceSettings> = new Map();
	#all: ReadonlyMap<string, NamespaceSettings> | undefined;
	#revision: string | undefined;
	/** When the revision was last asked for; undefined: it is to be asked for now. */
	#askedAt: number | undefined;

	constructor(options: KnownSettingsOptions) {
		this.#options = options;
	}

	/** As they were when `refresh` was last called; none before the first call but what is declared. */
	of(namespace: string): NamespaceSettings {
		return this.#registered.get(namespace) ?? this.#options.declared.get(namespace) ?? NO_SETTINGS;
	}

	/** All of them, by namespace. */
	all(): ReadonlyMap<string, NamespaceSettings> {
		this.#all ??= new Map([...this.#options.declared, ...this.#registered]);
		return this.#all;
	}

	/** Every namespace that has settings. */
	namespaces(): readonly string[] {
		return [...new Set([...this.#options.declared.keys(), ...this.#registered.keys()])].toSorted();
	}

	/** Called before each commit: asks Postgres once in LIMITS.settingsStalenessMs, and at once when told. */
	async refresh(): Promise<void> {
		const now = performance.now();
		const { chainId, store } = this.#options;
		if (this.#askedAt !== undefined && now - this.#askedAt < LIMITS.settingsStalenessMs) return;
		this.#askedAt = now;
		try {
			const revision = await store.revision(chainId);
			if (revision === this.#revision) return;
			this.#registered = await store.all(chainId);
			this.#all = undefined;
			this.#revision = revision;
		} catch (error) {
			this.#askedAt = undefined;
			throw error;
		}
	}

	/** Settings of the chain were registered; the next `refresh` reads them. */
	changed(): void {
		this.#askedAt = undefined;
	}
}
