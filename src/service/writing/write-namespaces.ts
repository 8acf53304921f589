/** Which namespaces an operation may write, what it may point to, and what it may ask them to run. */
import { FatalError } from "../../domain/errors.ts";
import type { LinkEnd } from "../../domain/link-name.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";
import type { Operation } from "../../domain/operation.ts";
import type { Sources } from "../../domain/provenance.ts";

/** `shared`: the chain's own namespaces, which its handlers write and everybody may point to. */
export function ownerProblem(
	{ namespace, id }: Operation,
	shared: readonly string[],
): FatalError | undefined {
	if (!shared.includes(namespace)) return undefined;
	return new FatalError("handler_owned", {
		message: `namespace "${namespace}" belongs to the chain's handlers`,
		hint: "write into a namespace of your own",
		fields: { namespace, id },
	});
}

/** A consolidation of rules that are not there would do nothing, and say that it was done. */
export function ruleProblem(
	operation: Operation,
	{ consolidation }: NamespaceSettings,
): FatalError | undefined {
	if (operation.kind !== "consolidate") return undefined;
	const { rule, namespace } = operation;
	const names = consolidation.map(({ name }) => name);
	if (rule === undefined ? names.length > 0 : names.includes(rule)) return undefined;
	return new FatalError("invalid_request", {
		message:
			rule === undefined
				? `namespace "${namespace}" has no rules of consolidation`
				: `namespace "${namespace}" has no rule "${rule}"`,
		hint:
			names.length === 0
				? "register rules in the namespace's settings"
				: `name one of its rules: ${names.join(", ")}`,
		fields: { namespace, rule: rule ?? null },
	});
}

/** Nothing points out of a namespace but to what the chain's own handlers say. */
export function isolationProblem(
	{ operation, sources }: { readonly operation: Operation; readonly sources: Sources },
	shared: readonly string[],
): FatalError | undefined {
	const { namespace, id } = operation;
	const ends: readonly LinkEnd[] =
		operation.kind === "link" ? [operation.link.to, operation.link.from] : [];
	const foreign = [...sources.flat(), ...ends].find(
		(each) => each.namespace !== namespace && !shared.includes(each.namespace),
	);
	if (foreign === undefined) return undefined;
	return new FatalError("namespace_isolated", {
		message: `"${id}" of namespace "${namespace}" may not point to "${foreign.id}" of namespace "${foreign.namespace}"`,
		hint: `point to memories of "${namespace}" or of the chain's own: ${shared.join(", ") || "it has none"}`,
		fields: { namespace, id, foreignNamespace: foreign.namespace, foreignId: foreign.id },
	});
}
