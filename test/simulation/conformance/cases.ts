/** Every case of the stores of Postgres. */
import { COMMIT_CASES } from "./commit-cases.ts";
import { FLUSH_CASES } from "./flush-cases.ts";
import { INBOX_CASES } from "./inbox-cases.ts";
import { LEASE_CASES } from "./lease-cases.ts";
import { LOOK_UP_CASES } from "./look-up-cases.ts";
import { OUTBOX_CASES } from "./outbox-cases.ts";
import { RETENTION_CASES } from "./retention-cases.ts";
import { ROLLBACK_CASES } from "./rollback-cases.ts";
import { SHADOW_CASES } from "./shadow-cases.ts";
import { SNAPSHOT_CASES } from "./snapshot-cases.ts";
import type { ConformanceCase } from "./stores-under-test.ts";
import { TASK_CASES } from "./task-cases.ts";

export const CASES: Readonly<Record<string, readonly ConformanceCase[]>> = {
	leases: LEASE_CASES,
	commits: COMMIT_CASES,
	"look-ups": LOOK_UP_CASES,
	rollbacks: ROLLBACK_CASES,
	tasks: TASK_CASES,
	outbox: OUTBOX_CASES,
	inbox: INBOX_CASES,
	flushes: FLUSH_CASES,
	retention: RETENTION_CASES,
	"restored states": SHADOW_CASES,
	snapshots: SNAPSHOT_CASES,
};
