/**
 * What a process does: `follower` takes leases, follows, writes and commits; `worker` prepares rollbacks and
 * delivers reports; `api` answers HTTP. A process has one, several, or all of them.
 */
export const ROLES = ["follower", "worker", "api"] as const;
export type Role = (typeof ROLES)[number];

export function hasEveryRole(roles: readonly Role[]): boolean {
	return ROLES.every((role) => roles.includes(role));
}

/** As it is shown and given: `all`, or names joined by commas. */
export function rolesText(roles: readonly Role[]): string {
	return hasEveryRole(roles) ? "all" : roles.join(",");
}
