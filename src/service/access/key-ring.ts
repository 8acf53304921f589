/**
 * The API keys that this process knows, and who comes with one.
 *
 * 1. What is known is at most LIMITS.keyStalenessMs old when it is used, so a key that was revoked anywhere
 *    opens nothing later than that; a change that was made here counts at once.
 * 2. When it cannot be read, nobody is let in: what is too old is not used.
 * 3. Secrets are known by their SHA-256. Looking one up takes time that tells of that hash at most, and from
 *    parts of a hash nobody finds 256 random bits; what is found is compared in constant time.
 */
import { timingSafeEqual } from "node:crypto";
import type { Caller } from "../../domain/caller.ts";
import { RetryableError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { TokenBuckets } from "../../resilience/token-buckets.ts";
import type { ApiKey, KeyStore } from "../keys/key-store.ts";
import { hashOfSecret } from "../keys/keys.ts";

/** none_needed: there are no keys. unknown: not one of them, revoked or expired. */
export type Admission =
	| { readonly type: "none_needed" }
	| { readonly type: "unknown" }
	| { readonly type: "known"; readonly caller: Caller };

/** What http/access.ts asks of it. */
export interface KnownKeys {
	/** Throws `rate_limited`, and what reading the keys throws. */
	admit(secret: string | undefined): Promise<Admission>;
	/** Whether that caller would still be let in, by id; "": whoever needs no key. */
	holds(callerId: string): Promise<boolean>;
}

interface KnownKey {
	readonly key: ApiKey;
	readonly hash: Uint8Array;
	readonly caller: Caller;
}

interface Known {
	readonly byHash: ReadonlyMap<string, KnownKey>;
	/** Of `now`, when the reading began. */
	readonly at: number;
}

export interface KeyRingOptions {
	readonly store: Pick<KeyStore, "known">;
	/** Milliseconds that only rise; tests have their own. */
	readonly now?: (() => number) | undefined;
}

export class KeyRing implements KnownKeys {
	readonly #store: Pick<KeyStore, "known">;
	readonly #now: () => number;
	readonly #rates: TokenBuckets;
	#known: Known | undefined;
	#reading: Promise<Known> | undefined;

	constructor({ store, now = () => performance.now() }: KeyRingOptions) {
		this.#store = store;
		this.#now = now;
		this.#rates = new TokenBuckets(now);
	}

	async admit(secret: string | undefined): Promise<Admission> {
		const { byHash } = await this.#present();
		if (byHash.size === 0) return { type: "none_needed" };
		const found = secret === undefined ? undefined : find(byHash, hashOfSecret(secret));
		if (found === undefined || isExpired(found.key)) return { type: "unknown" };
		this.#requireRate(found.key);
		return { type: "known", caller: found.caller };
	}

	async holds(callerId: string): Promise<boolean> {
		const { byHash } = await this.#present();
		if (callerId === "") return byHash.size === 0;
		return [...byHash.values()].some(({ key }) => key.id === callerId && !isExpired(key));
	}

	/** Keys have changed: they are read again before the next is looked at. */
	forget(): void {
		this.#known = undefined;
		// What is being read may be as of before the change.
		this.#reading = undefined;
	}

	/** One reading for all who wait. */
	async #present(): Promise<Known> {
		const known = this.#known;
		if (known !== undefined && this.#now() - known.at < LIMITS.keyStalenessMs) return known;
		const reading = this.#reading ?? this.#read();
		this.#reading = reading;
		try {
			const read = await reading;
			if (this.#reading === reading) this.#known = read;
			return read;
		} finally {
			if (this.#reading === reading) this.#reading = undefined;
		}
	}

	async #read(): Promise<Known> {
		const at = this.#now();
		const keys = await this.#store.known();
		this.#rates.keep(new Set(keys.map(({ id }) => id)));
		const byHash = keys.map(({ hash, ...key }): [string, KnownKey] => {
			const { id, namespaces } = key;
			return [hexOf(hash), { key, hash, caller: { id, scopes: new Set(key.scopes), namespaces } }];
		});
		return { byHash: new Map(byHash), at };
	}

	#requireRate({ id, requestsPerMinute = LIMITS.defaultRequestsPerMinute }: ApiKey): void {
		const retryAfterMs = this.#rates.take(id, requestsPerMinute);
		if (retryAfterMs === 0) return;
		throw new RetryableError("rate_limited", {
			message: `the API key has had its ${requestsPerMinute} requests of a minute`,
			hint: "try again after Retry-After, or ask for a key with a higher rate",
			fields: { requestsPerMinute, retryAfterMs: Math.ceil(retryAfterMs) },
		});
	}
}

function find(byHash: ReadonlyMap<string, KnownKey>, hash: Uint8Array): KnownKey | undefined {
	const found = byHash.get(hexOf(hash));
	return found !== undefined && timingSafeEqual(found.hash, hash) ? found : undefined;
}

function isExpired({ expiresAt }: ApiKey): boolean {
	return expiresAt !== undefined && expiresAt.getTime() <= Date.now();
}

function hexOf(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}
