/** `recant merge --theirs <at> --rule <rule>`: what a merge would write, and with --apply writing it. */
import type { MergeChoice, MergeInput, MergeRuleInput } from "../../client/requests.ts";
import type { ExitCode } from "../exit-code.ts";
import { UsageError } from "../failure.ts";
import type { Session } from "../session.ts";
import { showPartial } from "./partial-result.ts";
import { type ApplyFlags, applyOptions } from "./restore.ts";

export async function merge(
	session: Session,
	input: MergeInput,
	flags: ApplyFlags,
): Promise<ExitCode> {
	const chain = await session.chain();
	const answer = await session.client.merge(chain, input, applyOptions(flags));
	return showPartial(session, answer, "add --apply to write it");
}

export interface RuleFlags {
	/** latest, ours, theirs, field, or `function:` and a name. */
	readonly rule: string;
	/** Each `name=side`. */
	readonly field: readonly string[];
	readonly otherwise: MergeChoice | undefined;
}

const FUNCTION = "function:";

/** Throws `UsageError` for a rule that is none. */
export function ruleOf({ rule, field, otherwise }: RuleFlags): MergeRuleInput {
	if (rule === "field") return { kind: "field", fields: fieldsOf(field), otherwise };
	if (field.length > 0 || otherwise !== undefined) {
		throw new UsageError(
			`--field and --otherwise belong to the rule field, not to ${rule}`,
			"use --rule field",
		);
	}
	if (rule === "latest") return { kind: "latest" };
	if (rule === "ours" || rule === "theirs") return { kind: "source", side: rule };
	if (rule.startsWith(FUNCTION)) return { kind: "function", name: rule.slice(FUNCTION.length) };
	throw new UsageError(
		`there is no rule ${rule}`,
		"rules: latest, ours, theirs, field, function:<name>",
	);
}

function fieldsOf(pairs: readonly string[]): Readonly<Record<string, MergeChoice>> {
	return Object.fromEntries(
		pairs.map((pair) => {
			const at = pair.lastIndexOf("=");
			const side = pair.slice(at + 1);
			if (at < 1 || !isChoice(side)) {
				throw new UsageError(`--field ${pair} is not <name>=<side>`, "sides: ours, theirs, latest");
			}
			return [pair.slice(0, at), side];
		}),
	);
}

function isChoice(side: string): side is MergeChoice {
	return side === "ours" || side === "theirs" || side === "latest";
}
