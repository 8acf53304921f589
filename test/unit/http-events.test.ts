import { describe, expect, it } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { formatEventId, parseEventId, startPositions } from "../../src/http/event-position.ts";
import { type EventStreamOptions, eventStream } from "../../src/http/event-stream.ts";
import type { EventView } from "../../src/service/recant-service.ts";
import { CHAIN, CHAIN_ID, readJson, testHttp } from "./http-fixture.ts";

function entry(chainId: number, position: bigint | undefined): EventView {
	return { chainId, position, type: position === undefined ? "progress" : "put", data: { a: 1 } };
}

async function* listed(...events: readonly EventView[]): AsyncGenerator<EventView> {
	yield* events;
}

interface OpenedStream {
	readonly stream: ReadableStream<Uint8Array>;
	readonly failures: unknown[];
	ended(): number;
}

function open(options: Partial<EventStreamOptions>): OpenedStream {
	const failures: unknown[] = [];
	let ended = 0;
	const stream = eventStream({
		open: () => listed(),
		positions: new Map([[1, 0n]]),
		signals: [],
		onFailure: (error) => failures.push(error),
		onEnd: () => {
			ended += 1;
		},
		...options,
	});
	return { stream, failures, ended: () => ended };
}

function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
	return new Response(stream).text();
}

/** A source that never says anything, and remembers whether it was told to stop. */
function silent(): { readonly open: EventStreamOptions["open"]; aborted(): boolean } {
	let signal: AbortSignal | undefined;
	return {
		open: (given) => {
			signal = given;
			return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) };
		},
		aborted: () => signal?.aborted === true,
	};
}

describe("ids of events", () => {
	it("hold the position of every chain, and are read back", () => {
		const positions = new Map([
			[1, 5n],
			[31_337, 9_007_199_254_740_993n],
		]);
		expect(formatEventId(positions)).toBe("1:5,31337:9007199254740993");
		expect(parseEventId("1:5,31337:9007199254740993")).toEqual(positions);
	});

	it.each(["", "1", "1:", ":1", "0:1", "1:-1", "1:01", "x:1", "1:1,", "1:1;2:2", "1:1e3"])(
		"written %j are refused",
		(id) =>
			expect(() => parseEventId(id)).toThrow(expect.objectContaining({ code: "cursor_invalid" })),
	);

	it("start where they say, and other chains at their present end", () => {
		const present = new Map([
			[1, 10n],
			[2, 20n],
		]);
		expect(startPositions(present, new Map([[1, 4n]]))).toEqual(
			new Map([
				[1, 4n],
				[2, 20n],
			]),
		);
		expect(startPositions(present, new Map([[7, 4n]]))).toEqual(present);
		expect(startPositions(present, undefined)).toEqual(present);
	});

	it("that the log has not reached are of another installation", () => {
		expect(() => startPositions(new Map([[1, 10n]]), new Map([[1, 11n]]))).toThrow(/ends at 10/);
	});
});

