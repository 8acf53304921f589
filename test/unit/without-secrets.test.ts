import { expect, test } from "vitest";
import { withoutSecrets } from "../../src/vectors/without-secrets.ts";

test.each([
	["Incorrect API key provided: sk-ab12****34. See", "Incorrect API key provided: [cut] See"],
	['{"api_key":"hunter2","model":"m"}', '{"api_key":"[cut]","model":"m"}'],
	["Authorization: Bearer abc.def", "Authorization: [cut] [cut]"],
	["no route to https://me:pw@host/v1", "no route to https://[cut]@host/v1"],
	["you sent 0123456789abcdef0123", "you sent [cut]"],
	["got eyJhbGciOi.eyJzdWIi.c2ln", "got [cut]"],
	["the password is open sesame", "the password is [cut]"],
	["maximum context length\n is 8192 words", "maximum context length is 8192 words"],
])("%s", (said, logged) => {
	expect(withoutSecrets(said, [undefined, "", "open sesame"])).toBe(logged);
});

test("is at most 200 characters, and has no half of a secret", () => {
	expect(withoutSecrets("word ".repeat(2_000), [])).toHaveLength(200);
	const long = `${"a1".repeat(2_043)} 0123456789abcdef0123`;
	expect(withoutSecrets(long, [])).toBe("[cut]");
});
