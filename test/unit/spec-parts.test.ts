/** What tells that a chain's handlers are others, and which of them. */
import { parseAbi } from "viem";
import { describe, expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";

const abi = parseAbi(["event Moved(address indexed from)", "event Noted(string note)"]);
const A = `0x${"a".repeat(40)}`;

type Definition = Readonly<Record<string, unknown>>;

function moved() {
	return "moved";
}

function definition(change: Definition = {}): Definition {
	return {
		id: 1,
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		namespaces: ["ledger", "notes"],
		contracts: { A: { abi, address: A, namespaces: ["ledger"] } },
		handlers: { "A:Moved": moved },
		...change,
	};
}

function partsOf(change: Definition, code: string): ReadonlyMap<string, string> {
	const spec = chainSpec(definition(change), { file: "test.ts", code: Buffer.from(code) });
	return new Map(spec.parts.map(({ name, hash }) => [name, hash]));
}

const CODE = `import { defineChain } from "recant";
function helper(text) { return text + ")"; }
export default defineChain({ handlers: { "A:Moved": () => helper("(\\"") } }); // )
`;

describe("the parts of a chain's file", () => {
	const before = partsOf({}, CODE);

	test("are its handlers, and what they share", () => {
		expect([...before.keys()]).toEqual(["A:Moved", "code"]);
		const spec = chainSpec(definition(), { file: "test.ts", code: Buffer.from(CODE) });
		expect(spec.parts.map(({ namespaces }) => namespaces)).toEqual([
			["ledger"],
			["ledger", "notes"],
		]);
	});

	test("stay as they are when others are added", () => {
		const code = CODE.replace("import", 'import { other } from "./other.ts";\nimport').replace(
			"handlers: {",
			"handlers: { other,",
		);
		const blocks = { each: { interval: 5, namespaces: ["notes"], handler: () => undefined } };
		const handlers = { "A:Moved": moved, "B:Noted": () => "noted" };
		const contracts = {
			A: { abi, address: A, namespaces: ["ledger"] },
			B: { abi, address: A, namespaces: ["notes"] },
		};
		const after = partsOf({ blocks, handlers, contracts }, code);
		expect([...after.keys()]).toEqual(["A:Moved", "B:Noted", "blocks.each", "code"]);
		for (const name of ["A:Moved", "code"]) expect(after.get(name)).toBe(before.get(name));
	});

	test.each([
		["its code", { handlers: { "A:Moved": () => "other" } }],
		["its contract's address", { contracts: { A: { abi, address: `0x${"b".repeat(40)}` } } }],
		[
			"its start",
			{ contracts: { A: { abi, address: A, namespaces: ["ledger"], startBlock: 5n } } },
		],
		[
			"its filter",
			{
				contracts: {
					A: { abi, address: A, namespaces: ["ledger"], filter: { Moved: { args: { from: A } } } },
				},
			},
		],
	])("differ where a handler does: %s", (_, change) => {
		const after = partsOf(change, CODE);
		expect(after.get("A:Moved")).not.toBe(before.get("A:Moved"));
		expect(after.get("code")).toBe(before.get("code"));
	});

	test("differ where a factory's contracts are told by another parameter", () => {
		const event = "event Made(address one, address other)";
		const factory = { abi: parseAbi([event]), address: A, event: "Made", parameter: "one" };
		const made = (parameter: string) =>
			partsOf({ contracts: { A: { abi, factory: { ...factory, parameter } } } }, CODE);
		expect(made("one").get("A:Moved")).toBe(made("one").get("A:Moved"));
		expect(made("other").get("A:Moved")).not.toBe(made("one").get("A:Moved"));
	});

	test("differ where what they share does", () => {
		const after = partsOf({}, CODE.replace('text + ")"', 'text + "]"'));
		expect(after.get("A:Moved")).toBe(before.get("A:Moved"));
		expect(after.get("code")).not.toBe(before.get("code"));
	});
});
