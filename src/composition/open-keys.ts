/** API keys of the database, as the HTTP application takes them. */
import type { HttpAppOptions } from "../http/app.ts";
import { KeyRing } from "../service/access/key-ring.ts";
import { Keys } from "../service/keys/keys.ts";
import type { Database } from "../store/database.ts";
import { PostgresKeyStore } from "../store/records/postgres-key-store.ts";

export function openKeys(
	database: Database,
	rootKeys: readonly string[],
): NonNullable<HttpAppOptions["keys"]> {
	const store = new PostgresKeyStore(database);
	const known = new KeyRing({ store });
	const service = new Keys({
		store,
		hasRootKeys: rootKeys.length > 0,
		onChange: () => known.forget(),
	});
	return { service, known };
}
