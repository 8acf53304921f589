import { describe, expect, test } from "vitest";
import { readEnvironment } from "../../src/config/environment.ts";
import { RecantError } from "../../src/domain/errors.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

function problemsOf(variables: Record<string, string>): RecantError["fields"] {
	try {
		readEnvironment(variables);
	} catch (error) {
		if (error instanceof RecantError) return error.fields;
		throw error;
	}
	return {};
}

describe("EMBEDDER", () => {
	test("is the embedded one, an endpoint with its model, or transformers with a model", () => {
		expect(readEnvironment({ EMBEDDER: "hash" }).embedder).toEqual({ kind: "hashing" });
		const http = { EMBEDDER: "https://host/v1", EMBEDDER_MODEL: "m", EMBEDDER_DIMENSIONS: "1536" };
		expect(readEnvironment(http).embedder).toEqual({
			kind: "http",
			url: "https://host/v1",
			model: "m",
			dimensions: 1_536,
			apiKey: undefined,
		});
		const local = { EMBEDDER: "transformers", EMBEDDER_MODEL: "/models/m" };
		expect(readEnvironment(local).embedder).toEqual({
			kind: "transformers",
			model: "/models/m",
			dimensions: undefined,
		});
	});

	test("lists every variable that is missing or wrong, and shows no key", () => {
		expect(problemsOf({ EMBEDDER: "https://host/v1" })).toEqual({
			EMBEDDER_MODEL: "is unset, and EMBEDDER=<url> needs it",
			EMBEDDER_DIMENSIONS: "is unset, and EMBEDDER=<url> needs it",
		});
		const wrong = {
			EMBEDDER: "openai",
			EMBEDDER_DIMENSIONS: "4097",
			EMBEDDER_API_KEY: "se same",
			WEBHOOK_URL: "https://me:pw@host/hook,ftp://x",
		};
		expect(Object.keys(problemsOf(wrong)).toSorted()).toEqual([
			"EMBEDDER",
			"EMBEDDER_API_KEY",
			"EMBEDDER_DIMENSIONS",
			"WEBHOOK_SECRET",
			"WEBHOOK_URL",
		]);
		expect(() => readEnvironment(wrong)).toThrow(
			expect.objectContaining({ message: expect.not.stringMatching(/se same|pw/) }),
		);
	});
});

describe("WEBHOOK_URL", () => {
	test("needs a secret, and takes several of both", () => {
		expect(Object.keys(problemsOf({ WEBHOOK_URL: "https://a/b" }))).toEqual(["WEBHOOK_SECRET"]);
		const { webhook } = readEnvironment({
			WEBHOOK_URL: "https://a/b, http://c, https://a/b",
			WEBHOOK_SECRET: `${SECRET},${SECRET}`,
			RECANT_PUBLIC_URL: "https://recant.example/",
		});
		expect(webhook?.urls).toEqual(["https://a/b", "http://c"]);
		expect(webhook?.secrets).toEqual([Buffer.alloc(32, 7), Buffer.alloc(32, 7)]);
		expect(webhook?.publicUrl).toBe("https://recant.example");
	});

	test.each(["short", "whsec_short", `whsec_${Buffer.alloc(23).toString("base64")}`, `${SECRET}!`])(
		"takes no secret like %s",
		(secret) => {
			const fields = problemsOf({ WEBHOOK_URL: "https://a", WEBHOOK_SECRET: secret });
			expect(Object.keys(fields)).toEqual(["WEBHOOK_SECRET"]);
		},
	);
});
