/** What is done to the world in one cycle: begun at a random moment, lasting a random while. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../support/random.ts";
import type { SeverableProxy } from "../support/severable-proxy.ts";
import type { ChaosWorld, Layout } from "./chaos-world.ts";

/** Longer than a lease (4 s), so that another process takes the chain. */
const FROZEN_MS = { min: 4_600, max: 6_000 };
const AWAY_MS = { min: 50, max: 900 };
/** For each piece of data, in each direction. */
const SLOW_MS = { min: 5, max: 60 };

interface Fault {
	readonly kind: string;
	readonly layouts: readonly Layout[];
	/** How often it is drawn, beside the others. */
	readonly weight: number;
	/** Does it, and resolves when it has lasted. What it took away may stay away. */
	readonly strike: (chaos: ChaosWorld, random: Random) => Promise<void>;
}

const BOTH = ["two processes", "embedded"] as const;
const TWO = ["two processes"] as const;
const ONE = ["embedded"] as const;

const FAULTS: readonly Fault[] = [
	{
		kind: "SIGKILL of the lease holder",
		layouts: TWO,
		weight: 4,
		strike: async (chaos) => void (await (await chaos.leader())?.kill()),
	},
	{
		kind: "SIGKILL of the one standing by",
		layouts: TWO,
		weight: 2,
		strike: async (chaos) => {
			const leader = await chaos.leader();
			await chaos.seats.find((seat) => seat !== leader)?.kill();
		},
	},
	{
		kind: "SIGKILL of both processes",
		layouts: TWO,
		weight: 1,
		strike: async ({ seats }) => void (await Promise.all(seats.map((seat) => seat.kill()))),
	},
	{
		kind: "SIGKILL of Postgres",
		layouts: TWO,
		weight: 3,
		strike: async ({ postgres }, random) => {
			await postgres?.kill();
			await away(random);
			await postgres?.start();
		},
	},
	{
		kind: "SIGKILL of Redis",
		layouts: TWO,
		weight: 2,
		strike: async ({ redis }, random) => {
			await redis?.kill();
			await away(random);
			await redis?.start();
		},
	},
	{
		kind: "SIGKILL of Redis, and its data gone",
		layouts: TWO,
		weight: 1,
		strike: async ({ redis }) => {
			await redis?.kill();
			redis?.wipe();
			await redis?.start();
		},
	},
	{
		kind: "SIGSTOP of the lease holder past its lease",
		layouts: TWO,
		weight: 2,
		strike: async (chaos, random) => {
			const leader = await chaos.leader();
			leader?.freeze();
			await sleep(random.between(FROZEN_MS.min, FROZEN_MS.max));
			leader?.wake();
		},
	},
	{
		kind: "SIGSTOP of a process within its lease",
		layouts: BOTH,
		weight: 1,
		strike: async ({ seats }, random) => {
			const seat = random.oneOf(seats);
			seat.freeze();
			await away(random);
			seat.wake();
		},
	},
	{
		kind: "SIGKILL of the service, embedded Postgres left running",
		layouts: ONE,
		weight: 4,
		strike: async ({ seats }) => void (await Promise.all(seats.map((seat) => seat.kill()))),
	},
	{
		kind: "SIGKILL of the service and its embedded Postgres",
		layouts: ONE,
		weight: 2,
		strike: async (chaos) => {
			process.kill(chaos.embeddedPid, "SIGKILL");
			await Promise.all(chaos.seats.map((seat) => seat.kill()));
		},
	},
	proxied("connections to Postgres cut", TWO, ({ proxies }) => proxies.postgres, "cut"),
	proxied("connections to Postgres slow", TWO, ({ proxies }) => proxies.postgres, "slow"),
	proxied("connections to Redis cut", TWO, ({ proxies }) => proxies.redis, "cut"),
	proxied("connections to Redis slow", TWO, ({ proxies }) => proxies.redis, "slow"),
	proxied("connections to the node cut", BOTH, ({ proxies }) => proxies.node, "cut"),
	proxied("connections to the node slow", BOTH, ({ proxies }) => proxies.node, "slow"),
];

/** One, or now and then two at once. */
export function drawFaults(layout: Layout, random: Random): readonly Fault[] {
	const possible = FAULTS.filter(({ layouts }) => layouts.includes(layout));
	const first = drawOne(possible, random);
	if (!random.chance(0.25)) return [first];
	const second = drawOne(possible, random);
	// The same twice, or two that need the same thing to be there, are one.
	return isTogether(first, second) ? [first, second] : [first];
}

function drawOne(possible: readonly Fault[], random: Random): Fault {
	const whole = possible.reduce((sum, { weight }) => sum + weight, 0);
	let left = random.next() * whole;
	for (const fault of possible) {
		left -= fault.weight;
		if (left < 0) return fault;
	}
	return random.oneOf(possible);
}

/** They strike different parts. */
function isTogether(one: Fault, other: Fault): boolean {
	const partOf = ({ kind }: Fault) =>
		["Postgres", "Redis", "node"].find((part) => kind.includes(part)) ?? "processes";
	return partOf(one) !== partOf(other) && !(one.kind + other.kind).includes("embedded");
}

function proxied(
	kind: string,
	layouts: readonly Layout[],
	proxyOf: (chaos: ChaosWorld) => SeverableProxy | undefined,
	how: "cut" | "slow",
): Fault {
	return {
		kind,
		layouts,
		weight: 1,
		strike: async (chaos, random) => {
			const proxy = proxyOf(chaos);
			if (how === "cut") await proxy?.cut();
			else proxy?.slow(random.between(SLOW_MS.min, SLOW_MS.max));
			await away(random);
			await proxy?.restore();
		},
	};
}

function away(random: Random): Promise<unknown> {
	return sleep(random.between(AWAY_MS.min, AWAY_MS.max));
}
