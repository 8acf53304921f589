/**
 * Compensating operations against the code that applies operations: whatever a memory says and is to say,
 * they bring it there from the version that was compared, and from no other.
 */
import { expect, test } from "vitest";
import { LAYERS } from "../../src/domain/layer.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { MemoryBody, Operation } from "../../src/domain/operation.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { bodyHash, bodyOf, compensate } from "../../src/memory/compensation.ts";
import { evaluate } from "../../src/memory/patch.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { row } from "../support/versions.ts";

const FILE = "test/property/compensation.test.ts";
const RUNS = 5_000;
const SLOT = 10n;
const NAME = { namespace: "test", id: "a" };

test("compensating operations give what is wanted, and only over what was compared", () => {
	const random = new Random(announcedSeed(FILE));
	const seen = new Set<string>();
	for (let run = 0; run < RUNS; run += 1) {
		const present = random.chance(0.7) ? versionOf(random) : undefined;
		const wanted = random.chance(0.8) ? bodyFrom(random) : undefined;
		const made = compensate(present, wanted, { ...NAME, slot: SLOT });
		const same = present?.contentHash === (wanted && bodyHash(NAME, wanted));
		seen.add(made.type === "write" ? `${made.change} ${made.operations.length}` : made.type);
		if (made.type !== "write") {
			expect(made.type).toBe(same ? "nothing" : "expired");
			continue;
		}
		expect(same).toBe(false);
		const after = applied(present, made.operations);
		expect(after.failed).toBeUndefined();
		expect(after.body && bodyHash(NAME, after.body)).toBe(wanted && bodyHash(NAME, wanted));
		const moved = present === undefined ? versionOf(random) : { ...present, versionId: 99n };
		expect(applied(moved, made.operations).failed).toBe(0);
		if (present !== undefined) expect(applied(undefined, made.operations).failed).toBe(0);
	}
	expect([...seen].toSorted()).toEqual([
		"add 1",
		"change 1",
		"change 2",
		"expired",
		"nothing",
		"remove 1",
	]);
});

/** One operation after the other, as an entry is previewed; `failed` is the index of the first that does. */
function applied(
	before: Version | undefined,
	operations: readonly Operation[],
): { readonly body: MemoryBody | undefined; readonly failed: number | undefined } {
	let present = before;
	let body: MemoryBody | undefined;
	for (const [index, operation] of operations.entries()) {
		const outcome = evaluate(operation, present);
		if (outcome.type === "fail") return { body, failed: index };
		body = outcome.type === "put" ? outcome.body : undefined;
		present = body && row("a", 100n, { layer: body.layer, content: body.content });
	}
	return { body, failed: undefined };
}

function versionOf(random: Random): Version {
	const body = bodyFrom(random);
	const { layer, content, text, collection, importance, confidence } = body;
	const version = row("a", BigInt(random.between(1, 3)), {
		layer,
		content,
		text,
		collection,
		importance,
		confidence,
		expiresBlock: body.expiresAtBlock,
		expiresTime: body.expiresAtTime,
	});
	return { ...version, contentHash: contentHash(version) };
}

/** Few values, so that equal ones meet. */
function bodyFrom(random: Random): MemoryBody {
	const given = random.chance(0.2) ? [0.6, 0.8] : undefined;
	const text = random.chance(0.3) ? `text ${random.between(0, 1)}` : undefined;
	const embedded = text !== undefined || given !== undefined;
	const until = random.chance(0.2) ? BigInt(random.between(9, 12)) : undefined;
	const byTime = random.chance(0.5);
	const body = bodyOf(
		{
			...row("a", 1n),
			layer: random.oneOf(LAYERS.slice(0, 2)),
			content: { n: random.between(0, 1) },
			text,
			collection: embedded ? "default" : undefined,
			importance: random.chance(0.2) ? 0.5 : undefined,
			expiresBlock: byTime ? undefined : until,
			expiresTime: byTime ? until : undefined,
		},
		given,
	);
	return body;
}
