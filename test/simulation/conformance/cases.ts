/** Every case of the stores of Postgres. */
import { COMMIT_CASES } from "./commit-cases.ts";
import { LEASE_CASES } from "./lease-cases.ts";
import { LOOK_UP_CASES } from "./look-up-cases.ts";
import { ROLLBACK_CASES } from "./rollback-cases.ts";
import type { ConformanceCase } from "./stores-under-test.ts";

export const CASES: Readonly<Record<string, readonly ConformanceCase[]>> = {
	leases: LEASE_CASES,
	commits: COMMIT_CASES,
	"look-ups": LOOK_UP_CASES,
	rollbacks: ROLLBACK_CASES,
};
