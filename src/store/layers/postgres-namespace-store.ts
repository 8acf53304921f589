/** Namespaces and their settings in the tables `namespace_settings`, `memories` and `versions`. */
import type { AtRequest } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, Height } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import { LINK_ID_PREFIX } from "../../domain/link.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";
import { settingsForm, settingsOf } from "../../memory/settings-form.ts";
import type {
	NamespaceSettingsStore,
	RegisteredSettings,
} from "../../service/layers/namespace-settings-store.ts";
import { layerOf } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { resolveCoordinate } from "../reading/coordinate.ts";
import type { Queryable } from "../sql.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const NONE: Readonly<Record<Layer, number>> = {
	short_term: 0,
	long_term: 0,
	episodic: 0,
	semantic: 0,
};

interface SettingsRow {
	readonly namespace: string;
	readonly settings: string;
	readonly updated_at: Date;
}

export class PostgresNamespaceStore implements NamespaceSettingsStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	/** A sum, since the latest time alone would not show a change that was begun earlier and ended later. */
	async revision(chainId: ChainId): Promise<string> {
		const [row] = await this.#database.run(
			(sql) => sql<{ readonly revision: string }[]>`
				select count(*) || ' ' || coalesce(sum(extract(epoch from updated_at)), 0) as revision
				from namespace_settings where chain_id = ${chainId}`,
		);
		return row?.revision ?? "";
	}

	async all(chainId: ChainId): Promise<ReadonlyMap<string, NamespaceSettings>> {
		const rows = await this.#database.run(
			(sql) => sql<SettingsRow[]>`
				select namespace, settings, updated_at from namespace_settings
				where chain_id = ${chainId}`,
		);
		return new Map(rows.map((row) => [row.namespace, parsed(row)]));
	}

	async one(chainId: ChainId, namespace: string): Promise<RegisteredSettings | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<SettingsRow[]>`
				select namespace, settings, updated_at from namespace_settings
				where chain_id = ${chainId} and namespace = ${namespace}`,
		);
		return row && { settings: parsed(row), updatedAt: row.updated_at };
	}

	async register(chainId: ChainId, namespace: string, settings: NamespaceSettings): Promise<void> {
		const [row] = await this.#database.run(
			(sql) => sql<{ readonly namespace: string }[]>`
				insert into namespace_settings (chain_id, namespace, settings, updated_at)
				select ${chainId}, ${namespace}, ${JSON.stringify(settings)}, clock_timestamp()
				where exists (select from namespace_settings
						where chain_id = ${chainId} and namespace = ${namespace})
					or (select count(*) from namespace_settings where chain_id = ${chainId})
						< ${LIMITS.settingsNamespaces}
				on conflict (chain_id, namespace) do update
					set settings = excluded.settings, updated_at = excluded.updated_at
				returning namespace`,
		);
		if (row === undefined) throw tooMany(chainId);
	}

	async names(
		chainId: ChainId,
		query: Parameters<NamespaceSettingsStore["names"]>[1],
	): Promise<readonly string[]> {
		const { of, also, limit } = query;
		const page = { also, after: query.after ?? "", limit };
		const rows = await this.#database.run((sql) =>
			of === undefined ? namesAfter(sql, chainId, page) : namesAmong(sql, chainId, { of, ...page }),
		);
		return rows.map(({ namespace }) => namespace);
	}

	async counts(
		chainId: ChainId,
		namespaces: readonly string[],
	): Promise<{
		readonly slot: Height;
		readonly counts: ReadonlyMap<string, Readonly<Record<Layer, number>>>;
	}> {
		return this.#database.snapshot(async (tx) => {
			const { at } = await resolveCoordinate(tx, chainId, PENDING);
			const rows = await tx<CountRow[]>`
				select m.namespace, m.layer, count(*) as count from memories m
				join versions v on v.chain_id = m.chain_id and v.memory_key = m.memory_key
					and v.layer = m.layer
				where m.chain_id = ${chainId} and m.namespace = any(${pgArray(namespaces)}::text[])
					and v.from_block <= ${at.height} and v.to_block > ${at.height}
					and v.from_gen <= ${at.generation} and v.to_gen > ${at.generation}
					and v.content is not null and not starts_with(m.id, ${LINK_ID_PREFIX})
				group by m.namespace, m.layer`;
			const counts = new Map<string, Record<Layer, number>>();
			for (const { namespace, layer, count } of rows) {
				const known = counts.get(namespace) ?? { ...NONE };
				counts.set(namespace, { ...known, [layerOf(layer)]: Number(count) });
			}
			return { slot: at.height, counts };
		});
	}
}

interface CountRow {
	readonly namespace: string;
	readonly layer: number;
	readonly count: bigint;
}

interface NamePage {
	readonly also: readonly string[];
	readonly after: string;
	readonly limit: number;
}

interface NameRow {
	readonly namespace: string;
}

/** One look into the index a name: there are far fewer namespaces than memories. */
function namesAfter(
	sql: Queryable,
	chainId: ChainId,
	{ also, after, limit }: NamePage,
): Promise<readonly NameRow[]> {
	return sql<NameRow[]>`
		with recursive written as (
			(select namespace, 1 as number from memories
				where chain_id = ${chainId} and namespace > ${after} order by namespace limit 1)
			union all
			select (select m.namespace from memories m
				where m.chain_id = ${chainId} and m.namespace > w.namespace
				order by m.namespace limit 1), w.number + 1
			from written w where w.namespace is not null and w.number < ${limit}
		)
		select namespace from (
			select namespace from written where namespace is not null
			union
			select namespace from namespace_settings
			where chain_id = ${chainId} and namespace > ${after}
			union
			select namespace from unnest(${pgArray(also)}::text[]) as given(namespace)
			where namespace > ${after}
		) names order by namespace limit ${limit}`;
}

/** Of those that are named. */
function namesAmong(
	sql: Queryable,
	chainId: ChainId,
	query: NamePage & { readonly of: readonly string[] },
): Promise<readonly NameRow[]> {
	return sql<NameRow[]>`
		select namespace from unnest(${pgArray(query.of)}::text[]) as named(namespace)
		where namespace > ${query.after} and (
			namespace = any(${pgArray(query.also)}::text[])
			or exists (select from memories m
				where m.chain_id = ${chainId} and m.namespace = named.namespace)
			or exists (select from namespace_settings s
				where s.chain_id = ${chainId} and s.namespace = named.namespace))
		order by namespace limit ${query.limit}`;
}

function parsed({ namespace, settings }: SettingsRow): NamespaceSettings {
	const form = settingsForm.safeParse(JSON.parse(settings));
	if (form.success) return settingsOf(form.data);
	throw new FatalError("verification_failed", {
		message: `the stored settings of namespace "${namespace}" cannot be read: ${form.error.message}`,
		hint: "the row was changed outside of Recant; register the settings again",
		fields: { namespace },
		cause: form.error,
	});
}

function tooMany(chainId: ChainId): FatalError {
	const max = LIMITS.settingsNamespaces;
	return new FatalError("limit_exceeded", {
		message: `${max} namespaces of chain ${chainId} have settings already`,
		hint: `stay within ${max} (limit settingsNamespaces)`,
		fields: { limit: "settingsNamespaces", value: max + 1, max },
	});
}
