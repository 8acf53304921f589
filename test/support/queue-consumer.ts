/**
 * A process that takes rollbacks and never finishes one, to be killed while it holds a job. Its one
 * argument is JSON: the backend and the prefix. Says `ready`, then `holding` with each job's rollback.
 */
import { createRollbackQueue } from "../../src/queue/rollback-queue.ts";

const { backend, prefix } = JSON.parse(process.argv[2] ?? "");
const queue = await createRollbackQueue({ backend, prefix });
await queue.consume((job) => {
	console.info(`holding ${job.rollbackId}`);
	return new Promise(() => undefined);
});
console.info("ready");
