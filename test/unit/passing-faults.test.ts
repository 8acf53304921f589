/** What nodes, queues and LanceDB do wrong is tried again, whatever it is: none of it is ever fatal. */
import { getSystemErrorMap } from "node:util";
import { describe, expect, test } from "vitest";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { QueueContext } from "../../src/queue/queue-context.ts";
import { opened, queueUnavailable } from "../../src/queue/queue-context.ts";
import { connectionFailure, ProviderError } from "../../src/rpc/provider-error.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";
import { asUnavailable, isMissing } from "../../src/vectors/lance-errors.ts";

const SYSTEM = [...getSystemErrorMap().values()].map(([name]) => name);

function coded(code: string): Error {
	return Object.assign(new Error(`it failed with ${code}`), { code });
}

describe("a node", () => {
	const asked = { provider: parseProviderUrl("http://127.0.0.1:8545"), method: "eth_chainId" };

	test.each([
		["the system", SYSTEM],
		["names", ["ENOTFOUND", "EAI_AGAIN"]],
		["undici", ["UND_ERR_SOCKET", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT"]],
		["TLS", ["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "ERR_SSL_WRONG_VERSION_NUMBER"]],
		["nothing", [undefined]],
	])("that cannot be reached by the word of %s is unavailable", (_who, codes) => {
		for (const code of codes) {
			const { code: ours, retryable } = new ProviderError(asked, connectionFailure(code), "failed");
			expect([code, ours, retryable]).toEqual([code, "rpc_unavailable", true]);
		}
	});

	test.each(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"])(
		"whose connection broke is asked once more at once: %s",
		(code) => expect(connectionFailure(code)).toEqual({ kind: "lost" }),
	);
});

describe("a queue", () => {
	const context = {
		backend: { kind: "redis" },
		timing: { connectMs: 1_000 },
		availability: { cause: undefined },
	} as unknown as QueueContext;

	test.each([
		...SYSTEM.map(coded),
		new Error("Connection is closed."),
		new Error("Stream isn't writeable and enableOfflineQueue options is false"),
		new Error("LOADING Redis is loading the dataset in memory"),
		new Error("READONLY You can't write against a read only replica."),
		new Error("MISCONF Redis is configured to save RDB snapshots"),
		new Error("OOM command not allowed when used memory > 'maxmemory'."),
		new Error("NOAUTH Authentication required."),
		new TypeError("Cannot read properties of undefined"),
	])("is unavailable: %s", async (error) => {
		expect(queueUnavailable(context, error)).toMatchObject({ retryable: true });
		const opening = opened(context, Promise.reject(error));
		await expect(opening).rejects.toMatchObject({ code: "queue_unavailable", retryable: true });
	});
});

describe("LanceDB", () => {
	test.each([
		...SYSTEM.map(coded),
		new Error("lance error: LanceError(IO): No space left on device (os error 28)"),
		new Error("lance error: LanceError(IO): Generic S3 error: operation timed out"),
		new Error("lance error: LanceError(IO): dns error: failed to lookup address information"),
		new Error("lance error: Commit conflict for version 7"),
		new Error("Too many concurrent writers"),
		"a panic",
	])("is unavailable: %s", (error) => {
		expect(isMissing(error)).toBe(false);
		expect(asUnavailable(error, "notes", "read")).toMatchObject({
			code: "vectors_unavailable",
			retryable: true,
		});
	});

	test("leaves errors of Recant's as they are", () => {
		const detail = { message: "m", hint: "h" };
		for (const error of [
			new FatalError("dimension_mismatch", detail),
			new RetryableError("tail_full", detail),
		]) {
			expect(asUnavailable(error, "notes", "read")).toBe(error);
		}
	});
});
