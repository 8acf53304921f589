/** Whether traffic is welcome here, and with what it would have to do without. */
import type { StoreHealth } from "../domain/store-health.ts";
import type { ChainRuntime } from "./chain-runtime.ts";

export interface ReadinessCheck {
	readonly ok: boolean;
	/** False: without it the service goes on with less. */
	readonly required: boolean;
	readonly detail: string | undefined;
}

export interface Readiness {
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

/** Without Postgres nothing can be answered; whatever else is away, reads and writes go on. */
const REQUIRED = ["postgres"];

export async function readinessOf(
	storeChecks: StoreChecks,
	chains: readonly ChainRuntime[],
): Promise<Readiness> {
	await storeChecks.probe();
	const stores = storeChecks.health();
	const checks = Object.fromEntries([
		...stores.map((store) => [store.name, storeCheck(store)] as const),
		...chains.map((chain) => [`chain:${chain.spec.name}`, chainCheck(chain)] as const),
	]);
	const failing = Object.entries(checks).filter(([, { ok }]) => !ok);
	return {
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

function chainCheck(chain: ChainRuntime): ReadinessCheck {
	const { state, problem } = chain.status();
	const ok = state === "following" || state === "backfilling" || state === "rolling_back";
	return { ok, required: true, detail: ok ? undefined : (problem?.message ?? state) };
}
