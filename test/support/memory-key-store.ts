/** API keys in memory, for tests without a database. */
import { KeyRing } from "../../src/service/access/key-ring.ts";
import type { ApiKey, KeyChange, KeyStore, NewKey } from "../../src/service/keys/key-store.ts";
import { Keys } from "../../src/service/keys/keys.ts";

type Stored = ApiKey & Pick<NewKey, "hash">;

export class MemoryKeyStore implements KeyStore {
	readonly rows: Stored[] = [];
	/** How often what is known was read. */
	reads = 0;
	/** Thrown by the next readings. */
	failure: Error | undefined;

	async known(): Promise<readonly Stored[]> {
		this.reads += 1;
		if (this.failure !== undefined) throw this.failure;
		return this.rows.filter(({ revokedAt }) => revokedAt === undefined);
	}

	async list({ limit, after }: Parameters<KeyStore["list"]>[0]): Promise<readonly ApiKey[]> {
		const newest = this.rows.toReversed();
		const from = newest.findIndex(({ id }) => id === after) + 1;
		return newest.slice(from, from + limit).map(({ hash: _hash, ...key }) => key);
	}

	async change(decide: (known: readonly ApiKey[]) => KeyChange): Promise<ApiKey> {
		const change = decide(this.rows.filter(({ revokedAt }) => revokedAt === undefined));
		if (change.type === "add") {
			const made = { ...change.key, createdAt: new Date(), revokedAt: undefined };
			this.rows.push(made);
			const { hash: _hash, ...key } = made;
			return key;
		}
		const index = this.rows.findIndex(({ id }) => id === change.id);
		const found = this.rows[index];
		if (found === undefined) throw new Error(`there is no key ${change.id}`);
		const revoked = { ...found, revokedAt: new Date() };
		this.rows[index] = revoked;
		const { hash: _hash, ...key } = revoked;
		return key;
	}
}

/** What composition/open-keys.ts makes, over a store of a test. */
export function testKeys(store: MemoryKeyStore, rootKeys: readonly string[], now?: () => number) {
	const known = new KeyRing({ store, now });
	const service = new Keys({
		store,
		hasRootKeys: rootKeys.length > 0,
		onChange: () => known.forget(),
	});
	return { known, service };
}
