import { describe, expect, it } from "vitest";
import { readClientEnvironment } from "../../src/config/client-environment.ts";

describe("the client's environment", () => {
	it.each([
		[{}, "http://127.0.0.1:8080"],
		[{ RECANT_PORT: "9000" }, "http://127.0.0.1:9000"],
		[{ RECANT_HOST: "0.0.0.0", RECANT_PORT: "1" }, "http://127.0.0.1:1"],
		[{ RECANT_HOST: "::" }, "http://[::1]:8080"],
		[{ RECANT_HOST: "::1" }, "http://[::1]:8080"],
		[
			{ RECANT_URL: "https://recant.example/base/", RECANT_PORT: "1" },
			"https://recant.example/base",
		],
		[{ RECANT_URL: "" }, "http://127.0.0.1:8080"],
	])("%j calls %s", (env, url) => expect(readClientEnvironment(env).url).toBe(url));

	it.each(["nowhere", "ftp://a", "localhost:8080"])("RECANT_URL=%s is refused", (url) => {
		expect(() => readClientEnvironment({ RECANT_URL: url })).toThrow(/RECANT_URL/);
	});

	it("takes its key, else the service's first", () => {
		expect(readClientEnvironment({ RECANT_API_KEYS: "a,b" }).apiKey).toBe("a");
		expect(readClientEnvironment({ RECANT_API_KEYS: "a", RECANT_API_KEY: "c" }).apiKey).toBe("c");
		expect(readClientEnvironment({}).apiKey).toBeUndefined();
	});
});
