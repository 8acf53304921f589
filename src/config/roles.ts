/** Which roles a process has, and what it cannot do without when it has not all of them. */
import * as z from "zod";
import { hasEveryRole, ROLES, type Role, rolesText } from "../domain/role.ts";
import {
	type EnvironmentProblem,
	type EnvironmentVariables,
	splitList,
} from "./environment-problems.ts";

const roles = z.string().transform((text, context): readonly Role[] => {
	const names = splitList(text);
	const unknown = names.filter((name) => name !== "all" && !isRole(name));
	if (unknown.length > 0 || names.length === 0) {
		context.addIssue(`must list roles of ${ROLES.join(", ")}, or be all, separated by commas`);
		return z.NEVER;
	}
	return names.includes("all") ? ROLES : ROLES.filter((role) => names.includes(role));
});

export const roleVariables = { RECANT_ROLE: roles.default(ROLES) };

/**
 * One process that does everything may keep everything to itself. One that does a part must share its stores
 * with those that do the rest, and nothing of them is known but what the environment says.
 */
export function roleProblems(set: EnvironmentVariables): readonly EnvironmentProblem[] {
	const parsed = roleVariables.RECANT_ROLE.safeParse(set["RECANT_ROLE"]);
	// A wrong list is a problem of its own.
	if (!parsed.success || hasEveryRole(parsed.data)) return [];
	const role = rolesText(parsed.data);
	return [
		unshared(set, "DATABASE_URL", role, "the Postgres server that all processes use"),
		unshared(
			set,
			"LANCEDB_URI",
			role,
			"the path or the object store that all processes reach, the same one for each",
		),
	].flatMap((problem) => problem ?? []);
}

function unshared(
	set: EnvironmentVariables,
	variable: string,
	role: string,
	what: string,
): EnvironmentProblem | undefined {
	if (set[variable] !== undefined) return undefined;
	return {
		variable,
		shown: undefined,
		what: `is unset, and a process of role ${role} shares it with others`,
		hint: `set ${variable} to ${what}; or start one process with --role all`,
	};
}

function isRole(name: string): name is Role {
	return (ROLES as readonly string[]).includes(name);
}