describe("the stream", () => {
	it("names every chain in every id, and gives progress none", async () => {
		const { stream, ended } = open({
			positions: new Map([
				[1, 5n],
				[2, 7n],
			]),
			open: () => listed(entry(2, 8n), entry(1, undefined), entry(1, 6n)),
		});
		expect(await textOf(stream)).toBe(
			[
				"retry: 2000\nid: 1:5,2:7\n",
				'id: 1:5,2:8\nevent: put\ndata: {"chainId":2,"position":"8","type":"put","data":{"a":1}}\n',
				'event: progress\ndata: {"chainId":1,"type":"progress","data":{"a":1}}\n',
				'id: 1:6,2:8\nevent: put\ndata: {"chainId":1,"position":"6","type":"put","data":{"a":1}}\n',
				"",
			].join("\n"),
		);
		expect(ended()).toBe(1);
	});

	it("says that it is alive while nothing happens", async () => {
		const source = silent();
		const { stream, ended } = open({ open: source.open, heartbeatMs: 5 });
		const reader = stream.getReader();
		await reader.read();
		const decoder = new TextDecoder();
		expect(decoder.decode((await reader.read()).value)).toMatch(/^: /);
		expect(decoder.decode((await reader.read()).value)).toMatch(/^: /);
		await reader.cancel();
		expect(source.aborted()).toBe(true);
		expect(ended()).toBe(1);
	});

	it("ends once when the client goes, before, while or after it reads", async () => {
		for (const reads of [0, 1]) {
			const source = silent();
			const { stream, ended } = open({ open: source.open });
			const reader = stream.getReader();
			for (let read = 0; read < reads; read++) await reader.read();
			await reader.cancel();
			expect(ended()).toBe(1);
		}
	});

	it("ends when the server closes", async () => {
		const closing = new AbortController();
		const { stream, ended, failures } = open({ open: silent().open, signals: [closing.signal] });
		const text = textOf(stream);
		setTimeout(() => closing.abort(), 5);
		expect(await text).toContain("retry:");
		expect(ended()).toBe(1);
		expect(failures).toEqual([]);
	});

	it("asks for no more than the client takes", async () => {
		let asked = 0;
		async function* endless(): AsyncGenerator<EventView> {
			for (let position = 1n; position < 10_000n; position++) {
				asked += 1;
				yield entry(1, position);
			}
		}
		const { stream } = open({ open: endless });
		const reader = stream.getReader();
		for (let read = 0; read < 4; read++) await reader.read();
		await new Promise((resolve) => setTimeout(resolve, 20));
		expect(asked).toBeLessThan(8);
		await reader.cancel();
	});

	it("says a problem and ends when its source fails", async () => {
		const error = new RetryableError("database_unavailable", { message: "gone", hint: "wait" });
		async function* failing(): AsyncGenerator<EventView> {
			yield entry(1, 1n);
			throw error;
		}
		const { stream, ended, failures } = open({ open: failing });
		const text = await textOf(stream);
		expect(text).toContain("id: 1:1\n");
		expect(text).toMatch(/event: problem\ndata: \{.*"code":"database_unavailable"/);
		expect(failures).toEqual([error]);
		expect(ended()).toBe(1);
	});
});

describe("GET /v1/events", () => {
	it("begins at the present end, with the filters passed on", async () => {
		const http = testHttp();
		const response = await http.get("/v1/events?types=put,rollback&chain=anvil");
		expect(response.headers.get("content-type")).toBe("text/event-stream");
		expect(await response.text()).toContain(`id: ${CHAIN_ID}:12\n`);
		expect(http.last("events")[0]).toEqual({
			after: new Map([[CHAIN_ID, CHAIN.logPosition]]),
			chains: ["anvil"],
			types: ["put", "rollback"],
		});
	});

	it("resumes after Last-Event-ID, which goes before `after`", async () => {
		const http = testHttp();
		const headers = { "last-event-id": `${CHAIN_ID}:3` };
		await (await http.get(`/v1/events?after=${CHAIN_ID}:1`, { headers })).text();
		expect(http.last("events")[0]).toMatchObject({ after: new Map([[CHAIN_ID, 3n]]) });
		await (await http.get(`/v1/events?after=${CHAIN_ID}:1`)).text();
		expect(http.last("events")[0]).toMatchObject({ after: new Map([[CHAIN_ID, 1n]]) });
	});

	it.each([
		["/v1/events?after=abc", "cursor_invalid", 400],
		[`/v1/events?after=${CHAIN_ID}:13`, "cursor_invalid", 400],
		["/v1/events?types=a,,b", "invalid_request", 400],
		["/v1/events?chain=mainnet", "unknown_chain", 404],
		["/v1/events?since=1", "invalid_request", 400],
	])("%s is refused as %s", async (path, code, status) => {
		const response = await testHttp().get(path);
		expect(response.status).toBe(status);
		expect(await response.json()).toMatchObject({ code });
	});

	it("serves only so many clients, and a place is free when one goes", async () => {
		const http = testHttp({ overrides: { events: (_query, signal) => silent().open(signal) } });
		const first = await http.get("/v1/events");
		for (let client = 1; client < LIMITS.eventClients; client++) await http.get("/v1/events");
		// Asks for the headers alone, and so takes no place.
		expect((await http.get("/v1/events", { method: "HEAD" })).status).toBe(200);
		const refused = await http.get("/v1/events");
		expect(refused.status).toBe(503);
		expect(refused.headers.get("retry-after")).toBe("1");
		const problem = await readJson<{ readonly code: string }>(refused);
		expect(problem.code).toBe("too_many_clients");
		await first.body?.cancel();
		expect((await http.get("/v1/events")).status).toBe(200);
	});
});
