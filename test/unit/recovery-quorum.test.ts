/** Whose word is enough to take back what was final. */
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { noForkOf, recoveryOptions, ruledOut } from "../../src/recovery/options.ts";
import {
	agreeOnAncestor,
	agreeOnBlock,
	evidenceOf,
	quorumOf,
	type Silence,
	type Testimony,
} from "../../src/recovery/quorum.ts";

const HEARD_AT = new Date(0);
const A: Hex = "0xaa";
const B: Hex = "0xbb";

function says(provider: string, shared: Hex | undefined, head = 20n): Testimony {
	return {
		type: "heard",
		provider,
		heardAt: HEARD_AT,
		head: { height: head, hash: "0x20" },
		finalized: undefined,
		shared: shared && { height: 7n, hash: shared },
	};
}

function silent(provider: string): Silence {
	return { type: "silent", provider, heardAt: HEARD_AT, why: "it is away" };
}

describe("a quorum", () => {
	test.each([
		[1, false, 2],
		[1, true, 1],
		[2, false, 2],
		[2, true, 2],
		[3, false, 2],
		[4, false, 3],
		[5, true, 3],
	])("of %i providers, one being enough: %s, is %i", (configured, single, needed) => {
		expect(quorumOf(configured, single)).toEqual({ configured, needed });
	});

	test("counts all that are configured, whether they answer or not", () => {
		const quorum = quorumOf(4, false);
		const two = [says("a", A), says("b", A), silent("c"), silent("d")];
		expect(agreeOnAncestor(two, quorum)).toMatchObject({
			type: "refused",
			reason: expect.stringMatching(/of 4 providers 3 .*c says nothing \(it is away\)/),
		});
		expect(agreeOnAncestor([...two.slice(0, 3), says("d", A)], quorum)).toMatchObject({
			type: "agreed",
			ancestor: { height: 7n, hash: A },
		});
	});

	test("is not reached by providers that share different blocks", () => {
		const said = [says("a", A), says("b", B)];
		expect(agreeOnAncestor(said, quorumOf(2, false)).type).toBe("refused");
		expect(agreeOnAncestor([...said, says("c", B)], quorumOf(3, false))).toMatchObject({
			ancestor: { hash: B },
			witnesses: [{ provider: "b" }, { provider: "c" }],
		});
	});

	test("takes the highest head that enough of those who agree have", () => {
		const said = [says("a", A, 30n), says("b", A, 22n), says("c", A, 9n), says("d", B, 40n)];
		expect(agreeOnAncestor(said, quorumOf(4, false))).toMatchObject({ headHeight: 9n });
		expect(agreeOnAncestor(said.slice(0, 3), quorumOf(3, false))).toMatchObject({
			headHeight: 22n,
		});
	});

	test("that shares nothing says so", () => {
		const said = [says("a", undefined), says("b", undefined)];
		expect(agreeOnAncestor(said, quorumOf(2, false))).toMatchObject({
			type: "refused",
			reason: expect.stringMatching(/share no block/),
		});
	});

	test("of one provider must be asked for", () => {
		expect(agreeOnAncestor([says("a", A)], quorumOf(1, false))).toMatchObject({
			reason: expect.stringMatching(/only one provider/),
		});
		expect(agreeOnAncestor([says("a", A)], quorumOf(1, true)).type).toBe("agreed");
	});

	test("agrees on a block by its hash", () => {
		const quorum = quorumOf(3, false);
		const said = (...hashes: (Hex | undefined)[]) =>
			hashes.map((hash, index) => ({ provider: `${index}`, hash }));
		expect(agreeOnBlock(9n, said(A, undefined, A), quorum)).toEqual({
			type: "agreed",
			place: { height: 9n, hash: A },
		});
		expect(agreeOnBlock(9n, said(A, B, undefined), quorum).type).toBe("refused");
		expect(agreeOnBlock(9n, said(undefined, undefined, undefined), quorum).type).toBe("refused");
	});

	test("is kept as evidence, with who said what", () => {
		const evidence = evidenceOf([says("a", A), silent("b")], quorumOf(2, false), {
			ancestor: { height: 7n, hash: A },
			other: undefined,
		});
		expect(JSON.parse(JSON.stringify(evidence))).toEqual({
			quorum: { configured: 2, needed: 2 },
			ancestor: { height: "7", hash: A },
			witnesses: [
				{
					provider: "a",
					heardAt: "1970-01-01T00:00:00.000Z",
					head: { height: "20", hash: "0x20" },
					shared: { height: "7", hash: A },
				},
				{ provider: "b", heardAt: "1970-01-01T00:00:00.000Z", silent: "it is away" },
			],
		});
	});
});

describe("what is possible", () => {
	const halt = { code: "fork_below_finality", message: "it forked", hint: "recover" };
	const closed = { type: "closed", reason: "no" } as const;
	const plan = {
		from: { height: 7n, hash: A },
		ancestor: { height: 7n, hash: A },
		target: undefined,
		depthBlocks: 3,
		memories: 1,
		operations: 1,
		strategy: "rewind",
		strategyReason: "it can",
		snapshot: undefined,
	} as const;
	const routes = { accept: { type: "open", plan }, import: closed, rebuild: closed } as const;
	const facts = { halt, attempts: 0, underWay: undefined, routes };

	test("is what the routes say, with the reason where one is closed", () => {
		expect(recoveryOptions(facts)).toEqual([
			{ kind: "accept", possible: true, reason: undefined, plan },
			{ kind: "import", possible: false, reason: "no", plan: undefined },
			{ kind: "rebuild", possible: false, reason: "no", plan: undefined },
		]);
	});

	test.each([
		[{ halt: undefined }, /is not halted/],
		[{ underWay: "a rollback is under way" }, /under way/],
		[{ attempts: LIMITS.recoveryAttempts }, /5 is the limit/],
	])("is nothing for %o", (less, reason) => {
		const options = recoveryOptions({ ...facts, ...less });
		expect(options.every(({ possible, plan: none }) => !possible && none === undefined)).toBe(true);
		expect(options[0]?.reason).toMatch(reason);
		expect(ruledOut({ ...facts, ...less })).toMatch(reason);
	});

	test("of a halt for damaged rows is no rollback", () => {
		expect(noForkOf({ ...halt, code: "verification_failed" })).toMatch(/recant repair/);
		expect(noForkOf(halt)).toBeUndefined();
	});
});
