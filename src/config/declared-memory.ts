/** Settings of agents' namespaces in a chain's file. */
import type { FatalError } from "../domain/errors.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import { type SettingsForm, settingsOf } from "../memory/settings-form.ts";
import { settingsProblems } from "../service/layers/settings-problems.ts";
import { ContentSchemas } from "../service/writing/content-schemas.ts";

interface Declared {
	readonly namespaces: readonly string[];
	readonly memory?: Readonly<Record<string, SettingsForm>> | undefined;
	readonly consolidations?: Readonly<Record<string, unknown>> | undefined;
}

/** By namespace. Throws what `invalid` makes of all problems. */
export function declaredMemory(
	{ namespaces, memory = {}, consolidations = {} }: Declared,
	invalid: (problem: string) => FatalError,
): ReadonlyMap<string, NamespaceSettings> {
	const schemas = new ContentSchemas();
	const functions = Object.keys(consolidations);
	const settings = new Map(
		Object.entries(memory).map(([namespace, form]) => [namespace, settingsOf(form)] as const),
	);
	const problems = [...settings].flatMap(([namespace, declared]) => {
		const root = `memory.${namespace}`;
		if (namespaces.includes(namespace)) return `${root}: is one of the handlers' namespaces`;
		return settingsProblems(declared, { schemas, functions }, root).map(
			({ path, message }) => `${path}: ${message}`,
		);
	});
	if (problems.length > 0) throw invalid(problems.join("; "));
	return settings;
}
