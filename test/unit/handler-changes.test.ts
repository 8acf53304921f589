/** What of a chain's handlers is another, and whether only what was added need be derived. */
import { expect, test } from "vitest";
import {
	areSame,
	changesText,
	type HandlerPart,
	handlerChanges,
	onlyAdded,
} from "../../src/rederive/handler-changes.ts";

const part = (name: string, hash: number, ...namespaces: string[]): HandlerPart => ({
	name,
	hash: `0x${hash}`,
	namespaces,
});
const ledger = part("Token:Transfer", 1, "ledger");
const shared = part("code", 2, "ledger", "pools");
const pools = part("Pool:Made", 3, "pools");

test("names what was added, removed and changed", () => {
	const changes = handlerChanges([ledger, shared], [{ ...ledger, hash: "0x9" }, pools]);
	expect(changes).toEqual({
		added: ["Pool:Made"],
		removed: ["code"],
		changed: ["Token:Transfer"],
		unknown: false,
	});
	expect(changesText(changes)).toBe("added: Pool:Made; removed: code; changed: Token:Transfer");
	expect(changesText(handlerChanges(undefined, [ledger]))).toBe("which of them is not recorded");
});

test("the order of handlers counts", () => {
	expect(areSame([ledger, pools], [ledger, pools])).toBe(true);
	expect(areSame([ledger, pools], [pools, ledger])).toBe(false);
	expect(areSame(undefined, [])).toBe(false);
});

test("only what was added is derived where it has namespaces of its own", () => {
	expect(onlyAdded([ledger, shared], [ledger, pools, shared])).toEqual({
		names: new Set(["Pool:Made"]),
		namespaces: ["pools"],
	});
});

test.each<{
	readonly why: string;
	readonly before: readonly HandlerPart[] | undefined;
	readonly now: readonly HandlerPart[];
}>([
	{ why: "nothing was recorded", before: undefined, now: [ledger] },
	{ why: "nothing was added", before: [ledger], now: [ledger] },
	{ why: "something was removed", before: [ledger, shared], now: [ledger, pools] },
	{
		why: "something was changed",
		before: [ledger, shared],
		now: [ledger, pools, { ...shared, hash: "0x7" }],
	},
	{
		why: "a namespace is another's too",
		before: [ledger, shared],
		now: [ledger, { ...pools, namespaces: ["pools", "ledger"] }, shared],
	},
	{
		why: "those that were there run in another order",
		before: [ledger, { ...pools, name: "Pool:Gone" }],
		now: [{ ...pools, name: "Pool:Gone" }, ledger, { ...pools, namespaces: ["more"] }],
	},
])("everything is derived anew where $why", ({ before, now }) => {
	expect(onlyAdded(before, now)).toBeUndefined();
});
