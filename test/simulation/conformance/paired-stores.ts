/**
 * Two stores that must not differ: every call goes to both, whose answers are compared, and the first's is
 * given. A call that fails must fail with the same code on both.
 */
import { expect } from "vitest";
import { RecantError } from "../../../src/domain/errors.ts";
import { plainAnswer } from "./plain-rows.ts";
import type { Ports, StoresUnderTest } from "./stores-under-test.ts";

/** Their answers have no order. */
const UNORDERED: ReadonlySet<string> = new Set([
	"changes",
	"expiring",
	"leaves",
	"linksFrom",
	"manifestIds",
	"memoriesOf",
	"snapshots",
	"touched",
	"unattended",
	"versionsAround",
	"waiting",
]);
const LEAF_BYTES = 48;

export function paired(fake: StoresUnderTest, real: StoresUnderTest): StoresUnderTest {
	const names = Object.keys(fake.ports) as (keyof Ports)[];
	const ports = Object.fromEntries(
		names.map((name) => [name, pairedPort(name, fake.ports[name], real.ports[name])]),
	);
	const both =
		<Arguments extends readonly unknown[]>(
			one: (...args: Arguments) => Promise<void>,
			other: (...args: Arguments) => Promise<void>,
		) =>
		(...args: Arguments) =>
			same(
				"call",
				() => one(...args),
				() => other(...args),
			).then(() => undefined);
	return {
		ports: ports as unknown as Ports,
		registerChain: both(fake.registerChain, real.registerChain),
		pass: both(fake.pass, real.pass),
		addSnapshot: both(fake.addSnapshot, real.addSnapshot),
		dump: async () => {
			const [left, right] = [await fake.dump(), await real.dump()];
			expect(left, "tables of the fake, and of Postgres").toEqual(right);
			return left;
		},
	};
}

function pairedPort(name: string, fake: object, real: object): unknown {
	return new Proxy(fake, {
		get: (_target, key) => {
			const method = String(key);
			if (method === "leaves") return (...args: readonly unknown[]) => leaves(fake, real, args);
			return (...args: readonly unknown[]) =>
				same(
					`${name}.${method}`,
					() => call(fake, method, args),
					() => call(real, method, args),
				);
		},
	});
}

async function call(port: object, method: string, args: readonly unknown[]): Promise<unknown> {
	const member: unknown = Reflect.get(port, method);
	if (typeof member !== "function") throw new TypeError(`there is no ${method}`);
	return Reflect.apply(member, port, args);
}

async function* leaves(fake: object, real: object, args: readonly unknown[]) {
	const all = async (port: object) => {
		const pieces: { readonly layer: string; readonly bytes: Uint8Array }[] = [];
		const answer: Ports["writer"]["leaves"] = Reflect.get(port, "leaves");
		const chainId = Number(args[0]);
		for await (const piece of Reflect.apply(answer, port, [chainId])) pieces.push(piece);
		return pieces;
	};
	const left = await all(fake);
	const right = await all(real);
	expect(singleLeaves(left), "leaves").toEqual(singleLeaves(right));
	yield* left;
}

function singleLeaves(
	pieces: readonly { readonly layer: string; readonly bytes: Uint8Array }[],
): readonly string[] {
	const single = pieces.flatMap(({ layer, bytes }) =>
		Array.from({ length: bytes.length / LEAF_BYTES }, (_, index) => {
			const leaf = bytes.subarray(index * LEAF_BYTES, (index + 1) * LEAF_BYTES);
			return `${layer} ${Buffer.from(leaf).toString("hex")}`;
		}),
	);
	return single.sort();
}

type Outcome =
	| { readonly type: "answer"; readonly answer: unknown }
	| { readonly type: "failure"; readonly error: unknown };

/** Calls the first, then the second; gives what the first gave. */
async function same(
	what: string,
	first: () => Promise<unknown>,
	second: () => Promise<unknown>,
): Promise<unknown> {
	const [left, right] = [await outcomeOf(first), await outcomeOf(second)];
	const isOrdered = !UNORDERED.has(what.split(".")[1] ?? "");
	expect(plainOutcome(left, isOrdered), `${what} of the fake, and of Postgres`).toEqual(
		plainOutcome(right, isOrdered),
	);
	if (left.type === "failure") throw left.error;
	return left.answer;
}

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
	try {
		return { type: "answer", answer: await work() };
	} catch (error) {
		return { type: "failure", error };
	}
}

function plainOutcome(outcome: Outcome, isOrdered: boolean): unknown {
	if (outcome.type === "answer") return plainAnswer(outcome.answer, isOrdered);
	const { error } = outcome;
	return error instanceof RecantError ? `throws ${error.code}` : `throws ${String(error)}`;
}
