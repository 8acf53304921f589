/**
 * A process that takes a rollback's task and never ends it, to be killed. Its one argument is JSON: the
 * database's URL and the attempt. Says `embedding` when it has a task.
 */
import { FanOut } from "../../src/rollback/fan-out.ts";
import type { AttemptOf } from "../../src/rollback/task-store.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresTaskStore } from "../../src/store/writing/postgres-task-store.ts";
import { SILENT } from "./silent-log.ts";

const { url, of } = JSON.parse(process.argv[2] ?? "") as { url: string; of: AttemptOf };
const fanOut = new FanOut({
	store: new PostgresTaskStore(await Database.open(url)),
	embedder: {
		model: "test",
		dimensions: 384,
		embed: () => {
			console.info("embedding");
			return new Promise(() => undefined);
		},
	},
	queue: { enqueue: async () => undefined },
	holder: "the one that is killed",
	log: SILENT,
});
await fanOut.help(of);
