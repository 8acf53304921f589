/**
 * How long a write waits for its commit, as the client asks for it: a client that hung up first would not
 * hear that the write is durable.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import type { WriteOptions } from "../../src/client/requests.ts";

/** What each request said of `wait`. */
let asked: (string | null)[];
const server = createServer((request, response) => {
	asked.push(new URL(request.url ?? "", "http://localhost").searchParams.get("wait"));
	response.end("{}");
});

beforeEach(async () => {
	asked = [];
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
});
afterEach(async () => {
	server.close();
	server.closeAllConnections();
	await once(server, "close");
});

/** Of a write and of a consolidation. */
async function waits(timeoutMs: number | undefined, options: WriteOptions = {}) {
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const client = new RecantClient({ url, timeoutMs });
	await client.write("anvil", { op: "put", layer: "semantic", content: {} }, options);
	await client.consolidate("anvil", {}, options);
	return asked;
}

it.each([
	[undefined, null],
	[30_000, null],
	[10_000, null],
	[9_999, "4999"],
	[4_000, "2000"],
	[1_001, "500"],
])("with a time limit of %s ms a write is asked to wait for %s ms", async (timeoutMs, wait) => {
	expect(await waits(timeoutMs)).toEqual([wait, wait]);
});

it("what the caller asks for stands", async () => {
	expect(await waits(4_000, { waitMs: 3_900 })).toEqual(["3900", "3900"]);
	expect((await waits(undefined, { waitMs: 0 })).slice(2)).toEqual(["0", "0"]);
});
