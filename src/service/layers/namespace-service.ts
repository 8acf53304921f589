/**
 * What the HTTP routes ask about namespaces and their settings; see service/layers/namespaces.ts. `chain` is an id
 * in decimal or a name; an unknown one throws `FatalError("unknown_chain")`.
 */
import type { Layer } from "../../domain/layer.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";
import type { Page } from "../recant-service.ts";

export interface NamespaceListView {
	readonly namespace: string;
	/** handler: one of the chain's own, which has no settings. */
	readonly owner: "handler" | "agent";
	/** Whether settings were registered or declared. */
	readonly hasSettings: boolean;
	/** Visible memories at `pending`, links left out; undefined: not asked for. */
	readonly memories: Readonly<Record<Layer, number>> | undefined;
}

export interface NamespaceView {
	readonly namespace: string;
	/** registered: by this API. declared: in the chain's file. none: nothing is set. */
	readonly source: "registered" | "declared" | "none";
	readonly settings: NamespaceSettings;
	/** Undefined unless registered. */
	readonly updatedAt: Date | undefined;
}

export interface NamespaceService {
	/** Namespaces in which something was ever written, or that have settings, by name. */
	namespaces(
		chain: string,
		query: {
			/** Only of these; undefined: of all. */
			readonly of?: readonly string[] | undefined;
			/** Id of who reads; a cursor is theirs alone. */
			readonly reader?: string | undefined;
			readonly counts: boolean;
			readonly limit: number;
			readonly cursor: string | undefined;
		},
	): Promise<Page<NamespaceListView>>;
	namespace(chain: string, namespace: string): Promise<NamespaceView>;
	/**
	 * Puts settings in the place of those before: for what is written from now on. Throws `handler_owned` for
	 * one of the chain's own, `invalid_request` with every problem of its schemas and rules.
	 */
	setNamespace(
		chain: string,
		namespace: string,
		settings: NamespaceSettings,
	): Promise<NamespaceView>;
}
