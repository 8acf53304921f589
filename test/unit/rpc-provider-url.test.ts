import { describe, expect, test } from "vitest";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";

const KEY = "9aa3d95b3bc440fa88ea12eaa4456161";

describe("the shown URL", () => {
	test.each([
		["http://127.0.0.1:8545", "http://127.0.0.1:8545"],
		["http://127.0.0.1:8545/", "http://127.0.0.1:8545"],
		["https://user:secret-word@node.test/rpc", "https://node.test/rpc"],
		[`https://node.test/v3/${KEY}`, "https://node.test/v3/***"],
		[`wss://node.test/ws/v2/${KEY}/`, "wss://node.test/ws/v2/***/"],
		["https://node.test/k3yw1thd1g1ts", "https://node.test/***"],
		["https://node.test/ethereum/mainnet", "https://node.test/ethereum/mainnet"],
		[`https://node.test/rpc?apikey=${KEY}#part`, "https://node.test/rpc"],
	])("of %s is %s", (url, shown) => {
		expect(parseProviderUrl(url).shown).toBe(shown);
	});
});

describe("a provider's message", () => {
	test("loses every secret of the URL, encoded or not", () => {
		const url = `https://someone:pass%2Fword@node.test/v3/${KEY}?token=query-token`;
		const { redact } = parseProviderUrl(url);
		const text = redact(`${url} ${KEY} pass%2Fword pass/word query-token someone project`);
		expect(text).not.toMatch(/9aa3d95b|word|query-token|someone/);
		expect(text).toContain("project");
	});

	test("keeps words that a short parameter happens to hold", () => {
		expect(parseProviderUrl("https://node.test/?a=b").redact("a bad block")).toBe("a bad block");
	});
});

describe("an URL that is none", () => {
	test.each(["", "node.test", "ftp://node.test", `file:///${KEY}`])("'%s' is refused", (url) => {
		expect(() => parseProviderUrl(url)).toThrow(
			expect.objectContaining({
				code: "configuration_invalid",
				message: expect.not.stringContaining(KEY),
			}),
		);
	});
});
