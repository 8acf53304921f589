/** What is taken for a defect halts a chain for good, so the table holds every fault that may pass. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { getSystemErrorMap } from "node:util";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import { asDatabaseError, endsSession } from "../../src/store/database-errors.ts";

const PASSING = { code: "database_unavailable", retryable: true };
const OURS = { code: "internal", retryable: false };

/** On a connection that is there. */
function meaningOf(error: unknown) {
	const { code, retryable } = asDatabaseError(error, false);
	return { code, retryable };
}

function coded(code: string, type: ErrorConstructor = Error): Error {
	return Object.assign(new type(`it failed with ${code}`), { code });
}

/** As the driver makes it of a server's answer. */
function answer(code: string, severity = "ERROR"): Error {
	const fields = { code, severity, severity_local: severity, message: `answered ${code}` };
	return new (postgres.PostgresError as unknown as new (x: typeof fields) => Error)(fields);
}

test("a table that was changed under a prepared statement passes, and takes the session with it", () => {
	const made = (routine: string) => Object.assign(answer("0A000"), { routine });
	expect(meaningOf(made("RevalidateCachedQuery"))).toEqual(PASSING);
	expect(endsSession(made("RevalidateCachedQuery"))).toBe(true);
	expect(meaningOf(made("transformStmt"))).toEqual(OURS);
	expect(endsSession(made("transformStmt"))).toBe(false);
});

describe("no answer of the server", () => {
	// EPIPE, EBUSY and others look like a SQLSTATE.
	const names = [...getSystemErrorMap().values()].map(([name]) => name);
	test.each([...new Set([...names, "ENOTFOUND", "EAI_AGAIN"])])("%s passes", (name) => {
		expect(meaningOf(coded(name))).toEqual(PASSING);
		expect(endsSession(coded(name))).toBe(true);
	});

	test.each([
		"CONNECTION_CLOSED",
		"CONNECTION_ENDED",
		"CONNECTION_DESTROYED",
		"CONNECT_TIMEOUT",
		"SASL_SIGNATURE_MISMATCH",
		"MESSAGE_NOT_SUPPORTED",
		"ERR_SOCKET_CLOSED",
		"ERR_SOCKET_CONNECTION_TIMEOUT",
		"ERR_STREAM_DESTROYED",
		"ERR_STREAM_WRITE_AFTER_END",
		"ERR_STREAM_PREMATURE_CLOSE",
		"ERR_TLS_CERT_ALTNAME_INVALID",
		"ERR_SSL_WRONG_VERSION_NUMBER",
		"CERT_HAS_EXPIRED",
		"A_CODE_OF_TOMORROW",
	])("%s of the driver, the socket or TLS passes", (code) => {
		expect(meaningOf(coded(code))).toEqual(PASSING);
		expect(endsSession(coded(code))).toBe(true);
	});

	test("a write to a socket whose other end is gone passes, as the system reports it", async () => {
		const server = createServer((socket) => socket.resetAndDestroy()).listen(0, "127.0.0.1");
		await once(server, "listening");
		const address = server.address();
		const port = typeof address === "object" && address !== null ? address.port : 0;
		const socket = connect({ port, host: "127.0.0.1" });
		const [failure] = await once(socket, "error");
		expect(meaningOf(failure)).toEqual(PASSING);
		const late = await new Promise((resolve) => socket.write("more", resolve));
		expect(meaningOf(late)).toEqual(PASSING);
		server.close();
	});

	test("hosts that all refuse pass together, each named", () => {
		const causes = ["ECONNREFUSED", "EHOSTUNREACH"].map((code) => coded(code));
		const error = Object.assign(new AggregateError(causes, ""), { code: "ECONNREFUSED" });
		const seen = asDatabaseError(error, false);
		expect(seen).toMatchObject(PASSING);
		expect(seen.message).toContain("it failed with EHOSTUNREACH");
	});
});

describe("an answer of the server", () => {
	test.each([
		["connection", ["08000", "08003", "08006", "08P01"]],
		["concurrency", ["40001", "40P01", "40003", "55P03", "55006"]],
		["resources", ["53000", "53100", "53200", "53300", "53400"]],
		["statement timeout, shutdown", ["57014", "57P01", "57P02", "57P03", "57P04", "57P05"]],
		["a standby, idling", ["25006", "25P03", "25P04"]],
		["system, files, old snapshot", ["58000", "58030", "XX000", "XX001", "72000"]],
	])("that blames the server or the moment passes: %s", (_what, codes) => {
		for (const code of codes) expect([code, meaningOf(answer(code))]).toEqual([code, PASSING]);
	});

	test.each(["28P01", "28000", "3D000", "42501", "53300", "57P01"])(
		"passes when it ends the session, whatever it is: %s",
		(code) => {
			expect(meaningOf(answer(code, "FATAL"))).toEqual(PASSING);
			expect(endsSession(answer(code, "FATAL"))).toBe(true);
		},
	);

	test.each(["22001", "22P02", "23505", "25P02", "42601", "42703", "42P01", "42501", "0A000"])(
		"is ours when it refuses the query, and leaves the session: %s",
		(code) => {
			expect(meaningOf(answer(code))).toEqual(OURS);
			expect(endsSession(answer(code))).toBe(false);
		},
	);

	test("a shutdown ends the session, even as an error of one query", () => {
		expect(["57P01", "57P02", "57P05"].map((code) => endsSession(answer(code)))).toEqual([
			true,
			true,
			true,
		]);
		expect(endsSession(answer("40001"))).toBe(false);
	});
});

describe("what no server and no network did", () => {
	test.each([
		["a defect in decoding", new TypeError("Cannot read properties of undefined")],
		["one that speaks of connections", new TypeError("connection.closed is not a function")],
		["a wrong argument", coded("ERR_INVALID_ARG_TYPE", TypeError as ErrorConstructor)],
		["a value that is missing", coded("UNDEFINED_VALUE")],
		["too many parameters", coded("MAX_PARAMETERS_EXCEEDED")],
		["what is no error", "text"],
	])("is ours: %s", (_what, error) => {
		expect(meaningOf(error)).toEqual(OURS);
	});

	test("passes on a connection that is gone, over which the driver stumbles", () => {
		const stumble = new TypeError("Cannot read properties of null (reading 'write')");
		expect(asDatabaseError(stumble, true)).toMatchObject(PASSING);
	});

	test("stays as it is when it is an error of Recant's", () => {
		const detail = { message: "m", hint: "h" };
		for (const error of [
			new FatalError("idempotency_conflict", detail),
			new RetryableError("inbox_full", detail),
		]) {
			expect(asDatabaseError(error, true)).toBe(error);
			expect(endsSession(error)).toBe(false);
		}
	});
});
