import { describe, expect, test } from "vitest";
import { createBullBackend, type QueueBackendConfig } from "../../src/queue/choose-backend.ts";
import { splitServerOptions } from "../../src/queue/postgres-backend.ts";
import { QUEUE_TIMING } from "../../src/queue/queue-timing.ts";

const BACKENDS: readonly QueueBackendConfig[] = [
	{ kind: "postgres", databaseUrl: "postgres://127.0.0.1:1/none" },
	{ kind: "redis", redisUrl: "redis://127.0.0.1:1" },
];

describe.each(BACKENDS)("the prefix on $kind", (config) => {
	test.each(["recant", "recant_0b5f2c1e_9d0a", `a${"b".repeat(56)}`])("may be %s", (prefix) => {
		expect(createBullBackend(config, prefix, QUEUE_TIMING).keyPrefix).toContain(prefix);
	});

	test.each(["", "Recant", "7recant", "recant:a", "recant-a", 'a"b', `a${"b".repeat(57)}`])(
		"may not be %j",
		(prefix) => {
			expect(() => createBullBackend(config, prefix, QUEUE_TIMING)).toThrow(
				expect.objectContaining({ code: "configuration_invalid", fields: { prefix } }),
			);
		},
	);
});

describe("a database URL's own options", () => {
	test.each([
		["postgres://u:p@h/db", "postgres://u:p@h/db", undefined],
		["postgres://u:p@h/db?sslmode=require", "postgres://u:p@h/db?sslmode=require", undefined],
		["postgres://u:p@h/db?options=-c%20a%3Db", "postgres://u:p@h/db", "-c a=b"],
		["postgres://l/db?host=%2Ftmp&options=-c+a%3Db", "postgres://l/db?host=%2Ftmp", "-c a=b"],
	])("of %s are taken out", (url, connectionString, options) => {
		expect(splitServerOptions(url)).toEqual({ connectionString, options });
	});
});
