/** Whether traffic is welcome here, and with what it would have to do without. */
import { RecantError } from "../domain/errors.ts";
import type { Role } from "../domain/role.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import type { ChainRuntime } from "./chain-runtime.ts";
import type { ChainStatus } from "./chain-standing.ts";

export interface ReadinessCheck {
	readonly ok: boolean;
	/** False: without it the service goes on with less. */
	readonly required: boolean;
	readonly detail: string | undefined;
}

export interface Readiness {
	/** What this process does. */
	readonly roles: readonly Role[];
	/** Every required check is ok. */
	readonly ready: boolean;
	/** Checks that are not ok and not required. */
	readonly degraded: readonly string[];
	readonly checks: Readonly<Record<string, ReadinessCheck>>;
	readonly stores: readonly StoreHealth[];
}

/** The stores, as main.ts knows them. */
export interface StoreChecks {
	/** Asks each store whether it is there; never fails. */
	probe(): Promise<void>;
	/** As of the last that was heard of each. */
	health(): readonly StoreHealth[];
}

/**
 * Without Postgres nothing can be answered; whatever else is away, reads and writes go on. A chain is required
 * of who follows it: where another process does, reads are answered and writes taken in meanwhile.
 */
const REQUIRED = ["postgres"];

export async function readinessOf(
	storeChecks: StoreChecks,
	chains: readonly ChainRuntime[],
	roles: readonly Role[],
): Promise<Readiness> {
	await storeChecks.probe();
	const stores = storeChecks.health();
	const follows = roles.includes("follower");
	const checks = Object.fromEntries([
		...stores.map((store) => [store.name, storeCheck(store)] as const),
		...(await Promise.all(
			chains.map(
				async (chain) => [`chain:${chain.spec.name}`, await chainCheck(chain, follows)] as const,
			),
		)),
	]);
	const failing = Object.entries(checks).filter(([, { ok }]) => !ok);
	return {
		roles,
		ready: failing.every(([, { required }]) => !required),
		degraded: failing.flatMap(([name, { required }]) => (required ? [] : [name])),
		checks,
		stores,
	};
}

function storeCheck({ name, state, lastError }: StoreHealth): ReadinessCheck {
	const ok = state === "up";
	return { ok, required: REQUIRED.includes(name), detail: ok ? undefined : (lastError ?? state) };
}

async function chainCheck(chain: ChainRuntime, required: boolean): Promise<ReadinessCheck> {
	let status: ChainStatus;
	try {
		status = await chain.status();
	} catch (error) {
		// Postgres is away, which has a check of its own.
		if (!(error instanceof RecantError)) throw error;
		return { ok: false, required, detail: error.message };
	}
	const { state, problem, followedBy } = status;
	const ok = state === "following" || state === "backfilling" || state === "rolling_back";
	if (!ok) return { ok, required, detail: problem?.message ?? state };
	const elsewhere = followedBy !== undefined && !chain.isFollowedHere();
	return { ok, required, detail: elsewhere ? `followed by ${followedBy}` : undefined };
}
